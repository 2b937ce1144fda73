/**
 * Agents that share a state, in the process of the test or in processes of their own (replica-cli.ts).
 */
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, vi } from 'vitest';
import { type Agent, createAgent } from '../../src/agent/agent.ts';
import { loadConfiguration } from '../../src/config/index.ts';
import type { ObjectId } from '../../src/model/object.ts';
import type { SharedLocation } from '../../src/model/state-location.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { openSharedReader, openStore, setUpStore } from '../../src/sharing/index.ts';
import type { Environment } from './agent-process.ts';
import { type DeliveryPlace, type DeliveryScene, deliveryScene, letterBucketOf } from './delivery-place.ts';
import type { OtlpReceiver } from './otlp-receiver.ts';
import { replicaDependencies } from './replica-sharing.ts';

/** For `startAgent`. */
export const replicaScript = fileURLToPath(new URL('replica-cli.ts', import.meta.url));

/** A scene whose state is shared, and exists. @param state a value for DATABRICKS_AUDIT_STATE. */
export async function sharedDeliveryScene(
  place: DeliveryPlace,
  state: string,
  more: Environment = {},
): Promise<DeliveryScene> {
  const scene = await deliveryScene(place, {
    DATABRICKS_AUDIT_POLL_INTERVAL: '1s',
    DATABRICKS_AUDIT_STATE: state,
    DATABRICKS_AUDIT_DEAD_LETTERS: letterBucketOf(place.source),
    ...more,
  });
  // The AWS SDK reads process.env.
  for (const [name, value] of Object.entries(scene.environment)) if (name.startsWith('AWS_')) vi.stubEnv(name, value);
  onTestFinished(() => void vi.unstubAllEnvs());
  await setUpStore(sharedLocation(scene.environment), new AbortController().signal);
  return scene;
}

function sharedLocation(environment: Environment): SharedLocation {
  const { state } = loadConfiguration(environment);
  if (state.kind === 'directory') throw new Error('the state is not shared');
  return state;
}

/** Another replica, in this process. */
export async function withReplica(environment: Environment, work: (agent: Agent) => Promise<void>): Promise<void> {
  const configuration = loadConfiguration({ DATABRICKS_AUDIT_SILENCE_AFTER: '0', ...environment });
  const agent = await createAgent(configuration, { logger: silentLogger, sharing: replicaDependencies() });
  const stop = new AbortController();
  const running = agent.run(stop.signal).catch((error: unknown) => {
    if (error !== stop.signal.reason) throw error;
  });
  try {
    await Promise.race([work(agent), running.then(() => Promise.reject(new Error('the agent ended')))]);
  } finally {
    stop.abort(new Error('enough'));
    await running;
    await agent.close();
  }
}

/** Resolves when everything that is listed was settled by others: an agent of this process looks, and ships nothing. */
export async function settledByOthers(environment: Environment): Promise<void> {
  const agent = await createAgent(loadConfiguration(environment), {
    logger: silentLogger,
    sharing: replicaDependencies(),
  });
  await settled(agent).finally(() => agent.close());
}

/** Resolves when everything that is listed is settled. */
export async function settled(agent: Agent): Promise<void> {
  const { signal } = new AbortController();
  await expect.poll(async () => (await agent.backlog(signal)).objectCount, { interval: 100 }).toBe(0);
}

/** Uids of records that were sent in more than one form. */
export function changedUids({ requests }: Pick<OtlpReceiver, 'requests'>): string[] {
  const forms = new Map<string, Set<string>>();
  for (const { uid = '', bytesHash, json } of requests.flatMap(({ records }) => records)) {
    forms.set(uid, (forms.get(uid) ?? new Set()).add(`${bytesHash} ${json}`));
  }
  return [...forms].filter(([, each]) => each.size > 1).map(([uid]) => uid);
}

/** How many lines of an object the state has as settled beyond those that stand in it, which all are distinct. */
export async function settledTwice(environment: Environment, id: string, lineCount: number): Promise<number> {
  const location = sharedLocation(environment);
  const reader = await openSharedReader({ store: await openStore(location), clock: systemClock, logger: silentLogger });
  try {
    const record = await reader?.read(id as ObjectId);
    const hashes = (record?.settledLines ?? []).flatMap(({ lineHashes }) => hashesOf(lineHashes));
    const counted = (record?.acceptedCount ?? 0) + (record?.deadLetteredCount ?? 0);
    return Math.max(hashes.length - new Set(hashes).size, counted - lineCount);
  } finally {
    await reader?.close();
  }
}

function hashesOf(words: Int32Array): string[] {
  return Array.from({ length: words.length / 2 }, (_, index) => `${words[2 * index]} ${words[2 * index + 1]}`);
}
