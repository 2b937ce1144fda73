/**
 * The agent in the test's own process, where what it ships matters and how it is started does not: ten times as fast.
 */
import { PassThrough } from 'node:stream';
import { expect, vi } from 'vitest';
import { createAgent } from '../../src/agent.ts';
import { loadConfiguration } from '../../src/config/index.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import type { Environment } from './agent-process.ts';

/** Ships what is there, as `ship` does. */
export async function shipHere(environment: Environment): Promise<void> {
  // The AWS SDK reads the process's own environment.
  for (const [name, value] of Object.entries(environment)) if (name.startsWith('AWS_')) vi.stubEnv(name, value);
  const surroundings = { logger: silentLogger, stdout: new PassThrough() };
  const agent = createAgent(loadConfiguration(environment), surroundings, 'oneShot');
  try {
    expect(await agent.shipOnce(new AbortController().signal)).toBe(true);
  } finally {
    await agent.close();
    vi.unstubAllEnvs();
  }
}
