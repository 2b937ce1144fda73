/**
 * Detects a listing whose dates do not ascend. S3 lists keys in byte order, so a listing can start and stop at a date; directory
 * buckets (S3 Express) and some other servers use another order. Within one date the order does not matter.
 */
export class DateOrder {
  #last = '';
  isKept = true;

  /** @param segments of keys, `date=<yyyy-mm-dd>` or what sorts after them; empty ones are ignored. */
  follow(segments: readonly string[]): void {
    for (const segment of segments) {
      if (segment === '') continue;
      if (segment < this.#last) this.isKept = false;
      this.#last = segment;
    }
  }
}
