/**
 * Decides whether a file or an append blob may still be being written. It counts as still once the same version was read, with an incomplete end,
 * in a given number of listings. Remembers only files that were read recently; settled files are not read again.
 */

interface Remembered {
  etag: string;
  /** Number of listings in which this version was read. */
  readCount: number;
  lastSeenIn: number;
  lastReadIn: number;
}

const rememberedMax = 100_000;

export class Stillness {
  readonly #stillAfterPolls: number;
  readonly #rememberedMax: number;
  /** In the order in which the files were last seen. */
  readonly #files = new Map<string, Remembered>();

  /** @param stillAfterPolls 0: every file is still. */
  constructor(stillAfterPolls: number, limits: { readonly rememberedMax: number } = { rememberedMax }) {
    this.#stillAfterPolls = stillAfterPolls;
    this.#rememberedMax = limits.rememberedMax;
  }

  get rememberedCount(): number {
    return this.#files.size;
  }

  /** True if the version, seen in this listing, may still grow. */
  isGrowing(name: string, etag: string, listing: number): boolean {
    if (this.#stillAfterPolls === 0) return false;
    const file = this.#files.get(name);
    if (file === undefined) return true;
    this.#files.delete(name);
    // It was not read after it was last seen, so it is settled or unreadable.
    if (file.lastReadIn < file.lastSeenIn && file.lastSeenIn < listing) return true;
    file.lastSeenIn = listing;
    this.#files.set(name, file);
    return file.etag !== etag || file.readCount < this.#stillAfterPolls;
  }

  /** Records that the version was read and that its end is incomplete. */
  foundIncomplete(name: string, etag: string, listing: number): void {
    if (this.#stillAfterPolls === 0) return;
    const file = this.#files.get(name);
    if (file === undefined) {
      if (this.#hasRoom(listing)) {
        this.#files.set(name, { etag, readCount: 1, lastSeenIn: listing, lastReadIn: listing });
      }
      return;
    }
    if (file.etag !== etag) {
      file.etag = etag;
      file.readCount = 1;
    } else if (file.lastReadIn < listing) {
      file.readCount++;
    }
    file.lastReadIn = Math.max(file.lastReadIn, listing);
  }

  /**
   * At the limit, evicts only files that were not seen recently, because they no longer exist. Evicting files that are still
   * listed would reset them in turn, and all of them would count as growing forever.
   */
  #hasRoom(listing: number): boolean {
    if (this.#files.size < this.#rememberedMax) return true;
    const [oldest] = this.#files;
    if (oldest === undefined || oldest[1].lastSeenIn >= listing - 1) return false;
    this.#files.delete(oldest[0]);
    return true;
  }
}
