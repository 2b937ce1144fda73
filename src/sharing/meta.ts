/**
 * What is true of a shared state as a whole. The first replica writes it.
 */
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
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
}

const metaKey: ItemKey = { partition: 'meta', sort: 'state' };
const hashSecretBytes = 80;
const metaSchema = z.object({
  hashSecret: z.string(),
  createdOn: z.string(),
  sources: z.array(z.string()),
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
 * Rejects with ERR_STATE_NEWER, with ERR_STATE_INCOMPLETE, and with ERR_STATE_SOURCES if the state was used for other sources only.
 */
export async function openMeta(
  store: PatientStore,
  sources: readonly string[],
  nowMs: number,
  signal: AbortSignal,
): Promise<Meta> {
  const fresh = { hashSecret: Uint8Array.from(randomBytes(hashSecretBytes)), createdOn: utcDate(nowMs) };
  let meta: Meta = { ...fresh, sources };
  await store.update(
    metaKey,
    (found) => {
      const before = found && parseMeta(found);
      meta = before === undefined ? { ...fresh, sources } : withSources(before, sources);
      return before !== undefined && meta.sources.length === before.sources.length ? undefined : toText(meta);
    },
    signal,
  );
  return meta;
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

function withSources(meta: Meta, sources: readonly string[]): Meta {
  const isForeign = meta.sources.length > 0 && !sources.some((name) => meta.sources.includes(name));
  if (isForeign && sources.length > 0) throw explainForeign(meta.sources, sources);
  return { ...meta, sources: [...new Set([...meta.sources, ...sources])] };
}

function explainForeign(known: readonly string[], sources: readonly string[]): AgentError {
  return new AgentError(
    'ERR_STATE_SOURCES',
    `The shared state belongs to other sources: it was used for ${known.join(', ')}, and not for ${sources.join(', ')}`,
    {
      hint: 'Use another table or schema for other sources. If a source has moved, start once with both the old and the new name in DATABRICKS_AUDIT_SOURCE.',
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

function toText({ hashSecret, createdOn, sources }: Meta, copy: { readonly isBeingCopied?: true } = {}): string {
  const secret = Buffer.from(hashSecret).toString('base64');
  return JSON.stringify({ format: registerFormat, hashSecret: secret, createdOn, sources, ...copy });
}
