import { expect, onTestFinished, test, vi } from 'vitest';
import { openStore, setUpStore } from '../../src/sharing/engines.ts';
import { probeStore } from '../../src/sharing/probe.ts';
import type { StoreSetting } from '../../src/sharing/setup.ts';
import { type Dynalite, startDynalite } from '../support/dynamodb-server.ts';

const never = new AbortController().signal;
const location = { kind: 'dynamodb', table: 'audit-state' } as const;

async function startWithTable(): Promise<Dynalite> {
  const server = await startDynalite();
  for (const [name, value] of Object.entries(server.environment)) vi.stubEnv(name, value);
  onTestFinished(() => void vi.unstubAllEnvs());
  await setUpStore(location, never);
  return server;
}

async function probe(): Promise<readonly StoreSetting[]> {
  const found: StoreSetting[] = [];
  for await (const setting of probeStore(location, never)) found.push(setting);
  return found;
}

test('a table that can be used is reported as such, and nothing is left in it', async () => {
  await startWithTable();
  expect(await probe()).toMatchObject([
    { status: 'ok', message: expect.stringContaining('dynamodb://audit-state can be read') },
    // dynalite has no TTL.
    { status: 'warning', message: expect.stringContaining('TTL is not enabled') },
  ]);
  const store = await openStore(location);
  onTestFinished(() => store.close());
  for await (const page of store.scan(never)) expect(page).toEqual([]);
  for await (const page of store.batchItems('check', { from: '', before: '~' }, never)) expect(page).toEqual([]);
});

test.each([
  ['PutItem', 'failed'],
  ['BatchGetItem', 'failed'],
  ['DeleteItem', 'failed'],
  ['Query', 'failed'],
  ['Scan', 'warning'],
] as const)('the missing permission %s is named', async (operation, status) => {
  const server = await startWithTable();
  server.fail({ operation, effect: { status: 400, type: 'AccessDeniedException' }, times: 100 });
  const problems = (await probe()).filter(({ message }) => message.includes('access denied'));
  expect(problems.length).toBeGreaterThan(0);
  for (const problem of problems) {
    expect(problem).toMatchObject({ status, hint: expect.stringContaining(`dynamodb:${operation} on`) });
  }
});

test('a table that cannot be read at all is one failure', async () => {
  const server = await startWithTable();
  server.fail({ operation: 'GetItem', effect: { status: 400, type: 'AccessDeniedException' }, times: 100 });
  const [first, ...others] = await probe();
  expect(first).toMatchObject({ status: 'failed', hint: expect.stringContaining('dynamodb:GetItem on') });
  expect(others).toEqual([]);
});

test('a table into which a copy has not ended cannot be used', async () => {
  await startWithTable();
  const store = await openStore(location);
  onTestFinished(() => store.close());
  const meta = { format: 1, hashSecret: '', createdOn: '2026-01-31', sources: [], isBeingCopied: true };
  const register = { revision: 'one', value: JSON.stringify(meta) };
  await store.compareAndSet({ partition: 'meta', sort: 'state' }, undefined, register, never);
  expect(await probe()).toMatchObject([
    { status: 'failed', message: expect.stringContaining('copy'), hint: expect.stringContaining('state copy') },
    { status: 'warning', message: expect.stringContaining('TTL is not enabled') },
  ]);
});

test('a store that ignores conditions is found out', async () => {
  const server = await startWithTable();
  server.fail({ operation: 'PutItem', effect: () => ({}), times: 2 });
  expect(await probe()).toContainEqual(
    expect.objectContaining({
      status: 'failed',
      message: expect.stringContaining('although the condition does not hold'),
    }),
  );
});
