/**
 * Tries everything that a shared state needs of its store, on items that it makes and deletes.
 */
import { randomUUID } from 'node:crypto';
import { isAgentError, messageOf } from '../model/agent-error.ts';
import type { SharedLocation } from '../model/state-location.ts';
import { systemClock } from '../runtime/clock.ts';
import { inspectStore, openStore } from './engines.ts';
import { readMeta } from './meta.ts';
import type { StoreSetting } from './setup.ts';
import type { SharedStore } from './store.ts';

/** Rejects only with the signal's reason. */
export async function* probeStore(
  location: SharedLocation,
  signal: AbortSignal,
): AsyncGenerator<StoreSetting, void, undefined> {
  let store: SharedStore;
  try {
    store = await openStore(location, signal);
  } catch (error) {
    yield explain(error, 'failed', signal);
    return;
  }
  try {
    let failedCount = 0;
    for await (const failure of failures(store, signal)) {
      failedCount += failure.status === 'failed' ? 1 : 0;
      yield failure;
    }
    if (failedCount === 0)
      yield { status: 'ok', message: `state ${store.name} can be read, changed under a condition, and deleted from` };
    yield* inspectStore(location, signal);
  } finally {
    await store.close();
  }
}

interface Trial {
  /** What the store answered, if it is not what a state relies on. */
  readonly attempt: () => Promise<string | undefined>;
  /** Of a failure. Without this, status and reconcile do not work, but shipping does. */
  readonly status?: 'warning';
}

async function* failures(store: SharedStore, signal: AbortSignal): AsyncGenerator<StoreSetting, void, undefined> {
  for (const { attempt, status = 'failed' } of trials(store, signal)) {
    try {
      const surprise = await attempt();
      if (surprise !== undefined) {
        const hint =
          'A shared state needs conditional writes and consistent reads: use DynamoDB itself, or PostgreSQL.';
        yield { status, message: `state ${store.name} ${surprise}`, hint };
      }
    } catch (error) {
      yield explain(error, status, signal);
    }
  }
}

/** Each needs other permissions, so all are tried. What one could not create, later ones do not expect. */
function trials(store: SharedStore, signal: AbortSignal): readonly Trial[] {
  const [partition, revision] = ['check', randomUUID()];
  const key = { partition, sort: `r#${revision}` };
  const item = {
    key: { partition, sort: `b#${revision}` },
    content: new Uint8Array(16),
    expiresAtMs: systemClock.nowMs() + 86_400_000,
  };
  const range = { from: item.key.sort, before: `${item.key.sort}~` };
  const next = { revision: `${revision}+`, value: '{}' };
  let isCreated = false;
  let isPut = false;
  return [
    // What the state is, such as half of a copy, may forbid its use.
    { attempt: async () => void (await readMeta(store, signal)) },
    {
      async attempt() {
        isCreated = (await store.compareAndSet(key, undefined, { revision, value: '{}' }, signal)) === 'written';
        return isCreated ? undefined : 'refuses to create an item that does not exist';
      },
    },
    {
      async attempt() {
        const end = await store.compareAndSet(key, 'another revision', next, signal);
        return end === 'refused' ? undefined : 'changes an item although the condition does not hold';
      },
    },
    {
      async attempt() {
        const found = await store.read(key, signal);
        return found?.revision === (isCreated ? revision : undefined) ? undefined : 'does not return what was written';
      },
    },
    { attempt: async () => void (await store.readMany([key], signal)) },
    { attempt: async () => void (await firstOf(store.registers(partition, signal))) },
    {
      async attempt() {
        await store.putBatchItem(item, signal);
        isPut = true;
        return undefined;
      },
    },
    {
      async attempt() {
        const found = await firstOf(store.batchItems(partition, range, signal));
        return (found !== undefined) === isPut ? undefined : 'does not return the batch that was written';
      },
    },
    { attempt: async () => void (await firstOf(store.scan(signal))), status: 'warning' },
    { attempt: async () => void (isPut && (await store.removeBatchItems([item.key], signal))) },
    {
      async attempt() {
        const end = await store.removeRegister(key, revision, signal);
        return (end === 'removed') === isCreated ? undefined : 'does not delete what was written';
      },
    },
  ];
}

async function firstOf<Page>(pages: AsyncIterable<Page>): Promise<Page | undefined> {
  for await (const page of pages) return page;
  return undefined;
}

function explain(error: unknown, status: StoreSetting['status'], signal: AbortSignal): StoreSetting {
  signal.throwIfAborted();
  return { status, message: messageOf(error), hint: isAgentError(error) ? error.hint : undefined };
}
