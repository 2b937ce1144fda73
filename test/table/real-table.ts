/**
 * The contract of a store on the table TEST_TABLE.
 */
import { randomUUID } from 'node:crypto';
import { onTestFinished } from 'vitest';
import { openStore, type SharedStore } from '../../src/sharing/index.ts';
import { describeStore } from '../contracts/shared-store.ts';
import { partOfStore } from './part-of-store.ts';

const { TEST_TABLE: table = '' } = process.env;
const open = (): Promise<SharedStore> => openStore({ kind: 'dynamodb', table });

describeStore(`in the DynamoDB table ${table}`, async () => {
  const part = partOfStore(`test ${randomUUID()} `);
  onTestFinished(async () => {
    const store = await open();
    await part.removeAll(store);
    await store.close();
  });
  return async () => part.of(await open());
});
