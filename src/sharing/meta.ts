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
const metaSchema = z.object({ hashSecret: z.string(), createdOn: z.string(), sources: z.array(z.string()) });

/** Undefined if no replica has ever used the state. Rejects with ERR_STATE_NEWER. */
export async function readMeta(store: PatientStore, signal: AbortSignal): Promise<Meta | undefined> {
  const found = await store.read(metaKey, signal);
  return found && parseMeta(found);
}

/**
 * Reads what the first replica wrote, or writes it.
 * @param sources those that are configured now.
 * Rejects with ERR_STATE_NEWER, and with ERR_STATE_SOURCES if the state was used for other sources only.
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

/** Writes the meta data of a copied state. @returns false if the state is in use already. */
export async function createMeta(store: PatientStore, meta: Meta, signal: AbortSignal): Promise<boolean> {
  return (await store.write(metaKey, undefined, toText(meta), signal)).status === 'written';
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

function parseMeta({ value }: Register): Meta {
  const parsed = parseRegister(metaKey, value, metaSchema);
  if (parsed !== 'newer') return { ...parsed, hashSecret: Uint8Array.from(Buffer.from(parsed.hashSecret, 'base64')) };
  throw new AgentError('ERR_STATE_NEWER', 'A newer version of the agent created this shared state', {
    hint: 'Run the agent version that wrote the state, or a newer one. Nothing was changed.',
  });
}

function toText({ hashSecret, createdOn, sources }: Meta): string {
  const secret = Buffer.from(hashSecret).toString('base64');
  return JSON.stringify({ format: registerFormat, hashSecret: secret, createdOn, sources });
}
