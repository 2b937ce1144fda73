/**
 * Decides whether a file may still be written in place: it counts as still once the same version was read, with an incomplete
 * end, in so many listings. Remembers only files that were read lately; those that are settled are not read any more.
 */

interface Remembered {
  etag: string;
  /** In how many listings this version was read. */
  readCount: number;
  lastSeenIn: number;
  lastReadIn: number;
}

const rememberedMax = 100_000;

export class FileStillness {
  readonly #stillAfterPolls: number;
  readonly #rememberedMax: number;
  /** In the order in which they were last seen. */
  readonly #files = new Map<string, Remembered>();

  /** @param stillAfterPolls 0: every file is still. */
  constructor(stillAfterPolls: number, limits: { readonly rememberedMax: number } = { rememberedMax }) {
    this.#stillAfterPolls = stillAfterPolls;
    this.#rememberedMax = limits.rememberedMax;
  }

  get rememberedCount(): number {
    return this.#files.size;
  }

  /** True while the version, met in this listing, may still grow. */
  isGrowing(path: string, etag: string, listing: number): boolean {
    if (this.#stillAfterPolls === 0) return false;
    const file = this.#files.get(path);
    if (file === undefined) return true;
    this.#files.delete(path);
    // It was not read when it was last seen, so it is settled or cannot be read.
    if (file.lastReadIn < file.lastSeenIn && file.lastSeenIn < listing) return true;
    file.lastSeenIn = listing;
    this.#files.set(path, file);
    return file.etag !== etag || file.readCount < this.#stillAfterPolls;
  }

  /** The version was read as it was listed, and its end is incomplete. */
  foundIncomplete(path: string, etag: string, listing: number): void {
    if (this.#stillAfterPolls === 0) return;
    const file = this.#files.get(path);
    if (file === undefined) {
      if (this.#hasRoom(listing)) {
        this.#files.set(path, { etag, readCount: 1, lastSeenIn: listing, lastReadIn: listing });
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
   * When it is full, files that were not seen lately make room, because they are gone. Those that are seen keep their place:
   * evicting them in turn would leave all of them growing for ever.
   */
  #hasRoom(listing: number): boolean {
    if (this.#files.size < this.#rememberedMax) return true;
    const [oldest] = this.#files;
    if (oldest === undefined || oldest[1].lastSeenIn >= listing - 1) return false;
    this.#files.delete(oldest[0]);
    return true;
  }
}
