/**
 * Remembers the settled version of each object, so that a poll asks the store only about what has changed.
 *
 * An answer may be out of date, if another replica settled a newer version that this one never listed. That loses nothing: every
 * line of the remembered version was settled, and the replica that settled the newer one visits the object if the older one
 * comes back. It does, because it listed the newer one, and a version is only remembered while nobody visits another.
 * If another process reopens an object and ends before it has visited it, everything is forgotten (`onReopenerGone` in replicas.ts).
 *
 * Sixteen bytes for each object, in an open hash table that is at most half full: 32 MB for a million.
 */
import { createHmac } from 'node:crypto';
import type { DeliveredObject } from '../model/object.ts';

/** When it is full, it starts over. */
const objectsMaxDefault = 2_097_152;
const firstLength = 1024;

export class SettledVersions {
  readonly #secret: Uint8Array;
  readonly #objectsMax: number;
  /** Hashes of ids, 0 where a slot is free, and of the versions: 0 if the version is not known any more. */
  #ids = new BigUint64Array(firstLength);
  #versions = new BigUint64Array(firstLength);
  #count = 0;

  /** @param secret keys the hashes, so that nobody can craft an object that seems to be settled. */
  constructor(secret: Uint8Array, objectsMax = objectsMaxDefault) {
    this.#secret = secret;
    this.#objectsMax = objectsMax;
  }

  /** Forgets what it knows of the object if this is another version. */
  has({ origin, version }: DeliveredObject): boolean {
    const slot = this.#slotOf(this.#hashOf(origin.id));
    const isKnown = this.#versions[slot] === this.#hashOf(version.etag);
    if (!isKnown) this.#versions[slot] = 0n;
    return isKnown;
  }

  add({ origin, version }: DeliveredObject): void {
    if (2 * (this.#count + 1) > this.#ids.length) this.#grow();
    this.#set(this.#hashOf(origin.id), this.#hashOf(version.etag));
  }

  #grow(): void {
    const [ids, versions] = [this.#ids, this.#versions];
    const isFull = this.#count >= this.#objectsMax;
    const length = isFull ? firstLength : 2 * ids.length;
    this.#ids = new BigUint64Array(length);
    this.#versions = new BigUint64Array(length);
    this.#count = 0;
    if (isFull) return;
    for (const [slot, id] of ids.entries()) if (id !== 0n) this.#set(id, versions[slot] ?? 0n);
  }

  #set(id: bigint, version: bigint): void {
    const slot = this.#slotOf(id);
    if (this.#ids[slot] === 0n) this.#count++;
    this.#ids[slot] = id;
    this.#versions[slot] = version;
  }

  /** Where the object is, or would be. The length is a power of two. */
  #slotOf(id: bigint): number {
    const mask = this.#ids.length - 1;
    let slot = Number(id & 0x7fff_ffffn) & mask;
    while (this.#ids[slot] !== 0n && this.#ids[slot] !== id) slot = (slot + 1) & mask;
    return slot;
  }

  /** Never 0. */
  #hashOf(text: string): bigint {
    return createHmac('sha256', this.#secret).update(text).digest().readBigUInt64LE() || 1n;
  }
}
