/**
 * Reads a stream of chunks in pieces of any size.
 */
export class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #unread: Uint8Array[] = [];
  #ended = false;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** The next bytes (at least one), or undefined at the end of the stream. */
  async next(): Promise<Uint8Array | undefined> {
    const unread = this.#unread.pop();
    if (unread !== undefined) return unread;
    while (!this.#ended) {
      const result = await this.#nextChunk();
      if (result !== undefined && result.length > 0) return result;
    }
    return undefined;
  }

  /** Exactly `countBytes` bytes, or fewer at the end of the stream. */
  async take(countBytes: number): Promise<Uint8Array> {
    const taken: Uint8Array[] = [];
    let missingBytes = countBytes;
    while (missingBytes > 0) {
      const chunk = await this.next();
      if (chunk === undefined) break;
      // Copy: the chunk is valid only until the next one is requested.
      taken.push(Uint8Array.from(chunk.subarray(0, missingBytes)));
      this.unread(chunk.subarray(missingBytes));
      missingBytes -= Math.min(missingBytes, chunk.length);
    }
    return taken.length === 1 && taken[0] !== undefined ? taken[0] : Buffer.concat(taken);
  }

  /** Puts bytes back at the front of the stream. */
  unread(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#unread.push(bytes);
  }

  /** Closes the stream unless it has already ended. */
  async close(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#chunks.return?.();
  }

  async #nextChunk(): Promise<Uint8Array | undefined> {
    try {
      const result = await this.#chunks.next();
      if (!result.done) return result.value;
      this.#ended = true;
      return undefined;
    } catch (error) {
      this.#ended = true;
      throw error;
    }
  }
}
