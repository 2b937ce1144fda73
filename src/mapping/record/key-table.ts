/**
 * The keys of records, found by their bytes: a delivery has few different keys and millions of records, so what there is to
 * know of a key is found out once.
 */
import { Buffer, isAscii } from 'node:buffer';
import { type AttributeKey, attributeKey } from '../writers/attribute-key.ts';

export interface Sensitivity {
  /** Its value may have to be redacted. */
  readonly isSensitive: boolean;
  /** Its value has to be redacted in the records of some services. */
  readonly isSensitiveInService: boolean;
}

export class RecordKey {
  readonly bytes: Uint8Array;
  readonly text: string;
  readonly isAscii: boolean;
  /** False when the same key may come as another object the next time, because the table had no room for it. */
  readonly isKept: boolean;
  /** The object that it was last seen in, and which entry it is there. */
  seenIn = 0;
  seenAt = 0;
  /** The key that came after this one the last time. */
  follower: RecordKey | undefined;
  readonly #sensitivityOf: (key: string) => Sensitivity;
  #sensitivity: Sensitivity | undefined;
  #attribute: AttributeKey | undefined;

  constructor(bytes: Uint8Array, sensitivityOf: (key: string) => Sensitivity, isKept: boolean) {
    this.bytes = bytes;
    this.text = Buffer.from(bytes).toString();
    this.isAscii = isAscii(bytes);
    this.#sensitivityOf = sensitivityOf;
    this.isKept = isKept;
  }

  get sensitivity(): Sensitivity {
    this.#sensitivity ??= this.#sensitivityOf(this.text);
    return this.#sensitivity;
  }

  /** As the name of an attribute, which must not be empty. */
  get attribute(): AttributeKey {
    this.#attribute ??= attributeKey(this.text);
    return this.#attribute;
  }
}

const slotCount = 8192;
/** Beyond that the table starts over: records can make up keys without end. */
const keysMax = slotCount / 2;
const keyBytesMax = 262_144;
/** So that keys that are made to fall together cost no more than others. */
const probesMax = 16;
const quote = 0x22;

export class KeyTable {
  readonly #sensitivityOf: (key: string) => Sensitivity;
  readonly #pinned: RecordKey[] = [];
  #slots: (RecordKey | undefined)[] = [];
  #keyCount = 0;
  #keyBytes = 0;
  #objectCount = 0;
  #last: RecordKey | undefined;

  constructor(sensitivityOf: (key: string) => Sensitivity) {
    this.#sensitivityOf = sensitivityOf;
    this.#startOver();
  }

  /** A key that the mapping reads: it stays. */
  pin(text: string): RecordKey {
    const key = this.ofText(text);
    if (!this.#pinned.includes(key)) this.#pinned.push(key);
    return key;
  }

  /** Forgets the keys when there are too many; call it while none is in use. */
  trim(): void {
    if (this.#keyCount >= keysMax || this.#keyBytes >= keyBytesMax) this.#startOver();
  }

  /** A number for an object whose members are about to be noted in their keys. */
  nextObject(): number {
    return ++this.#objectCount;
  }

  /** The key that begins here, if it is the one that came after the last one before: records of one kind are alike. */
  expected(bytes: Uint8Array, start: number): RecordKey | undefined {
    const key = this.#last?.follower;
    if (key === undefined) return undefined;
    const size = key.bytes.length;
    if (bytes[start + size] !== quote || !equalBytes(key.bytes, bytes, start)) return undefined;
    this.#last = key;
    return key;
  }

  /** The key without escapes. The same object for the same key until the next `trim`, if it is kept. */
  ofBytes(bytes: Uint8Array, start: number, end: number): RecordKey {
    const key = this.#find(bytes, start, end);
    if (!key.isKept) return key;
    if (this.#last !== undefined) this.#last.follower = key;
    this.#last = key;
    return key;
  }

  ofText(text: string): RecordKey {
    const bytes = Buffer.from(text);
    // Escapes may stand for quotes, which the next key would be mistaken for if it were expected.
    this.#last = undefined;
    return this.#find(bytes, 0, bytes.length);
  }

  #find(bytes: Uint8Array, start: number, end: number): RecordKey {
    const size = end - start;
    const first = hashOf(bytes, start, size);
    for (let slot = first; slot < first + probesMax; slot++) {
      const known = this.#slots[slot % slotCount];
      if (known === undefined) return this.#add(slot % slotCount, copyOf(bytes, start, end));
      if (known.bytes.length === size && equalBytes(known.bytes, bytes, start)) return known;
    }
    return new RecordKey(copyOf(bytes, start, end), this.#sensitivityOf, false);
  }

  #add(slot: number, bytes: Uint8Array): RecordKey {
    const hasRoom = this.#keyCount < keysMax && this.#keyBytes < keyBytesMax;
    const key = new RecordKey(bytes, this.#sensitivityOf, hasRoom);
    if (hasRoom) this.#put(slot, key);
    return key;
  }

  #put(slot: number, key: RecordKey): void {
    this.#slots[slot] = key;
    this.#keyCount++;
    this.#keyBytes += key.bytes.length;
  }

  #startOver(): void {
    this.#slots = new Array<RecordKey | undefined>(slotCount).fill(undefined);
    this.#keyCount = 0;
    this.#keyBytes = 0;
    this.#last = undefined;
    for (const key of this.#pinned) {
      key.follower = undefined;
      let slot = hashOf(key.bytes, 0, key.bytes.length);
      while (this.#slots[slot] !== undefined) slot = (slot + 1) % slotCount;
      this.#put(slot, key);
    }
  }
}

/** Of the length and a few bytes; keys that fall together cost a comparison more. */
function hashOf(bytes: Uint8Array, start: number, size: number): number {
  if (size === 0) return 0;
  const byte = (index: number) => bytes[start + index] as number;
  const last = size - 1;
  return (size * 31 + byte(0) * 7 + byte(size >>> 1) * 1031 + byte(last >>> 2) * 523 + byte(last) * 131) % slotCount;
}

function equalBytes(left: Uint8Array, right: Uint8Array, rightStart: number): boolean {
  for (let index = 0; index < left.length; index++) if (left[index] !== right[rightStart + index]) return false;
  return true;
}

/** A Buffer's own `slice` would be a view. */
function copyOf(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return Uint8Array.prototype.slice.call(bytes, start, end);
}
