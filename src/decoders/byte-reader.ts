/**
 * Reads a stream of chunks in pieces of any size.
 */
export class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #unread: Uint8Array[] = [];
  #ended = false;
  /** Hit while looking ahead; thrown once the reader gets there. */
  #failure: { readonly error: unknown } | undefined;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** The next bytes (at least one), or undefined at the end of the stream. */
  async next(): Promise<Uint8Array | undefined> {
    const unread = this.#unread.pop();
    if (unread !== undefined) return unread;
    if (this.#failure !== undefined) throw this.#failure.error;
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

  /**
   * The next bytes, at least `countBytes` of them or all that are left, without consuming them. An error of the stream is thrown
   * once the bytes before it have been read.
   */
  async peek(countBytes: number): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    let sizeBytes = 0;
    try {
      while (sizeBytes < countBytes) {
        const chunk = await this.next();
        if (chunk === undefined) break;
        sizeBytes += chunk.length;
        // Copy, unless it is the only one: the chunk is valid only until the next one is requested.
        pieces.push(sizeBytes < countBytes ? Uint8Array.from(chunk) : chunk);
      }
    } catch (error) {
      this.#failure = { error };
    }
    const bytes = pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
    this.unread(bytes);
    return bytes;
  }

  /** Skips zeros. False at the end of the stream. */
  async skipZeros(): Promise<boolean> {
    for (;;) {
      const chunk = await this.next();
      if (chunk === undefined) return false;
      const start = chunk.findIndex((byte) => byte !== 0);
      if (start === -1) continue;
      this.unread(chunk.subarray(start));
      return true;
    }
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
