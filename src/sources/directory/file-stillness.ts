/**
 * Tells whether a file may still be written in place: it counts as still once the same version was opened in so many
 * listings. Remembers only files that were opened lately; those that are settled are not opened any more.
 */

interface Remembered {
  etag: string;
  /** In how many listings this version was opened. */
  openedCount: number;
  lastSeenIn: number;
  lastOpenedIn: number;
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
    // Nobody wanted to open it when it was last seen, so it is settled.
    if (file.lastOpenedIn < file.lastSeenIn && file.lastSeenIn < listing) return true;
    file.lastSeenIn = listing;
    this.#files.set(path, file);
    return file.etag !== etag || file.openedCount < this.#stillAfterPolls;
  }

  /** The version was opened as it was met in this listing. */
  opened(path: string, etag: string, listing: number): void {
    if (this.#stillAfterPolls === 0) return;
    const file = this.#files.get(path);
    if (file === undefined) {
      if (this.#hasRoom(listing)) {
        this.#files.set(path, { etag, openedCount: 1, lastSeenIn: listing, lastOpenedIn: listing });
      }
      return;
    }
    if (file.etag !== etag) {
      file.etag = etag;
      file.openedCount = 1;
    } else if (file.lastOpenedIn < listing) {
      file.openedCount++;
    }
    file.lastOpenedIn = listing;
  }

  /**
   * When it is full, files that were not seen of late make room, as they are gone. Those that are seen keep their place, for
   * they are what gets done: giving it to the next ones in turn would leave all of them growing for ever.
   */
  #hasRoom(listing: number): boolean {
    if (this.#files.size < this.#rememberedMax) return true;
    const [oldest] = this.#files;
    if (oldest === undefined || oldest[1].lastSeenIn >= listing - 1) return false;
    this.#files.delete(oldest[0]);
    return true;
  }
}
