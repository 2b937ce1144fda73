/**
 * Tries everything that dead letters in a bucket require, for `check`: writes, reads, lists and deletes an object.
 */
import { randomUUID } from 'node:crypto';
import { messageOf } from '../../model/agent-error.ts';
import { BucketClient, BucketFailure } from './bucket-client.ts';
import type { DeadLetterLocation } from './location.ts';

export interface DeadLetterFinding {
  readonly status: 'ok' | 'failed';
  readonly message: string;
  readonly hint?: string | undefined;
}

/** Nothing for a directory. Rejects only with the signal's reason. */
export async function inspectDeadLetters(
  location: DeadLetterLocation,
  signal: AbortSignal,
): Promise<readonly DeadLetterFinding[]> {
  if (location.kind === 'directory') return [];
  const client = new BucketClient(location);
  // No name of a dead letter, so that neither a replay nor a count takes it for one.
  const key = `${location.prefix}databricks-audit-otel-check-${randomUUID()}`;
  const findings: DeadLetterFinding[] = [];
  const attempt = async (verb: string, call: () => Promise<unknown>): Promise<boolean> => {
    try {
      await call();
      return true;
    } catch (error) {
      signal.throwIfAborted();
      const hint = error instanceof BucketFailure ? error.hint : undefined;
      findings.push({
        status: 'failed',
        message: `dead letters cannot be ${verb} ${location.name}: ${messageOf(error)}`,
        hint,
      });
      return false;
    }
  };
  try {
    const isWritten = await attempt('written to', () => client.put(key, 'check\n', { none: true }, signal));
    if (isWritten) await attempt('read from', () => client.get(key, signal));
    await attempt('listed in', async () => {
      for await (const _ of client.list(signal)) break;
    });
    if (isWritten) await attempt('deleted from', () => client.delete(key, signal));
    if (isWritten && !(await refusesOverwriting(client, key, signal).catch(() => true))) {
      findings.push({
        status: 'failed',
        message: `${location.name} ignores conditions of writes (If-None-Match), so two replays could send the same dead letters`,
        hint: 'Use a server that supports conditional writes.',
      });
    }
    if (findings.length === 0) findings.push({ status: 'ok', message: `dead letters can be kept in ${location.name}` });
    return findings;
  } finally {
    await client.close();
  }
}

async function refusesOverwriting(client: BucketClient, key: string, signal: AbortSignal): Promise<boolean> {
  await client.put(key, 'check\n', undefined, signal);
  try {
    return (await client.put(key, 'check again\n', { none: true }, signal)) === undefined;
  } finally {
    await client.delete(key, signal);
  }
}
