/**
 * SHA-256 of the decoded bytes from the start of an object, which identifies the settled part of an overwritten object.
 */
import { createHash } from 'node:crypto';
import type { Position } from '../contracts/delivery-state.ts';

const newline = 0x0a;

export class PrefixDigest {
  #hash = createHash('sha256');
  #offsetBytes = 0;
  #lastByte = newline;

  get offsetBytes(): number {
    return this.#offsetBytes;
  }

  /** False after a last line without a newline: the bytes that follow may belong to that line. */
  get atLineEnd(): boolean {
    return this.#lastByte === newline;
  }

  update(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#hash.update(bytes);
    this.#offsetBytes += bytes.length;
    this.#lastByte = bytes[bytes.length - 1] as number;
  }

  /** A snapshot of the digest. It occupies memory outside the heap until it is collected, so take at most one per batch. */
  mark(lineCount: number): PositionMark {
    const hash = this.#hash.copy();
    const { offsetBytes } = this;
    return { position: () => ({ offsetBytes, lineCount, digest: hash.digest() }) };
  }
}

export interface PositionMark {
  /** Call it at most once. */
  position(): Position;
}

/** The position before the first byte: nothing is settled. */
export const startOfObject: Position = new PrefixDigest().mark(0).position();
