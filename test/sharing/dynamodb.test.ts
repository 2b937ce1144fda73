/**
 * What goes wrong between the agent and DynamoDB. What a store has to do is in test/contracts/shared-store.ts.
 */
import { CreateTableCommand, DynamoDBClient, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { expect, onTestFinished, test, vi } from 'vitest';
import { isAgentError, messageOf } from '../../src/model/agent-error.ts';
import { openStore, setUpStore } from '../../src/sharing/engines.ts';
import type { SharedStore } from '../../src/sharing/store.ts';
import { type Dynalite, startDynalite } from '../support/dynamodb-server.ts';
import { startForwardProxy } from '../support/forward-proxy.ts';

const never = new AbortController().signal;
const location = { kind: 'dynamodb', table: 'audit-state' } as const;
const key = { partition: 'o#s3://audit/a', sort: 'h' };

async function start(): Promise<Dynalite> {
  const server = await startDynalite();
  for (const [name, value] of Object.entries(server.environment)) vi.stubEnv(name, value);
  onTestFinished(() => void vi.unstubAllEnvs());
  return server;
}

async function startWithTable(): Promise<{ server: Dynalite; store: SharedStore }> {
  const server = await start();
  await setUpStore(location, never);
  const store = await openStore(location);
  onTestFinished(() => store.close());
  return { server, store };
}

async function first<Page>(pages: AsyncIterable<Page>): Promise<Page | undefined> {
  for await (const page of pages) return page;
  return undefined;
}

const write = (store: SharedStore, revision: string, expected?: string) =>
  store.compareAndSet(key, expected, { revision, value: `value of ${revision}` }, never);

test('a throttled request is repeated', async () => {
  const { server, store } = await startWithTable();
  server.fail({ effect: { status: 400, type: 'ProvisionedThroughputExceededException' }, times: 2 });
  expect(await write(store, 'one')).toBe('written');
});

test.each([
  ['ProvisionedThroughputExceededException', 400, 'throttling'],
  ['InternalServerError', 500, 'answered InternalServerError (HTTP 500)'],
  ['ExpiredTokenException', 400, 'the AWS credentials have expired'],
  ['UnrecognizedClientException', 400, 'credentials are not valid'],
])(
  '%s is reported as a store that is not available, and the next request is tried anew',
  async (type, status, reason) => {
    const { server, store } = await startWithTable();
    server.fail({ effect: { status, type }, times: 10 });
    const error = await write(store, 'one').catch((reasonOfFailure: unknown) => reasonOfFailure);
    expect(isAgentError(error, 'ERR_STATE_UNAVAILABLE') && error.message).toContain(reason);
    expect(isAgentError(error) && error.hint).toBeTruthy();
    server.heal();
    expect(await write(store, 'one')).toBe('written');
  },
);

test('a missing permission is named', async () => {
  const { server, store } = await startWithTable();
  const refused = { effect: { status: 400, type: 'AccessDeniedException', message: 'not authorized' }, times: 10 };
  const denials: readonly (readonly [string, () => Promise<unknown>])[] = [
    ['PutItem', () => write(store, 'one')],
    ['GetItem', () => store.read(key, never)],
    ['BatchGetItem', () => store.readMany([key], never)],
    ['DeleteItem', () => store.removeRegister(key, 'one', never)],
    ['Query', () => first(store.batchItems(key.partition, { from: 'b', before: 'c' }, never))],
    ['Scan', () => first(store.scan(never))],
  ];
  for (const [operation, attempt] of denials) {
    server.fail({ operation, ...refused });
    const error = await attempt().catch((reason: unknown) => reason);
    expect(isAgentError(error, 'ERR_STATE_UNAVAILABLE') && error.hint).toContain(`Allow dynamodb:${operation} on`);
    server.heal();
  }
});

test('no error contains the access key or the secret', async () => {
  const { server, store } = await startWithTable();
  const message = 'The security token of AKIAIOSFODNN7EXAMPLE is invalid';
  server.fail({ effect: { status: 400, type: 'UnrecognizedClientException', message } });
  const error = await store.read(key, never).catch((reason: unknown) => reason);
  const texts = [messageOf(error), isAgentError(error) ? messageOf(error.cause) : ''].join('\n');
  expect(texts).toContain('***');
  expect(texts).not.toMatch(/AKIA|wJalr/);
});

test('keys that BatchGetItem leaves unprocessed are asked for again', async () => {
  const { server, store } = await startWithTable();
  await write(store, 'one');
  const keys = [key, { partition: 'o#another', sort: 'h' }, key];
  server.fail({
    operation: 'BatchGetItem',
    effect: (request) => ({ Responses: {}, UnprocessedKeys: (request as { RequestItems: unknown }).RequestItems }),
    times: 2,
  });
  const found = await store.readMany(keys, never);
  expect(found.map((register) => register?.revision)).toEqual(['one', undefined, 'one']);
  expect(server.operations.filter((operation) => operation === 'BatchGetItem')).toHaveLength(3);
});

test('a write whose answer is lost is refused when it is repeated, and has taken effect', async () => {
  const { server, store } = await startWithTable();
  await write(store, 'one');
  server.fail({ operation: 'PutItem', effect: 'lose' });
  expect(await write(store, 'two', 'one')).toBe('refused');
  expect(server.operations.slice(-2)).toEqual(['PutItem', 'PutItem']);
  expect(await store.read(key, never)).toMatchObject({ revision: 'two' });
});

test('a table that does not exist is an error that says how to create it', async () => {
  await start();
  const error = await openStore(location).catch((reason: unknown) => reason);
  expect(isAgentError(error, 'ERR_STATE_NOT_FOUND') && error.hint).toContain('state init');
});

test('a table with other keys, or with items of somebody else, is refused', async () => {
  await start();
  const client = new DynamoDBClient();
  onTestFinished(() => client.destroy());
  await client.send(
    new CreateTableCommand({
      TableName: 'another',
      AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
      KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
      BillingMode: 'PAY_PER_REQUEST',
    }),
  );
  const another = { ...location, table: 'another' };
  for (const attempt of [() => openStore(another), () => setUpStore(another, never)]) {
    const error = await attempt().catch((reason: unknown) => reason);
    expect(isAgentError(error, 'ERR_STATE_FORMAT') && error.message).toContain('another');
  }

  await setUpStore(location, never);
  const Item = { k: { S: key.partition }, s: { S: key.sort }, note: { S: 'not ours' } };
  await client.send(new PutItemCommand({ TableName: location.table, Item }));
  const store = await openStore(location);
  onTestFinished(() => store.close());
  const foreign = await store.read(key, never).catch((reason: unknown) => reason);
  expect(isAgentError(foreign, 'ERR_STATE_FORMAT')).toBe(true);
});

test('an endpoint that is not reachable is reported, and used again once it is back', async () => {
  const { store } = await startWithTable();
  vi.stubEnv('AWS_ENDPOINT_URL_DYNAMODB', 'http://127.0.0.1:9');
  const error = await openStore(location).catch((reason: unknown) => reason);
  expect(isAgentError(error, 'ERR_STATE_UNAVAILABLE') && error.message).toContain('not reachable (ECONNREFUSED)');
  // Commands end with it.
  expect(isAgentError(error) && error.hint).toContain('A running agent tries again.');
  expect(await write(store, 'one')).toBe('written');
});

test('requests go through the proxy of the environment', async () => {
  const { server } = await startWithTable();
  const proxy = await startForwardProxy({ table: Number(new URL(server.url).port) });
  vi.stubEnv('HTTP_PROXY', proxy.url);
  vi.stubEnv('AWS_ENDPOINT_URL_DYNAMODB', 'http://table:8000');
  const store = await openStore(location);
  onTestFinished(() => store.close());
  expect(await write(store, 'one')).toBe('written');
  expect(new Set(proxy.requests)).toEqual(new Set(['POST http://table:8000/']));
});

test('a request that is under way ends with the reason of the signal', async () => {
  const { server, store } = await startWithTable();
  const stop = new AbortController();
  const reason = new Error('stopping');
  server.fail({
    operation: 'GetItem',
    effect: (_, answer) => {
      stop.abort(reason);
      return answer;
    },
  });
  await expect(store.read(key, stop.signal)).rejects.toBe(reason);
});

test('creating a table twice leaves the first as it is', async () => {
  await start();
  expect(await setUpStore(location, never)).toMatchObject({ created: true });
  const store = await openStore(location);
  onTestFinished(() => store.close());
  await write(store, 'one');
  expect(await setUpStore(location, never)).toMatchObject({ created: false });
  expect(await store.read(key, never)).toMatchObject({ revision: 'one' });
});
