/**
 * Notices a listing whose dates do not ascend. Keys of S3 ascend by their bytes, so a listing may begin and end at a date; directory buckets
 * (S3 Express) and some other servers list in an order of their own. Within one date the order does not matter.
 */
export class DateOrder {
  #last = '';
  isKept = true;

  /** @param segments of keys, `date=<yyyy-mm-dd>` or what sorts behind them; empty ones have no place. */
  follow(segments: readonly string[]): void {
    for (const segment of segments) {
      if (segment === '') continue;
      if (segment < this.#last) this.isKept = false;
      this.#last = segment;
    }
  }
}
