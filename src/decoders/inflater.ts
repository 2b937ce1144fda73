/**
 * Feeds a decompressor of node:zlib one slice at a time and yields output as it becomes available.
 */
import type { InflateRaw, ZstdDecompress } from 'node:zlib';
import { messageOf } from '../model/agent-error.ts';
import { damaged } from './damage.ts';

export const outputChunkBytes = 65_536;

export class Inflater {
  readonly #zlib: InflateRaw | ZstdDecompress;
  #error: Error | undefined;
  #wake: () => void = () => {};
  /** True once the last byte of the compressed stream has been decoded. */
  ended = false;
  /** How many bytes of the last slice belong to the stream: all of them, except in the slice where the stream ends. */
  consumedBytes = 0;

  constructor(zlib: InflateRaw | ZstdDecompress) {
    this.#zlib = zlib;
    zlib.on('readable', () => this.#wake());
    zlib.on('end', () => {
      this.ended = true;
      this.#wake();
    });
    zlib.on('error', (error) => {
      this.#error = error;
      this.#wake();
    });
  }

  async *decode(slice: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
    const bytesBefore = this.#zlib.bytesWritten;
    let written = false;
    // Not called if the stream ends within the slice; zlib emits 'end' instead.
    this.#zlib.write(slice, () => {
      written = true;
      this.#wake();
    });
    for (;;) {
      const output: Uint8Array | null = this.#zlib.read();
      if (output !== null) yield output;
      else if (this.#error !== undefined) throw damaged(`the compressed data is corrupt (${messageOf(this.#error)})`);
      else if (written || this.ended) break;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    this.consumedBytes = this.#zlib.bytesWritten - bytesBefore;
  }

  close(): void {
    this.#zlib.destroy();
  }
}
