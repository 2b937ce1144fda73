/**
 * What records are without their values: keys in their order, and of what kind each value is. A delivery has few shapes and
 * millions of records, so whatever follows from the shape alone is found out once and not for each record.
 *
 * Shapes form a tree: a record begins at its root, and every key with its value is a step to the shape behind it. The next
 * key of a record is nearly always the one that came at this place the last time.
 */
import { Buffer, isAscii } from 'node:buffer';
import { type AttributeKey, attributeKey } from '../writers/attribute-key.ts';

/** What an entry of a record is. */
export const kinds = {
  null: 0,
  emptyText: 1,
  false: 2,
  true: 3,
  /** So few digits that a JavaScript number holds them. */
  integer: 4,
  /** Any other number. */
  number: 5,
  /** A text whose UTF-8 stands there as it is. */
  text: 6,
  /** A text with backslashes. */
  escapedText: 7,
  object: 8,
  array: 9,
} as const;

const kindCount = Object.keys(kinds).length;

export type Kind = (typeof kinds)[keyof typeof kinds];

/** False for null and for an empty text. */
export function isValue(kind: Kind): boolean {
  return kind > kinds.emptyText;
}

export function isContainer(kind: Kind): boolean {
  return kind >= kinds.object;
}

/** Beyond that the tree starts over: records can make up keys without end. */
const shapesMax = 32_768;
const keyBytesMax = 262_144;
/** Shapes of longer records serve once. */
const keptEntriesMax = 256;
const wordBytes = 4;
const likelyMax = 16;

/** A key as a name for an attribute. */
export class RecordKey {
  /** With lone surrogates, if the record has them. */
  readonly text: string;
  #attribute: AttributeKey | undefined;

  constructor(text: string) {
    this.text = text;
  }

  /** Of a key that is not empty and well-formed. */
  get attribute(): AttributeKey {
    this.#attribute ??= attributeKey(this.text);
    return this.#attribute;
  }
}

/** A shape, and what may come behind it. */
export class RecordShape {
  /** Of a member of an object. */
  readonly key: RecordKey | undefined;
  readonly kind: Kind;
  /** The keys that came here before, some of the latest ones. */
  readonly likely: ShapeBranch[] = [];
  /** What comes in an array. */
  element: ShapeBranch | undefined;
  /** Behind the end of the innermost container. */
  end: RecordShape | undefined;
  /** By the bytes of the key, each as a character. */
  branches: Map<string, ShapeBranch> | undefined;

  constructor(key: RecordKey | undefined, kind: Kind) {
    this.key = key;
    this.kind = kind;
  }

  /** The key that stands there, if it is one of the likely ones, as it is usually written. */
  likelyBranchAt(view: DataView, start: number): ShapeBranch | undefined {
    const { likely } = this;
    for (let index = 0; index < likely.length; index++) {
      const branch = likely[index] as ShapeBranch;
      if (!branch.isAt(view, start)) continue;
      if (index > 0) {
        likely[index] = likely[index - 1] as ShapeBranch;
        likely[index - 1] = branch;
      }
      return branch;
    }
    return undefined;
  }
}

/** A key behind a shape: its value makes the next shape. */
export class ShapeBranch {
  readonly key: RecordKey | undefined;
  readonly isAscii: boolean;
  /** By the kind of the value. */
  readonly shapes: (RecordShape | undefined)[] = new Array<undefined>(kindCount).fill(undefined);
  /** Of `"key":`, as it usually stands in a record. */
  readonly prefixSizeBytes: number;
  /** The prefix, four bytes each. */
  readonly #words: Int32Array;
  readonly #lastWordMask: number;

  /** @param rawKey the bytes between the quotes. */
  constructor(key: RecordKey | undefined, rawKey: Uint8Array) {
    this.key = key;
    this.isAscii = isAscii(rawKey);
    const prefix = Buffer.concat([Buffer.from('"'), rawKey, Buffer.from('":')]);
    this.prefixSizeBytes = prefix.length;
    const wordCount = Math.ceil(prefix.length / wordBytes);
    const padded = Buffer.concat([prefix], wordCount * wordBytes);
    this.#words = Int32Array.from({ length: wordCount }, (_, index) => padded.readInt32LE(index * wordBytes));
    this.#lastWordMask = -1 >>> (8 * (padded.length - prefix.length));
  }

  /** True when the prefix stands there. */
  isAt(view: DataView, start: number): boolean {
    const words = this.#words;
    const last = words.length - 1;
    let at = start;
    for (let index = 0; index < last; index++, at += wordBytes) {
      if (view.getInt32(at, true) !== words[index]) return false;
    }
    return (view.getInt32(at, true) & this.#lastWordMask) === words[last];
  }
}

export class ShapeTree {
  /** Where records begin. */
  root = new ShapeBranch(undefined, new Uint8Array());
  #shapeCount = 0;
  #keyBytes = 0;
  #keys = new Map<string, RecordKey>();

  /** Forgets all shapes when there are too many. */
  trim(): void {
    if (this.#shapeCount < shapesMax && this.#keyBytes < keyBytesMax) return;
    this.root = new ShapeBranch(undefined, new Uint8Array());
    this.#shapeCount = 0;
    this.#keyBytes = 0;
    this.#keys = new Map();
  }

  /**
   * The key behind the shape.
   * @param rawKey the bytes between the quotes.
   * @param readText what they mean.
   */
  branch(shape: RecordShape, rawKey: Uint8Array, readText: () => string): ShapeBranch {
    const name = Buffer.from(rawKey.buffer, rawKey.byteOffset, rawKey.length).toString('latin1');
    shape.branches ??= new Map();
    let branch = shape.branches.get(name);
    if (branch === undefined) {
      branch = new ShapeBranch(this.#keyOf(readText()), rawKey);
      shape.branches.set(name, branch);
      this.#keyBytes += rawKey.length;
    }
    const { likely } = shape;
    if (likely.length < likelyMax) likely.push(branch);
    else likely[likelyMax - 1] = branch;
    return branch;
  }

  element(array: RecordShape): ShapeBranch {
    array.element ??= new ShapeBranch(undefined, new Uint8Array());
    return array.element;
  }

  /** A shape that was not met before. */
  grow(branch: ShapeBranch, kind: Kind, entry: number): RecordShape {
    const shape = new RecordShape(branch.key, kind);
    if (entry < keptEntriesMax) {
      branch.shapes[kind] = shape;
      this.#shapeCount++;
    }
    return shape;
  }

  growEnd(last: RecordShape): RecordShape {
    last.end = new RecordShape(undefined, kinds.null);
    return last.end;
  }

  #keyOf(text: string): RecordKey {
    const known = this.#keys.get(text);
    if (known !== undefined) return known;
    const key = new RecordKey(text);
    this.#keys.set(text, key);
    return key;
  }
}
