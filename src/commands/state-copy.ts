/**
 * `state copy`: copies the state into another one, between SQLite and a store that replicas share.
 */
import { loadConfiguration, parseStateLocation } from '../config/index.ts';
import { locationText } from '../model/state-location.ts';
import { createLogger } from '../runtime/logger.ts';
import { copyState } from '../tools/state-copy.ts';
import { type CommandContext, counted, type ExitCode, exitCodes } from './command.ts';

export interface StateCopyOptions {
  readonly to: string;
}

export async function stateCopy({ to }: StateCopyOptions, context: CommandContext): Promise<ExitCode> {
  const { environment, stdout, stderr, stop } = context;
  const target = parseStateLocation(to);
  if ('problem' in target) {
    stderr.write(`--to: ${target.problem}\n`);
    return exitCodes.misconfigured;
  }
  const configuration = loadConfiguration(environment);
  const logger = createLogger(configuration.logLevel, stderr);
  const objectCount = await copyState(configuration, target.value, stop, { logger });
  const [from, into] = [locationText(configuration.state), locationText(target.value)];
  stdout.write(`Copied ${counted(objectCount, 'object')} from ${from} to ${into}\n`);
  return exitCodes.success;
}
