/**
 * `state init`: creates the table or schema of a state that several replicas share.
 */
import { loadConfiguration } from '../config/index.ts';
import { locationText } from '../model/state-location.ts';
import { printableLines } from '../runtime/printable.ts';
import { initState } from '../tools/state-init.ts';
import { type CommandContext, type ExitCode, exitCodes, withDefaults } from './command.ts';

export async function stateInit({ environment, stdout, stop }: CommandContext): Promise<ExitCode> {
  // Whoever creates a state need not have the rest of the agent's configuration.
  const configuration = loadConfiguration(
    withDefaults(environment, {
      DATABRICKS_AUDIT_SOURCE: 's3://any-source',
      DATABRICKS_AUDIT_DEAD_LETTERS: 's3://any-dead-letters',
    }),
  );
  const { created, settings } = await initState(configuration, stop);
  const name = locationText(configuration.state);
  stdout.write(created ? `Created ${name}\n` : `${name} exists already and was not changed\n`);
  for (const { status, message } of settings)
    stdout.write(printableLines(`${status === 'ok' ? '' : `${status}: `}${message}\n`));
  return exitCodes.success;
}
