/**
 * A signal that arrives while the start waits for a state that is not available.
 */
import { expect, test } from 'vitest';
import { createAgent } from '../../src/agent/agent.ts';
import { loadConfiguration } from '../../src/config/index.ts';
import { AgentError } from '../../src/model/agent-error.ts';
import { startAgent } from '../support/agent-process.ts';
import { ManualClock, settled } from '../support/manual-clock.ts';

const environment = {
  DATABRICKS_AUDIT_SOURCE: 's3://audit/logs',
  DATABRICKS_AUDIT_DEAD_LETTERS: 's3://letters/audit',
  // Nothing listens on this port.
  DATABRICKS_AUDIT_STATE: 'postgres://agent:secret@127.0.0.1:1/audit?sslmode=disable',
  AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:1',
  AWS_REGION: 'us-east-1',
  AWS_ACCESS_KEY_ID: 'AKIAIOSFODNN7EXAMPLE',
  AWS_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
};

test.each([
  ['run', 0],
  ['ship', 1],
] as const)('%s that waits for its state ends on SIGTERM with exit code %d', async (command, code) => {
  const agent = startAgent([command], environment);
  await agent.logged('State is not available; the start waits for it');
  const stopped = await agent.stop();
  expect(stopped.code).toBe(code);
  // The start was given up, not ended by the state.
  expect(stopped.log.filter(({ msg }) => msg === 'Stopped by an error')).toEqual([]);
});

test('createAgent rejects with the reason of the signal that it is given, and ends the attempt under way', async () => {
  const stop = new AbortController();
  const reason = new Error('enough');
  const attempts: (AbortSignal | undefined)[] = [];
  const creating = createAgent(loadConfiguration(environment), {
    clock: new ManualClock('2026-01-31T12:00:00Z'),
    stop: stop.signal,
    sharing: {
      async openStore(_, signal) {
        attempts.push(signal);
        throw new AgentError('ERR_STATE_UNAVAILABLE', 'no answer');
      },
    },
  });
  creating.catch(() => {});
  await settled();
  stop.abort(reason);
  await expect(creating).rejects.toBe(reason);
  expect(attempts.map((signal) => signal?.aborted)).toEqual([true]);
});
