/**
 * The lines of a batch, kept until it is complete, in one buffer that is reused for every batch. Hardly any batch needs its
 * lines again, and thousands of small objects that survive several collections are expensive for a garbage collector.
 */
import { Buffer } from 'node:buffer';
import { hash } from 'node:crypto';
import type { IdentifiedLine } from '../model/line.ts';
import type { ObjectOrigin } from '../model/object.ts';

const initialBytes = 320 * 1024;
/** In few steps, because buffers that were outgrown stay in the process for a while. */
const growthFactor = 4;
/** Numbers per line: its end in the buffer, the size of the whole line, its occurrence, its observed time. */
const factsPerLine = 4;
const initialLines = 512;

export class KeptLines {
  #bytes = Buffer.allocUnsafeSlow(initialBytes);
  #endBytes = 0;
  /** Float64, because times need more than 32 bits. */
  #facts = new Float64Array(initialLines * factsPerLine);
  #count = 0;
  /** Digests that cannot be computed from the kept bytes: of truncated lines and of those with their own identity. */
  readonly #digests = new Map<number, string>();

  get count(): number {
    return this.#count;
  }

  /** Copies the line. */
  add({ bytes, sizeBytes, digest, hasOwnIdentity, occurrence, observedAtMs }: IdentifiedLine): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#endBytes);
    this.#endBytes += bytes.length;
    if (sizeBytes > bytes.length || hasOwnIdentity) this.#digests.set(this.#count, digest);
    const at = this.#count++ * factsPerLine;
    this.#facts[at] = this.#endBytes;
    this.#facts[at + 1] = sizeBytes;
    this.#facts[at + 2] = occurrence;
    this.#facts[at + 3] = observedAtMs;
  }

  /** The lines as they were added. Their bytes are views, valid until the next `clear`. */
  toLines(origin: ObjectOrigin): readonly IdentifiedLine[] {
    let startBytes = 0;
    return Array.from({ length: this.count }, (_, index) => {
      const [endBytes = 0, sizeBytes = 0, occurrence = 0, observedAtMs = 0] = this.#facts.slice(
        index * factsPerLine,
        (index + 1) * factsPerLine,
      );
      const bytes = this.#bytes.subarray(startBytes, endBytes);
      startBytes = endBytes;
      const kept = this.#digests.get(index);
      const digest = kept ?? hash('sha256', bytes);
      const hasOwnIdentity = kept !== undefined && sizeBytes === bytes.length;
      return { bytes, sizeBytes, origin, digest, hasOwnIdentity, occurrence, observedAtMs };
    });
  }

  clear(): void {
    this.#endBytes = 0;
    this.#count = 0;
    this.#digests.clear();
  }

  #reserve(sizeBytes: number): void {
    if ((this.#count + 1) * factsPerLine > this.#facts.length) {
      const more = new Float64Array(this.#facts.length * 2);
      more.set(this.#facts);
      this.#facts = more;
    }
    if (this.#endBytes + sizeBytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#endBytes + sizeBytes, growthFactor * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.#endBytes));
    this.#bytes = larger;
  }
}
