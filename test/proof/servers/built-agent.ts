/**
 * The built package, for tests against real servers: runs `dist/cli.js` as a process.
 */
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { type AgentProcess, type Environment, type Exit, runAgent, startAgent } from '../../support/agent-process.ts';

const built = { script: fileURLToPath(new URL('../../../dist/cli.js', import.meta.url)) };

export const sampleDelivery = fileURLToPath(new URL('../../../examples/sample-delivery/delivered', import.meta.url));

/** @param preload a module to preload. */
export function runBuiltAgent(
  commandLine: readonly string[],
  environment: Environment,
  preload?: string,
): Promise<Exit> {
  return runAgent(commandLine, environment, { ...built, preload });
}

export function startBuiltAgent(commandLine: readonly string[], environment: Environment): AgentProcess {
  return startAgent(commandLine, environment, built);
}

/** Runs `ship` once, and expects that everything was shipped. */
export async function shipAll(environment: Environment): Promise<void> {
  const { code, stderr } = await runBuiltAgent(['ship'], environment);
  expect(code, stderr).toBe(0);
}
