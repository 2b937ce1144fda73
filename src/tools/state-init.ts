/**
 * Creates the table or schema of a shared state.
 */
import type { Configuration } from '../config/index.ts';
import { AgentError } from '../model/agent-error.ts';
import { locationText } from '../model/state-location.ts';
import { type StoreSetup, setUpStore } from '../sharing/index.ts';

/** Rejects with ERR_CONFIGURATION if the state is a directory, or with one of the ERR_STATE_ codes. */
export async function initState({ state }: Configuration, signal: AbortSignal): Promise<StoreSetup> {
  if (state.kind !== 'directory') return await setUpStore(state, signal);
  const message = `DATABRICKS_AUDIT_STATE: expected dynamodb:// or postgres://, got the directory ${locationText(state)}`;
  throw new AgentError('ERR_CONFIGURATION', message, {
    hint: 'A state in a directory needs no preparation: the agent creates it.',
  });
}
