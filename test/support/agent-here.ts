/**
 * The agent in the test's own process, where what it ships matters and how it is started does not: ten times as fast, and with
 * a clock of the test's choice.
 */
import { PassThrough } from 'node:stream';
import { expect, vi } from 'vitest';
import { type Agent, createAgent } from '../../src/agent/agent.ts';
import { loadConfiguration } from '../../src/config/index.ts';
import type { Clock } from '../../src/runtime/clock.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import type { Environment } from './agent-process.ts';

/** Ships what is there, as `ship` does. */
export async function shipHere(environment: Environment): Promise<void> {
  await withAgent(environment, 'oneShot', undefined, async (agent) => {
    expect(await agent.shipOnce(new AbortController().signal)).toBe(true);
  });
}

/** Ships as `run` does, until the condition holds. */
export async function runHere(environment: Environment, clock: Clock, condition: () => boolean): Promise<void> {
  const stop = new AbortController();
  await withAgent(environment, 'longRunning', clock, async (agent) => {
    const running = agent.run(stop.signal).catch((error: unknown) => {
      if (error !== stop.signal.reason) throw error;
    });
    await expect.poll(condition).toBe(true);
    stop.abort(new Error('enough'));
    await running;
  });
}

async function withAgent(
  environment: Environment,
  mode: 'oneShot' | 'longRunning',
  clock: Clock | undefined,
  work: (agent: Agent) => Promise<void>,
): Promise<void> {
  // The AWS SDK reads the process's own environment.
  for (const [name, value] of Object.entries(environment)) if (name.startsWith('AWS_')) vi.stubEnv(name, value);
  const dependencies = { logger: silentLogger, stdout: new PassThrough(), clock };
  // As for a process: the events of tests are of fixed days, and every workspace has been silent for long.
  const configuration = loadConfiguration({ DATABRICKS_AUDIT_SILENCE_AFTER: '0', ...environment });
  const agent = await createAgent(configuration, dependencies, mode);
  try {
    await work(agent);
  } finally {
    await agent.close();
    vi.unstubAllEnvs();
  }
}
