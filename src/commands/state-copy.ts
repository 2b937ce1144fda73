/**
 * `state copy`: copies the state into another one, between SQLite and a store that replicas share.
 */
import { loadConfiguration, parseStateLocation } from '../config/index.ts';
import { locationText } from '../model/state-location.ts';
import { createLogger } from '../runtime/logger.ts';
import { bad } from '../runtime/variable.ts';
import { copyState } from '../tools/state-copy.ts';
import { type CommandContext, counted, type ExitCode, exitCodes } from './command.ts';

export interface StateCopyOptions {
  readonly to: string;
}

export async function stateCopy({ to }: StateCopyOptions, context: CommandContext): Promise<ExitCode> {
  const { environment, stdout, stderr, stop } = context;
  // An empty value counts as unset for a variable, and here it is one that the shell did not know.
  const target =
    to === '' ? bad('expected a directory, dynamodb:// or postgres://, got nothing') : parseStateLocation(to);
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
