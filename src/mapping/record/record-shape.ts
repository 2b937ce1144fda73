/**
 * What records are without their values: keys in their order, and of what kind each value is. A delivery has few shapes and
 * millions of records, so whatever follows from the shape alone is found out once and not for each record.
 *
 * Shapes form a tree: a record begins at its root, and every key with its value is a step to the shape behind it. The next
 * key of a record is nearly always one that came at this place before.
 */
import { type Buffer, isAscii } from 'node:buffer';
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

export type Kind = (typeof kinds)[keyof typeof kinds];

/** False for null and for an empty text. */
export function isValue(kind: Kind): boolean {
  return kind > kinds.emptyText;
}

export function isContainer(kind: Kind): boolean {
  return kind >= kinds.object;
}

/** Beyond that the tree starts over: records can make up keys without end. */
const shapesMax = 16_384;
const keyBytesMax = 262_144;
/** Shapes of longer records serve once. */
const keptEntriesMax = 256;
const wordBytes = 4;
const [quote, colon] = [0x22, 0x3a];
const likelyMax = 16;

/** A key, whatever object it is in. */
export class RecordKey {
  /** With lone surrogates, if the record has them. */
  readonly text: string;
  readonly isAscii: boolean;
  /** Of `"key":`, as it usually stands in a record. */
  readonly prefixSizeBytes: number;
  /** The prefix, four bytes each. */
  readonly #words: Int32Array;
  readonly #lastWordMask: number;
  #attribute: AttributeKey | undefined;

  /** @param rawKey the bytes between the quotes. */
  constructor(text: string, rawKey: Uint8Array) {
    this.text = text;
    this.isAscii = isAscii(rawKey);
    this.prefixSizeBytes = rawKey.length + 3;
    const wordCount = Math.ceil(this.prefixSizeBytes / wordBytes);
    this.#words = new Int32Array(wordCount);
    const prefix = new Uint8Array(this.#words.buffer);
    prefix[0] = quote;
    prefix.set(rawKey, 1);
    prefix[rawKey.length + 1] = quote;
    prefix[rawKey.length + 2] = colon;
    this.#lastWordMask = -1 >>> (8 * (prefix.length - this.prefixSizeBytes));
  }

  /** As the name of an attribute, of a key that is not empty and well-formed. */
  get attribute(): AttributeKey {
    this.#attribute ??= attributeKey(this.text);
    return this.#attribute;
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

/** A shape, and what may come behind it. */
export class RecordShape {
  readonly key: RecordKey;
  readonly kind: Kind;
  /** The keys that came here before, some of the latest ones. */
  readonly likely: ShapeBranch[] = [];
  /** What comes in an array. */
  element: ShapeBranch | undefined;
  /** Behind the end of the innermost container. */
  end: RecordShape | undefined;
  /** By the bytes of the key, each as a character. */
  branches: Map<string, ShapeBranch> | undefined;

  constructor(key: RecordKey, kind: Kind) {
    this.key = key;
    this.kind = kind;
  }

  /** The key that stands there, if it is one of the likely ones, as it is usually written. */
  likelyBranchAt(view: DataView, start: number): ShapeBranch | undefined {
    const { likely } = this;
    for (let index = 0; index < likely.length; index++) {
      const branch = likely[index] as ShapeBranch;
      if (!branch.key.isAt(view, start)) continue;
      if (index > 0) {
        likely[index] = likely[index - 1] as ShapeBranch;
        likely[index - 1] = branch;
      }
      return branch;
    }
    return undefined;
  }
}

/** What comes behind a shape: a key, or an element of an array. Its value makes the next shape. */
export class ShapeBranch {
  readonly key: RecordKey;
  /** By the kind of the value. */
  readonly shapes: (RecordShape | undefined)[] = [];

  constructor(key: RecordKey) {
    this.key = key;
  }
}

/** In place of a key where there is none: in an array, and in front of the record. */
export const noKey = new RecordKey('', new Uint8Array());

export class ShapeTree {
  /** Where records begin. */
  root = new ShapeBranch(noKey);
  #shapeCount = 0;
  #keyBytes = 0;
  /** By their bytes, each as a character. */
  #keys = new Map<string, RecordKey>();

  /** Forgets all shapes when there are too many. */
  trim(): void {
    if (this.#shapeCount < shapesMax && this.#keyBytes < keyBytesMax) return;
    this.root = new ShapeBranch(noKey);
    this.#shapeCount = 0;
    this.#keyBytes = 0;
    this.#keys = new Map();
  }

  /**
   * The key behind the shape.
   * @param rawKey the bytes between the quotes.
   * @param readText what they mean.
   */
  branch(shape: RecordShape, rawKey: Buffer, readText: () => string): ShapeBranch {
    const name = rawKey.toString('latin1');
    shape.branches ??= new Map();
    let branch = shape.branches.get(name);
    if (branch === undefined) {
      branch = new ShapeBranch(this.#keys.get(name) ?? this.#addKey(name, rawKey, readText()));
      shape.branches.set(name, branch);
    }
    const { likely } = shape;
    if (!likely.includes(branch)) likely[Math.min(likely.length, likelyMax - 1)] = branch;
    return branch;
  }

  element(array: RecordShape): ShapeBranch {
    array.element ??= new ShapeBranch(noKey);
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
    last.end = new RecordShape(noKey, kinds.null);
    return last.end;
  }

  #addKey(name: string, rawKey: Buffer, text: string): RecordKey {
    const key = new RecordKey(text, rawKey);
    this.#keys.set(name, key);
    this.#keyBytes += rawKey.length;
    return key;
  }
}
