/**
 * The contract of a store (test/contracts/shared-store.ts) on PostgreSQL, and on two more implementations of DynamoDB.
 */
import { afterAll, beforeAll, describe, vi } from 'vitest';
import type { SharedLocation } from '../../../src/model/state-location.ts';
import { openStore, setUpStore } from '../../../src/sharing/engines.ts';
import { describeStore } from '../../contracts/shared-store.ts';
import type { DynamoDbServer } from '../../support/dynamodb-server.ts';
import type { CleanUp } from '../../support/temporary-directory.ts';
import { startMiniStackDynamoDb, startMotoDynamoDb } from './dynamodb.ts';
import { type Postgres, postgresLocation, startPostgres } from './postgresql.ts';

const never = new AbortController().signal;
let placeCount = 0;

async function newPlace(location: SharedLocation) {
  await setUpStore(location, never);
  return () => openStore(location, never);
}

/** One server for all tests of a group. */
function serverForAll<Server>(start: (cleanUp: CleanUp) => Promise<Server>): () => Server {
  const actions: Parameters<CleanUp>[0][] = [];
  let server: Server | undefined;
  beforeAll(async () => {
    server = await start((action) => actions.push(action));
  });
  afterAll(async () => {
    for (const action of actions.reverse()) await action();
  });
  return () => {
    if (server === undefined) throw new Error('not started');
    return server;
  };
}

describe('PostgreSQL', () => {
  const server = serverForAll<Postgres>((cleanUp) => startPostgres({}, cleanUp));
  describeStore('in PostgreSQL', () => newPlace(postgresLocation(`${server().url}&schema=state_${++placeCount}`)));
});

describe.each([
  ['moto', startMotoDynamoDb],
  ['MiniStack', startMiniStackDynamoDb],
])('DynamoDB (%s)', (name, start) => {
  const server = serverForAll<DynamoDbServer>(start);
  describeStore(`in ${name}`, async () => {
    for (const [variable, value] of Object.entries(server().environment)) vi.stubEnv(variable, value);
    return await newPlace({ kind: 'dynamodb', table: `state-${++placeCount}` });
  });
});
