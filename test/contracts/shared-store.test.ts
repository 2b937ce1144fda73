import { vi } from 'vitest';
import { openDynamoDbStore } from '../../src/sharing/dynamodb/store.ts';
import { setUpDynamoDb } from '../../src/sharing/dynamodb/table.ts';
import { startDynalite } from '../support/dynamodb-server.ts';
import { ModelStore, StoredItems } from '../support/model-store.ts';
import { describeStore } from './shared-store.ts';

const never = new AbortController().signal;

describeStore('in memory', async () => {
  const items = new StoredItems();
  return async () => new ModelStore(items);
});

describeStore('in DynamoDB (dynalite)', async () => {
  const { environment } = await startDynalite();
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
  const location = { kind: 'dynamodb', table: 'audit-state' } as const;
  await setUpDynamoDb(location, never);
  return () => openDynamoDbStore(location, never);
});
