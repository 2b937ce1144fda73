import { expect, test } from 'vitest';
import { openConfiguredState } from '../../src/agent/state.ts';
import { loadConfiguration } from '../../src/config/index.ts';
import type { OpenState } from '../../src/contracts/open-state.ts';
import { AgentError } from '../../src/model/agent-error.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { identityOf } from '../../src/sources/index.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { ModelStore, StoredItems } from '../support/model-store.ts';

const environment = {
  DATABRICKS_AUDIT_SOURCE: 's3://audit',
  DATABRICKS_AUDIT_STATE: 'dynamodb://audit-state',
  DATABRICKS_AUDIT_DEAD_LETTERS: 's3://letters/audit',
};
const configuration = loadConfiguration(environment);

function open(openStore: () => Promise<ModelStore>, clock: ManualClock) {
  return openConfiguredState(configuration, {
    sources: [{ name: 's3://audit' }],
    clock,
    logger: silentLogger,
    observe: () => {},
    stopping: new AbortController().signal,
    sharing: { openStore },
  });
}

test('a store that is away when the agent starts is waited for, up to a minute', async () => {
  const clock = new ManualClock('2026-01-31T12:00:00Z');
  let failures = 3;
  const opening = open(async () => {
    if (failures-- > 0) throw new AgentError('ERR_STATE_UNAVAILABLE', 'no answer');
    return new ModelStore();
  }, clock);
  for (let attempt = 0; attempt < 4; attempt++) await clock.advance(5_000);
  const state = await opening;
  expect(state.createdOn).toBe('2026-01-31');
  await state.close();

  const failing = open(async () => {
    throw new AgentError('ERR_STATE_UNAVAILABLE', 'no answer');
  }, clock);
  failing.catch(() => {});
  for (let attempt = 0; attempt < 12; attempt++) await clock.advance(5_000);
  await expect(failing).rejects.toMatchObject({ code: 'ERR_STATE_UNAVAILABLE' });
});

test('a store that lets each attempt wait is given up after about a minute, too', async () => {
  const clock = new ManualClock('2026-01-31T12:00:00Z');
  let attempts = 0;
  const opening = open(async () => {
    attempts++;
    await clock.sleep(10_000, new AbortController().signal);
    throw new AgentError('ERR_STATE_UNAVAILABLE', 'no answer');
  }, clock);
  opening.catch(() => {});
  for (let second = 0; second < 70; second++) await clock.advance(1_000);
  await expect(opening).rejects.toMatchObject({ code: 'ERR_STATE_UNAVAILABLE' });
  expect(attempts).toBe(5);
});

test('a table that does not exist is an error at once', async () => {
  const clock = new ManualClock('2026-01-31T12:00:00Z');
  const opening = open(async () => {
    throw new AgentError('ERR_STATE_NOT_FOUND', 'There is no table audit-state');
  }, clock);
  await expect(opening).rejects.toMatchObject({ code: 'ERR_STATE_NOT_FOUND' });
});

/** Whether two replicas with these sources take each other for different. */
async function areDifferent(...sourcesOfReplicas: readonly [string, string]): Promise<boolean> {
  const items = new StoredItems();
  const clock = new ManualClock('2026-01-31T12:00:00Z');
  const faults: string[] = [];
  const states: OpenState[] = [];
  for (const DATABRICKS_AUDIT_SOURCE of sourcesOfReplicas) {
    const replica = loadConfiguration({ ...environment, DATABRICKS_AUDIT_SOURCE });
    const state = await openConfiguredState(replica, {
      sources: replica.sources.map(identityOf),
      clock,
      logger: silentLogger,
      observe: (event) => void (event.kind === 'faultMet' && faults.push(event.fault.code)),
      stopping: new AbortController().signal,
      sharing: { openStore: async () => new ModelStore(items) },
    });
    states.push(state);
  }
  for (const state of states) await state.close();
  return faults.includes('ERR_REPLICA_DIFFERS');
}

test.each([
  [
    'that map different sources by the same two mappings',
    's3://audit/logs?mapping=immuta-audit,s3://second/x',
    's3://audit/logs,s3://second/x?mapping=immuta-audit',
  ],
  ['of which one maps a source in another way', 's3://audit/logs', 's3://audit/logs?mapping=immuta-audit'],
])('replicas %s are different', async (_, one, other) => {
  expect(await areDifferent(one, other)).toBe(true);
});

test.each([
  ['with the same sources', 's3://audit/logs', 's3://audit/logs'],
  ['of which one names the default mapping', 's3://audit/logs', 's3://audit/logs?mapping=databricks-audit'],
  [
    'whose sources are in another order',
    's3://audit/logs?mapping=immuta-audit,s3://second/x?mapping=databricks-audit%2Cloki',
    's3://second/x?mapping=databricks-audit%2Cloki,s3://audit/logs?mapping=immuta-audit',
  ],
  ['of which one has another source', 's3://audit/logs', 's3://audit/logs,s3://second/x'],
])('replicas %s are not different', async (_, one, other) => {
  expect(await areDifferent(one, other)).toBe(false);
});
