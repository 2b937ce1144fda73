/**
 * What is true of a shared state as a whole. The first replica writes it.
 */
import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import type { SourceIdentity } from '../contracts/source.ts';
import { AgentError } from '../model/agent-error.ts';
import { utcDate } from '../runtime/clock.ts';
import type { PatientStore } from './patient-store.ts';
import { parseRegister, registerFormat } from './register-format.ts';
import type { ItemKey, Register } from './store.ts';

export interface Meta {
  readonly hashSecret: Uint8Array;
  readonly createdOn: string;
  /** Names of all sources that have been shipped with this state. */
  readonly sources: readonly string[];
  /** What the ids of their objects begin with. Empty if an earlier version wrote it, which knew the names only. */
  readonly places: readonly string[];
}

const metaKey: ItemKey = { partition: 'meta', sort: 'state' };
const hashSecretBytes = 80;
const metaSchema = z.object({
  hashSecret: z.string(),
  createdOn: z.string(),
  sources: z.array(z.string()),
  places: z.array(z.string()).default([]),
  /** Until a copy is complete. Line hashes of another secret would match nothing, so nobody may begin a state in the meantime. */
  isBeingCopied: z.boolean().optional(),
});

/** Undefined if no replica has ever used the state. Rejects with ERR_STATE_NEWER, and with ERR_STATE_INCOMPLETE after half a copy. */
export async function readMeta(store: Pick<PatientStore, 'read'>, signal: AbortSignal): Promise<Meta | undefined> {
  const found = await store.read(metaKey, signal);
  return found && parseMeta(found);
}

/**
 * Reads what the first replica wrote, or writes it.
 * @param sources those that are configured now.
 * Rejects with ERR_STATE_NEWER, with ERR_STATE_INCOMPLETE, and with ERR_STATE_SOURCES if the state was used for other places only.
 */
export async function openMeta(
  store: PatientStore,
  sources: readonly SourceIdentity[],
  nowMs: number,
  signal: AbortSignal,
): Promise<Meta> {
  const fresh = { hashSecret: Uint8Array.from(randomBytes(hashSecretBytes)), createdOn: utcDate(nowMs) };
  let meta = newMeta(fresh, sources);
  await store.update(
    metaKey,
    (found) => {
      const before = found && parseMeta(found);
      meta = before === undefined ? newMeta(fresh, sources) : withSources(before, sources);
      return before !== undefined && isDeepStrictEqual(meta, before) ? undefined : toText(meta);
    },
    signal,
  );
  return meta;
}

export function newMeta(facts: Pick<Meta, 'hashSecret' | 'createdOn'>, sources: readonly SourceIdentity[]): Meta {
  return addSources({ ...facts, sources: [], places: [] }, sources);
}

/**
 * Claims the store for a copy, before anything else is written: until `endCopy`, nobody uses the state. A copy of the same state
 * that was interrupted is taken over.
 * @returns what `endCopy` needs, or undefined if the state is in use already or another state is being copied into it.
 */
export async function beginCopy(store: PatientStore, meta: Meta, signal: AbortSignal): Promise<Register | undefined> {
  const found = await store.read(metaKey, signal);
  const before = found && parseStored(found);
  const isSame = before?.isBeingCopied === true && Buffer.compare(before.hashSecret, meta.hashSecret) === 0;
  if (found !== undefined && !isSame) return undefined;
  const end = await store.write(metaKey, found?.revision, toText(meta, { isBeingCopied: true }), signal);
  return end.status === 'written' ? end.register : undefined;
}

/** @returns false if another copy has taken over. */
export async function endCopy(store: PatientStore, begun: Register, meta: Meta, signal: AbortSignal): Promise<boolean> {
  return (await store.write(metaKey, begun.revision, toText(meta), signal)).status === 'written';
}

function withSources(meta: Meta, sources: readonly SourceIdentity[]): Meta {
  const isForeign = meta.sources.length > 0 && !sources.some((source) => isKnown(source, meta));
  if (isForeign && sources.length > 0) throw explainForeign(meta.sources, sources);
  return addSources(meta, sources);
}

function addSources(meta: Meta, sources: readonly SourceIdentity[]): Meta {
  return {
    ...meta,
    sources: [...new Set([...meta.sources, ...sources.map(({ name }) => name)])],
    places: [...new Set([...meta.places, ...sources.flatMap(({ idsBeginWith }) => idsBeginWith ?? [])])],
  };
}

/** By its name, or because it can list objects that the state may know: those of a wider, a narrower, or another form of a source. */
function isKnown({ name, idsBeginWith }: SourceIdentity, { sources, places }: Meta): boolean {
  if (sources.includes(name)) return true;
  if (idsBeginWith === undefined) return false;
  if (places.length > 0) return places.some((place) => overlaps(place, idsBeginWith));
  // Names that an earlier version wrote: most are what the ids begin with, and that of a table did not tell the table.
  return (
    sources.some((known) => overlaps(known.endsWith('/') ? known : `${known}/`, idsBeginWith)) ||
    sources.includes(name.replace(/\?.*$/s, ''))
  );
}

function overlaps(one: string, other: string): boolean {
  return one.startsWith(other) || other.startsWith(one);
}

function explainForeign(known: readonly string[], sources: readonly SourceIdentity[]): AgentError {
  return new AgentError(
    'ERR_STATE_SOURCES',
    `The shared state belongs to other sources: it was used for ${known.join(', ')}, and not for ${sources.map(({ name }) => name).join(', ')}`,
    {
      hint: 'Use another table or schema for other sources. If a source has moved, start once with both the old and the new place in DATABRICKS_AUDIT_SOURCE.',
    },
  );
}

function parseMeta(register: Register): Meta {
  const { isBeingCopied, ...meta } = parseStored(register);
  if (!isBeingCopied) return meta;
  throw new AgentError(
    'ERR_STATE_INCOMPLETE',
    'The shared state is incomplete: a copy into it is running, or was interrupted',
    {
      hint: 'If the copy is not running any more, run the same `databricks-audit-otel state copy` again: it completes the state. Nothing was changed.',
    },
  );
}

function parseStored({ value }: Register): Meta & { readonly isBeingCopied: boolean } {
  const parsed = parseRegister(metaKey, value, metaSchema);
  if (parsed !== 'newer') {
    const { hashSecret, isBeingCopied = false } = parsed;
    return { ...parsed, hashSecret: Uint8Array.from(Buffer.from(hashSecret, 'base64')), isBeingCopied };
  }
  throw new AgentError('ERR_STATE_NEWER', 'A newer version of the agent created this shared state', {
    hint: 'Run the agent version that wrote the state, or a newer one. Nothing was changed.',
  });
}

function toText(
  { hashSecret, createdOn, sources, places }: Meta,
  copy: { readonly isBeingCopied?: true } = {},
): string {
  const secret = Buffer.from(hashSecret).toString('base64');
  return JSON.stringify({ format: registerFormat, hashSecret: secret, createdOn, sources, places, ...copy });
}
