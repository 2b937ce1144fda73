/**
 * Makes texts of servers comparable: the same refusal has other counts, times and ids in it each time.
 */

/** Replaces each word with a digit in it, such as 17, 2026-01-01T00:00:00Z, 8c5fabc0d1 or a UUID, with `#`. */
export function withoutNumbers(text: string): string {
  return text.replaceAll(/[\w.:-]*\d[\w.:-]*/g, '#');
}
