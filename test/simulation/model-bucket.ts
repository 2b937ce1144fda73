/**
 * The bucket: what was written when, version by version, and what a listing shows.
 */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { textOf } from './line-text.ts';
import type { Delivery, Settings } from './plan.ts';

export interface Version {
  readonly key: string;
  readonly etag: string;
  readonly body: Buffer;
  /** The texts of its lines. */
  readonly lines: readonly string[];
  /** Whole seconds, as in S3. */
  readonly modifiedAtMs: number;
  readonly fromMs: number;
  /** When it was overwritten or deleted. */
  untilMs: number;
}

export interface Entry {
  readonly key: string;
  readonly etag: string;
  readonly sizeBytes: number;
  readonly modifiedAtMs: number;
}

export class ModelBucket {
  readonly #etags: Settings['etags'];
  readonly #names = new Map<string, { readonly now: readonly string[]; readonly before: readonly string[] }>();
  readonly #versions = new Map<string, Version[]>();
  #etagCount = 0;

  constructor(etags: Settings['etags']) {
    this.#etags = etags;
  }

  get keys(): string[] {
    return [...this.#versions.keys()];
  }

  /** Every version there was, oldest first. */
  versions(key: string): readonly Version[] {
    return this.#versions.get(key) ?? [];
  }

  current(key: string, atMs = Number.POSITIVE_INFINITY): Version | undefined {
    return this.versions(key).findLast(({ fromMs, untilMs }) => fromMs <= atMs && (atMs < untilMs || untilMs === atMs));
  }

  /** True when the object does not hold any more what it once held. */
  lostLines(key: string): boolean {
    const versions = this.versions(key);
    const now = versions.at(-1);
    if (now === undefined || now.untilMs < Number.POSITIVE_INFINITY) return true;
    const countOf = ({ lines }: Version, line: string) => lines.filter((other) => other === line).length;
    return versions.some((version) => version.lines.some((line) => countOf(version, line) > countOf(now, line)));
  }

  /** Writes or deletes what the step says. */
  deliver(step: Delivery, nowMs: number): void {
    const overwritten = this.versions(step.key).at(-1);
    if (overwritten?.untilMs === Number.POSITIVE_INFINITY) overwritten.untilMs = nowMs;
    if (step.change === 'delete') return;
    const { now, before } = this.#names.get(step.key) ?? { now: [], before: [] };
    const names = changed(now, before, step);
    this.#names.set(step.key, { now: names, before: now });
    this.#write(step.key, names, 'newline' in step ? step.newline : true, nowMs);
  }

  /** The objects as they were at that time, sorted by key. */
  list(prefix: string, startAfter: string, atMs: number): Entry[] {
    return this.keys
      .filter((key) => key.startsWith(prefix) && key > startAfter)
      .toSorted()
      .flatMap((key) => this.versions(key).findLast(({ fromMs, untilMs }) => fromMs <= atMs && atMs < untilMs) ?? [])
      .map(({ key, etag, body, modifiedAtMs }) => ({ key, etag, sizeBytes: body.length, modifiedAtMs }));
  }

  #write(key: string, names: readonly string[], newline: boolean, nowMs: number): void {
    const lines = names.map(textOf);
    const text = Buffer.from(lines.join('\n') + (newline && lines.length > 0 ? '\n' : ''));
    const body = key.endsWith('.gz') ? gzipSync(text) : text;
    const etag =
      this.#etags === 'content' ? createHash('md5').update(body).digest('hex') : `${++this.#etagCount}-multipart`;
    const modifiedAtMs = Math.floor(nowMs / 1000) * 1000;
    const version = { key, etag, body, lines, modifiedAtMs, fromMs: nowMs, untilMs: Number.POSITIVE_INFINITY };
    this.#versions.set(key, [...this.versions(key), version]);
  }
}

function changed(
  names: readonly string[],
  before: readonly string[],
  step: Exclude<Delivery, { change: 'delete' }>,
): readonly string[] {
  switch (step.change) {
    case 'extend':
      return [...names, ...step.lines];
    case 'insert': {
      const middle = Math.floor(names.length / 2);
      return [...names.slice(0, middle), ...step.lines, ...names.slice(middle)];
    }
    case 'rewrite':
      return step.lines;
    case 'reorder':
      return names.toReversed();
    case 'shrink':
      return names.slice(0, step.keep);
    case 'restore':
      return before;
    case 'same':
      return names;
  }
}
