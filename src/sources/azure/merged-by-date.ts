/**
 * Merges listings, each ordered by date, into one: everything of a date before anything of the next. Holds one page of each listing.
 */
interface Dated {
  readonly date: string;
}

export class MergedByDate<Item extends Dated> implements AsyncIterable<readonly Item[]> {
  readonly #listings: readonly AsyncIterable<readonly Item[]>[];

  /** @param listings pages without empty ones. */
  constructor(listings: readonly AsyncIterable<readonly Item[]>[]) {
    this.#listings = listings;
  }

  /** Pages of one date of one listing each. */
  async *[Symbol.asyncIterator](): AsyncGenerator<readonly Item[], void, undefined> {
    const cursors = this.#listings.map((listing) => new Cursor(listing));
    try {
      await Promise.all(cursors.map((cursor) => cursor.fill()));
      for (;;) {
        const dates = cursors.flatMap(({ date }) => date ?? []);
        if (dates.length === 0) return;
        const date = dates.reduce((first, each) => (each < first ? each : first));
        for (const cursor of cursors) {
          while (cursor.date === date) {
            yield cursor.take(date);
            await cursor.fill();
          }
        }
      }
    } finally {
      await Promise.allSettled(cursors.map((cursor) => cursor.close()));
    }
  }
}

class Cursor<Item extends Dated> {
  readonly #pages: AsyncIterator<readonly Item[]>;
  #page: readonly Item[] = [];

  constructor(listing: AsyncIterable<readonly Item[]>) {
    this.#pages = listing[Symbol.asyncIterator]();
  }

  /** Of the next item; undefined at the end. */
  get date(): string | undefined {
    return this.#page[0]?.date;
  }

  /** Requests the next page if there is nothing left of the last one. */
  async fill(): Promise<void> {
    if (this.#page.length > 0) return;
    const next = await this.#pages.next();
    this.#page = next.done === true ? [] : next.value;
  }

  /** Removes the items of this date from the front of the page. */
  take(date: string): readonly Item[] {
    const end = this.#page.findIndex((item) => item.date !== date);
    const taken = end === -1 ? this.#page : this.#page.slice(0, end);
    this.#page = this.#page.slice(taken.length);
    return taken;
  }

  async close(): Promise<void> {
    await this.#pages.return?.();
  }
}
