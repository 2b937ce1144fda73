/**
 * Runs the agent inside the test's process, for tests of what it ships rather than how it starts. Ten times as fast as a child
 * process, and the test controls the clock.
 */
import { PassThrough } from 'node:stream';
import { expect, vi } from 'vitest';
import { type Agent, createAgent } from '../../src/agent/agent.ts';
import { loadConfiguration } from '../../src/config/index.ts';
import type { Clock } from '../../src/runtime/clock.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import type { Environment } from './agent-process.ts';

/** Ships everything that is there, like `ship`. */
export async function shipHere(environment: Environment): Promise<void> {
  await withAgent(environment, 'oneShot', undefined, async (agent) => {
    expect(await agent.shipOnce(new AbortController().signal)).toBe(true);
  });
}

/** Ships like `run` until the condition holds. */
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
  // The AWS SDK reads process.env, and so does the source of the system table for Databricks' own variables.
  for (const [name, value] of Object.entries(environment)) {
    if (/^(AWS_|DATABRICKS_(?!AUDIT_))/.test(name)) vi.stubEnv(name, value);
  }
  const dependencies = { logger: silentLogger, stdout: new PassThrough(), clock };
  // As in agent-process.ts: test events have fixed dates, so every workspace would count as silent.
  const configuration = loadConfiguration({ DATABRICKS_AUDIT_SILENCE_AFTER: '0', ...environment });
  const agent = await createAgent(configuration, dependencies, mode);
  try {
    await work(agent);
  } finally {
    await agent.close();
    vi.unstubAllEnvs();
  }
}
