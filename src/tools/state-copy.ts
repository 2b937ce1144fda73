/**
 * Copies a state into another one: between SQLite and a store that replicas share, in both directions.
 */
import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Configuration } from '../config/index.ts';
import type { StateContents } from '../contracts/state-copy.ts';
import { createStateFrom, openStateContents } from '../delivery/index.ts';
import { AgentError } from '../model/agent-error.ts';
import { locationText, type StateLocation } from '../model/state-location.ts';
import { type Clock, systemClock } from '../runtime/clock.ts';
import { type Logger, silentLogger } from '../runtime/logger.ts';
import { fillStoreFrom, openSharedContents, openStore, type SharedStore } from '../sharing/index.ts';
import { identityOf } from '../sources/index.ts';

export interface CopyDependencies {
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** Called after each object. */
  readonly onObject?: () => void;
  /** Replaces the engines, for tests. */
  readonly open?: typeof openStore;
}

/**
 * No agent may be using either state.
 * @returns the number of objects.
 * Rejects with ERR_CONFIGURATION if both states are the same, with ERR_STATE_NOT_FOUND if there is nothing to copy, with ERR_STATE_EXISTS if the other state is in use already, and with
 * the other ERR_STATE_ codes.
 */
export async function copyState(
  { state, sources, lookbackDays }: Pick<Configuration, 'state' | 'sources' | 'lookbackDays'>,
  to: StateLocation,
  signal: AbortSignal,
  { clock = systemClock, logger = silentLogger, onObject = () => {}, open = openStore }: CopyDependencies = {},
): Promise<number> {
  if (placeOf(state) === placeOf(to)) {
    throw new AgentError(
      'ERR_CONFIGURATION',
      `--to: expected another state than that of DATABRICKS_AUDIT_STATE, got ${JSON.stringify(locationText(to))}`,
    );
  }
  let objectCount = 0;
  const count = () => {
    objectCount++;
    onObject();
  };
  const contents = await openContents(state, clock, logger, open, signal);
  if (contents === undefined) {
    throw new AgentError('ERR_STATE_NOT_FOUND', `There is no state in ${locationText(state)}, so nothing was copied`, {
      hint: 'Set DATABRICKS_AUDIT_STATE to the state that is to be copied.',
    });
  }
  try {
    if (to.kind === 'directory') await createStateFrom(to.path, contents, count);
    else {
      const store: SharedStore = await open(to);
      await fillStoreFrom(
        { store, clock, logger, sources: sources.map(identityOf), lookbackDays },
        contents,
        count,
        signal,
      );
    }
  } finally {
    await contents.close();
  }
  return objectCount;
}

/** Equal for the same place, however it is written. */
function placeOf(location: StateLocation): string {
  const text = locationText(location);
  if (location.kind !== 'directory') return text;
  try {
    return realpathSync(text);
  } catch {
    return resolve(text); // It does not exist yet.
  }
}

async function openContents(
  state: StateLocation,
  clock: Clock,
  logger: Logger,
  open: typeof openStore,
  signal: AbortSignal,
): Promise<StateContents | undefined> {
  if (state.kind === 'directory') return openStateContents(state.path);
  return await openSharedContents({ store: await open(state), clock, logger }, signal);
}
