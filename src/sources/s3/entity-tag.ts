/**
 * Whether what was read is what was listed. AWS makes that easy: both show the same strong tag. Other servers and proxies show weak tags,
 * tags that differ between listing and reading, and tags with the name of the encoding that they have put on.
 */

/** As the agent keeps it: without quotes, and with `W/` in front when it is weak. */
export function readEntityTag(header: string): string {
  const [, weak = '', opaque = header] = /^(W\/)?"(.*)"$/s.exec(header) ?? [];
  return `${weak}${opaque}`;
}

/** By RFC 9110 no weak tag matches `If-Match`, so a request with one would be refused for ever. */
export function isWeak(tag: string): boolean {
  return tag.startsWith('W/');
}

/** True when both name one content: weak comparison (RFC 9110, section 8.8.3.2), without what proxies append. */
export function isSameTag(listed: string, answered: string): boolean {
  const opaque = (tag: string) => (isWeak(tag) ? tag.slice(2) : tag);
  // Apache, Jetty and others.
  return (
    opaque(listed) === opaque(answered) || opaque(listed) === opaque(answered).replace(/(-|--|;)(gzip|br|zstd)$/, '')
  );
}

const rememberedMax = 10_000;

/** How often a listed version could not be read because another one seemed to be there. Bounded: the oldest is forgotten. */
export class RefusedVersions {
  readonly #refused = new Map<string, { readonly etag: string; readonly count: number }>();

  countOf(object: string, etag: string): number {
    const known = this.#refused.get(object);
    return known?.etag === etag ? known.count : 0;
  }

  /** @returns how often now. */
  add(object: string, etag: string): number {
    const count = this.countOf(object, etag) + 1;
    this.#refused.delete(object);
    const [oldest] = this.#refused.keys();
    if (this.#refused.size >= rememberedMax && oldest !== undefined) this.#refused.delete(oldest);
    this.#refused.set(object, { etag, count });
    return count;
  }

  forget(object: string): void {
    this.#refused.delete(object);
  }
}
