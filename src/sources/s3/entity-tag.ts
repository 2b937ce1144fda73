/**
 * Decides whether the version read is the version listed. With AWS both have the same strong tag. Other servers and proxies return
 * weak tags, tags that differ between listing and reading, and tags with the name of an encoding that they applied.
 */

/** In the agent's form: without quotes, with a leading `W/` if the tag is weak. */
export function readEntityTag(header: string): string {
  const [, weak = '', opaque = header] = /^(W\/)?"(.*)"$/s.exec(header) ?? [];
  return `${weak}${opaque}`;
}

/** By RFC 9110 no weak tag matches `If-Match`, so a request with one would never succeed. */
export function isWeak(tag: string): boolean {
  return tag.startsWith('W/');
}

/** True if both identify the same content: weak comparison (RFC 9110, section 8.8.3.2), ignoring what proxies append. */
export function isSameTag(listed: string, answered: string): boolean {
  const opaque = (tag: string) => (isWeak(tag) ? tag.slice(2) : tag);
  // Apache, Jetty and others.
  return (
    opaque(listed) === opaque(answered) || opaque(listed) === opaque(answered).replace(/(-|--|;)(gzip|br|zstd)$/, '')
  );
}

const rememberedMax = 10_000;

/** Counts how often a listed version could not be read because the server returned another. Bounded: drops the oldest entry. */
export class RefusedVersions {
  readonly #refused = new Map<string, { readonly etag: string; readonly count: number }>();

  countOf(object: string, etag: string): number {
    const known = this.#refused.get(object);
    return known?.etag === etag ? known.count : 0;
  }

  /** @returns the new count. */
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
