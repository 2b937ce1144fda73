/**
 * Batch items: line hashes, written once. The register of the object says which of them count, and how (object-register.ts).
 */
import { Buffer } from 'node:buffer';
import type { Announcement, LineHashes, SettledLines } from '../contracts/delivery-state.ts';
import { AgentError } from '../model/agent-error.ts';
import { concatenated } from '../runtime/concatenated.ts';
import type { MergedItems, ObjectRegister, VisitItems } from './object-register.ts';
import type { BatchItem, ItemKey } from './store.ts';

/** An announcement's lines, or settled ones of which only the hashes are kept. */
export type BatchLines = Announcement;

const formatVersion = 1;
/** Format, flags, two unused bytes, the number of lines, and the observed time. */
const headerBytes = 16;
const contentBytesMax = 262_144;
const hashBytes = 8;
const occurrenceBytes = 8;
/** Of a batch in which every occurrence has to be written out. */
export const linesPerItemMax = Math.floor((contentBytesMax - headerBytes) / (hashBytes + occurrenceBytes));

type Series = 'announced' | 'extra' | 'merged';

const prefixes: Readonly<Record<Series, string>> = { announced: 'b', extra: 'b', merged: 'm' };

/** Ordered by epoch, so that one range holds the items of an epoch and all later ones. */
export function sortKeyOf(series: Series, visit: { epoch: number; token: string }, number: number): string {
  return `${groupOf(series, visit)}#${series === 'extra' ? 'x' : 'a'}${padded(number, 8)}`;
}

/** What the sort keys of a visit, or of merged items, begin with. */
function groupOf(series: Series, { epoch, token }: { epoch: number; token: string }): string {
  return `${prefixes[series]}#${padded(epoch, 10)}#${token}`;
}

/** The items of this epoch and of later ones. */
export function itemsSince(epoch: number): { readonly from: string; readonly before: string } {
  return { from: `b#${padded(epoch, 10)}`, before: 'b$' };
}

export function mergedItems({ epoch, token }: MergedItems): { readonly from: string; readonly before: string } {
  const prefix = groupOf('merged', { epoch, token });
  return { from: `${prefix}#`, before: `${prefix}$` };
}

/** What names the batch items of an object. */
export type ItemNames = Pick<ObjectRegister, 'id' | 'visits' | 'merged' | 'hasLineHashes'>;

/** The items that count, by the numbers of the register. Their names are not listed: there may be tens of thousands. */
export class NamedItems {
  readonly settledCount: number;
  readonly announcedCount: number;
  readonly #visits: ReadonlyMap<string, VisitItems>;
  readonly #merged: (MergedItems & { readonly group: string }) | undefined;
  readonly #hasLineHashes: boolean;

  constructor({ visits, merged, hasLineHashes }: ItemNames) {
    const settledCounts = visits.map((visit) => visit.settledCount - visit.mergedCount + visit.extraCount);
    this.settledCount = hasLineHashes ? sumOf([merged?.count ?? 0, ...settledCounts]) : 0;
    this.announcedCount = sumOf(visits.map(({ settledCount, admittedCount }) => admittedCount - settledCount));
    this.#visits = new Map(visits.map((visit) => [groupOf('announced', visit), visit]));
    this.#merged = merged && { ...merged, group: groupOf('merged', merged) };
    this.#hasLineHashes = hasLineHashes;
  }

