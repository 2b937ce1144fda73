/**
 * The bucket, or the directory: what was written when, version by version, and what a listing returns.
 */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { textOf } from './line-text.ts';
import type { Delivery, Settings } from './plan.ts';

export interface Version {
  readonly key: string;
  readonly etag: string;
  /** Stays the same while a file is written in place. */
  readonly inode: number;
  readonly body: Buffer;
  /** The texts of its lines. */
  readonly lines: readonly string[];
  /** The last line, if it has no newline. */
  readonly torn: string | undefined;
  /** Whole seconds for objects, as in S3. */
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
  readonly #settings: Settings;
  readonly #names = new Map<string, { readonly now: readonly string[]; readonly before: readonly string[] }>();
  readonly #versions = new Map<string, Version[]>();
  /** The rest of what is being written in place. */
  readonly #unwritten = new Map<string, Buffer>();
  #etagCount = 0;
  #inodeCount = 0;

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  get keys(): string[] {
    return [...this.#versions.keys()];
  }

  /** Every version that ever existed, oldest first. */
  versions(key: string): readonly Version[] {
    return this.#versions.get(key) ?? [];
  }

  current(key: string, atMs = Number.POSITIVE_INFINITY): Version | undefined {
    return this.versions(key).findLast(({ fromMs, untilMs }) => fromMs <= atMs && (atMs < untilMs || untilMs === atMs));
  }

  /** True if the object no longer contains what it once contained. */
  lostLines(key: string): boolean {
    const versions = this.versions(key);
    const now = versions.at(-1);
    if (now === undefined || now.untilMs < Number.POSITIVE_INFINITY) return true;
    const countOf = ({ lines }: Version, line: string) => lines.filter((other) => other === line).length;
    return versions.some((version) => version.lines.some((line) => countOf(version, line) > countOf(now, line)));
  }

  /** Writes or deletes what the step says. */
  deliver(step: Delivery, nowMs: number): void {
    const { key, change } = step;
    // The first writes in place; one that continues has written before. A file that is renamed over it ends that.
    if (change === 'extend' || change === 'same') this.writeRest(key, nowMs);
    else this.#unwritten.delete(key);
    const overwritten = this.#present(key);
    if (overwritten !== undefined) overwritten.untilMs = nowMs;
    if (change === 'delete') return;
    const { now, before } = this.#names.get(key) ?? { now: [], before: [] };
    const names = changed(now, before, step);
    this.#names.set(key, { now: names, before: now });
    const text = textOfAll(names, 'newline' in step ? step.newline : true);
    const isPlainFile = this.#settings.bucket === 'files' && !key.endsWith('.gz');
    const inPlace = isPlainFile && (change === 'extend' || change === 'same') ? overwritten : undefined;
    const keptBytes = inPlace?.body.length ?? 0;
    const torn = isPlainFile && 'torn' in step ? step.torn : undefined;
    const writtenBytes =
      torn === undefined ? text.length : keptBytes + Math.floor(torn.atShare * (text.length - keptBytes));
    if (writtenBytes < text.length) this.#unwritten.set(key, text);
    this.#write(key, text.subarray(0, writtenBytes), inPlace?.inode, nowMs);
  }

  /** The rest of a delivery that is written in place. */
  writeRest(key: string, nowMs: number): void {
    const text = this.#unwritten.get(key);
    if (text === undefined) return;
    this.#unwritten.delete(key);
    const begun = this.#present(key);
    if (begun !== undefined) begun.untilMs = nowMs;
    this.#write(key, text, begun?.inode, nowMs);
  }

  /** The objects as they were at that time, sorted by key. */
  list(prefix: string, startAfter: string, atMs: number): Entry[] {
    return this.keys
      .filter((key) => key.startsWith(prefix) && key > startAfter)
      .toSorted()
      .flatMap((key) => this.versions(key).findLast(({ fromMs, untilMs }) => fromMs <= atMs && atMs < untilMs) ?? [])
      .map(({ key, etag, body, modifiedAtMs }) => ({ key, etag, sizeBytes: body.length, modifiedAtMs }));
  }

  #present(key: string): Version | undefined {
    const version = this.versions(key).at(-1);
    return version?.untilMs === Number.POSITIVE_INFINITY ? version : undefined;
  }

  #write(key: string, text: Buffer, inode: number | undefined, nowMs: number): void {
    const lines = text.toString().split('\n');
    const torn = lines.pop() || undefined;
    const body = key.endsWith('.gz') ? gzipSync(text) : text;
    const { etags, bucket } = this.#settings;
    const version = {
      key,
      etag: etags === 'content' ? createHash('md5').update(body).digest('hex') : `${++this.#etagCount}-multipart`,
      inode: inode ?? ++this.#inodeCount,
      body,
      lines: torn === undefined ? lines : [...lines, torn],
      torn,
      modifiedAtMs: bucket === 'files' ? Math.floor(nowMs) : Math.floor(nowMs / 1000) * 1000,
      fromMs: nowMs,
      untilMs: Number.POSITIVE_INFINITY,
    };
    this.#versions.set(key, [...this.versions(key), version]);
  }
}

function textOfAll(names: readonly string[], newline: boolean): Buffer {
  return Buffer.from(names.map(textOf).join('\n') + (newline && names.length > 0 ? '\n' : ''));
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
