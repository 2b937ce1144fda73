/**
 * Remembers which versions of which objects are settled, so that a poll asks the store only about what has changed. Such an answer
 * never becomes wrong in a way that loses a line: every line of the version was settled.
 *
 * Eight bytes for each, in an open hash table that is at most half full: 16 MB for a million.
 */
import { createHmac } from 'node:crypto';
import type { DeliveredObject } from '../model/object.ts';

/** When it is full, it starts over. */
const entriesMax = 4_194_304;

export class SettledVersions {
  readonly #secret: Uint8Array;
  readonly #entriesMax: number;
  #slots = new BigUint64Array(1024);
  #count = 0;

  /** @param secret keys the hashes, so that nobody can craft an object that seems to be settled. */
  constructor(secret: Uint8Array, limit = entriesMax) {
    this.#secret = secret;
    this.#entriesMax = limit;
  }

  has(object: DeliveredObject): boolean {
    const hash = this.#hashOf(object);
    return this.#slots[this.#slotOf(this.#slots, hash)] === hash;
  }

  add(object: DeliveredObject): void {
    if (2 * (this.#count + 1) > this.#slots.length) this.#grow();
    this.#insert(this.#slots, this.#hashOf(object));
  }

  #grow(): void {
    const before = this.#slots;
    const isFull = this.#count >= this.#entriesMax;
    this.#slots = new BigUint64Array(isFull ? 1024 : 2 * before.length);
    this.#count = 0;
    if (isFull) return;
    for (const hash of before) if (hash !== 0n) this.#insert(this.#slots, hash);
  }

  #insert(slots: BigUint64Array, hash: bigint): void {
    const slot = this.#slotOf(slots, hash);
    if (slots[slot] === hash) return;
    slots[slot] = hash;
    this.#count++;
  }

  /** Where the hash is, or would be. The length is a power of two. */
  #slotOf(slots: BigUint64Array, hash: bigint): number {
    const mask = slots.length - 1;
    let slot = Number(hash & 0x7fff_ffffn) & mask;
    while (slots[slot] !== 0n && slots[slot] !== hash) slot = (slot + 1) & mask;
    return slot;
  }

  /** Never 0, which marks a free slot. */
  #hashOf({ origin, version }: DeliveredObject): bigint {
    const digest = createHmac('sha256', this.#secret).update(`${origin.id}\0${version.etag}`).digest();
    return digest.readBigUInt64LE() || 1n;
  }
}