  /** Undefined if the item does not count. */
  kindOf({ sort }: ItemKey): 'settled' | 'announced' | undefined {
    const groupEnd = sort.lastIndexOf('#');
    const [group, mark, digits] = [sort.slice(0, groupEnd), sort.charAt(groupEnd + 1), sort.slice(groupEnd + 2)];
    const number = Number(digits);
    if (digits !== padded(number, 8)) return undefined;
    const settled = this.#hasLineHashes ? 'settled' : undefined;
    if (group === this.#merged?.group) return mark === 'a' && number < this.#merged.count ? settled : undefined;
    const visit = this.#visits.get(group);
    if (visit === undefined) return undefined;
    if (mark === 'x') return number < visit.extraCount ? settled : undefined;
    if (mark !== 'a' || number < visit.mergedCount || number >= visit.admittedCount) return undefined;
    return number < visit.settledCount ? settled : 'announced';
  }
}

/** Splits what does not fit into one item. */
export function toContents({ observedAtMs, lineHashes, occurrences }: BatchLines): Uint8Array[] {
  const contents: Uint8Array[] = [];
  for (let from = 0; from < occurrences.length || from === 0; from += linesPerItemMax) {
    const before = Math.min(from + linesPerItemMax, occurrences.length);
    const hashes = lineHashes.subarray(2 * from, 2 * before);
    contents.push(toContent({ observedAtMs, lineHashes: hashes, occurrences: occurrences.subarray(from, before) }));
  }
  return contents;
}

function toContent({ observedAtMs, lineHashes, occurrences }: BatchLines): Uint8Array {
  const others = [...occurrences.entries()].filter(([, occurrence]) => occurrence !== 1);
  const header = Buffer.alloc(headerBytes);
  header.writeUInt8(formatVersion, 0);
  header.writeUInt32LE(occurrences.length, 4);
  header.writeDoubleLE(observedAtMs, 8);
  const rest = Int32Array.from(others.flat());
  return Buffer.concat([header, bytesOf(lineHashes), bytesOf(rest)]);
}

/** @throws AgentError ERR_STATE_NEWER or ERR_STATE_FORMAT */
export function fromItem({ key, content }: BatchItem): BatchLines {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  const version = bytes.length < headerBytes ? 0 : bytes.readUInt8(0);
  const lineCount = version === formatVersion ? bytes.readUInt32LE(4) : 0;
  const hashesEnd = headerBytes + lineCount * hashBytes;
  const isWhole = hashesEnd <= bytes.length && (bytes.length - hashesEnd) % occurrenceBytes === 0;
  if (version !== formatVersion || !isWhole) {
    const code = version > formatVersion ? 'ERR_STATE_NEWER' : 'ERR_STATE_FORMAT';
    throw new AgentError(
      code,
      `The shared state has a batch that this version cannot read: ${key.partition} ${key.sort}`,
      {
        hint: 'Run the agent version that wrote the state, or a newer one.',
      },
    );
  }
  const occurrences = new Int32Array(lineCount).fill(1);
  const others = wordsOf(bytes.subarray(hashesEnd));
  for (let at = 0; at < others.length; at += 2) occurrences[others[at] as number] = others[at + 1] as number;
  return {
    observedAtMs: bytes.readDoubleLE(8),
    lineHashes: wordsOf(bytes.subarray(headerBytes, hashesEnd)),
    occurrences,
  };
}

/** The lines of one multiset that are not in another, which it contains. */
export function without(all: LineHashes, taken: LineHashes): LineHashes {
  const counts = new Map<string, number>();
  for (let at = 0; at < taken.length; at += 2) {
    const name = `${taken[at]}:${taken[at + 1]}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const rest: number[] = [];
  for (let at = 0; at < all.length; at += 2) {
    const name = `${all[at]}:${all[at + 1]}`;
    const count = counts.get(name) ?? 0;
    if (count > 0) counts.set(name, count - 1);
    else rest.push(all[at] as number, all[at + 1] as number);
  }
  return Int32Array.from(rest);
}

const unknownTime = 0;

/** Settled lines as items: which occurrence each is does not matter any more. */
export function toSettledContents({ lineHashes, observedAtMs = unknownTime }: SettledLines): Uint8Array[] {
  return toContents({ observedAtMs, lineHashes, occurrences: new Int32Array(lineHashes.length / 2).fill(1) });
}

/** @throws AgentError ERR_STATE_NEWER or ERR_STATE_FORMAT */
export function fromSettledItem(item: BatchItem): SettledLines {
  const { lineHashes, observedAtMs } = fromItem(item);
  return { lineHashes, observedAtMs: observedAtMs === unknownTime ? undefined : observedAtMs };
}

/** Joins neighbours that were sent with the same observed time. */
export function joinedByTime(parts: readonly SettledLines[]): SettledLines[] {
  const joined: { lineHashes: LineHashes[]; observedAtMs: number | undefined }[] = [];
  for (const { lineHashes, observedAtMs } of parts) {
    const last = joined.at(-1);
    if (last !== undefined && last.observedAtMs === observedAtMs) last.lineHashes.push(lineHashes);
    else joined.push({ lineHashes: [lineHashes], observedAtMs });
  }
  return joined.map(({ lineHashes, observedAtMs }) => ({ lineHashes: concatenated(lineHashes), observedAtMs }));
}

function sumOf(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

function padded(number: number, digits: number): string {
  return String(number).padStart(digits, '0');
}

function bytesOf(words: Int32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}

function wordsOf(bytes: Uint8Array): Int32Array {
  return new Int32Array(Uint8Array.from(bytes).buffer);
}
