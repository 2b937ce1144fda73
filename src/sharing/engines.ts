/**
 * The engines of a shared state. Each is loaded only if it is configured.
 */
import type { SharedLocation } from '../model/state-location.ts';
import type { StoreSetting, StoreSetup } from './setup.ts';
import type { SharedStore } from './store.ts';

const never = new AbortController().signal;

/**
 * Connects to the store and checks that its table or schema is one that this version can use.
 * Rejects as the methods of the store do (store.ts).
 */
export async function openStore(location: SharedLocation, signal: AbortSignal = never): Promise<SharedStore> {
  switch (location.kind) {
    case 'dynamodb': {
      const { openDynamoDbStore } = await import('./dynamodb/store.ts');
      return await openDynamoDbStore(location, signal);
    }
    case 'postgres': {
      const { openPostgresStore } = await import('./postgres/store.ts');
      return await openPostgresStore(location, signal);
    }
  }
}

/** Creates the table or schema; an existing one is left as it is. Rejects as the methods of the store do. */
export async function setUpStore(location: SharedLocation, signal: AbortSignal): Promise<StoreSetup> {
  switch (location.kind) {
    case 'dynamodb': {
      const { setUpDynamoDb } = await import('./dynamodb/table.ts');
      return await setUpDynamoDb(location, signal);
    }
    case 'postgres': {
      const { setUpPostgres } = await import('./postgres/schema.ts');
      return await setUpPostgres(location, signal);
    }
  }
}

/** Settings of the table that matter to a state, as far as the agent may read them. */
export async function* inspectStore(
  location: SharedLocation,
  signal: AbortSignal,
): AsyncGenerator<StoreSetting, void, undefined> {
  if (location.kind !== 'dynamodb') return;
  const { inspectDynamoDb } = await import('./dynamodb/table.ts');
  yield* inspectDynamoDb(location, signal);
}
