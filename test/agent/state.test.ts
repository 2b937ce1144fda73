import { expect, test } from 'vitest';
import { openConfiguredState } from '../../src/agent/state.ts';
import { loadConfiguration } from '../../src/config/index.ts';
import { AgentError } from '../../src/model/agent-error.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { ModelStore } from '../support/model-store.ts';

const configuration = loadConfiguration({
  DATABRICKS_AUDIT_SOURCE: 's3://audit',
  DATABRICKS_AUDIT_STATE: 'dynamodb://audit-state',
  DATABRICKS_AUDIT_DEAD_LETTERS: 's3://letters/audit',
});

function open(openStore: () => Promise<ModelStore>, clock: ManualClock) {
  return openConfiguredState(configuration, {
    sources: ['s3://audit'],
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
