/**
 * The engines of a shared state. Each is loaded only if it is configured.
 */
import { AgentError } from '../model/agent-error.ts';
import type { SharedLocation } from '../model/state-location.ts';
import type { SharedStore } from './store.ts';

/**
 * Connects to the store and checks that its table or schema is one that this version can use.
 * Rejects as the methods of the store do (store.ts).
 */
export async function openStore(location: SharedLocation): Promise<SharedStore> {
  throw new AgentError('ERR_CONFIGURATION', `DATABRICKS_AUDIT_STATE: ${location.kind} is not available yet`);
}
