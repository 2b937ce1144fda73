import { inspect } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { loadConfiguration } from '../../../src/config/index.ts';
import type { Source } from '../../../src/contracts/source.ts';
import type { DeliveredObject, ObjectContent } from '../../../src/model/object.ts';
import type { Clock } from '../../../src/runtime/clock.ts';
import { createObjectOpener, createSources } from '../../../src/sources/index.ts';
import {
  type AuditRow,
  auditRow,
  auditRows,
  type DatabricksWorkspace,
  startWorkspace,
} from '../../support/databricks-workspace.ts';
import { startForwardProxy } from '../../support/forward-proxy.ts';
import { listAll, readText } from '../../support/listing.ts';
import { fc } from '../../support/property-tests.ts';

let workspace: DatabricksWorkspace;
beforeAll(async () => {
  workspace = await startWorkspace();
});
afterAll(() => workspace.stop());
beforeEach(() => workspace.reset());

const signal = new AbortController().signal;
const hour = 3600;

describe('a listing', () => {
  test('offers an object for each hour that has rows, oldest first, and costs one statement', async () => {
    await workspace.insert([auditRow(24 * hour), auditRow(0), auditRow(1), auditRow(hour)]);
    const { objects, workspaces } = await listAll(source());
    expect(objects.map(({ origin }) => origin)).toMatchObject([
      {
        id: `databricks://${host()}/system.access.audit/date=2026-11-30/hour=08`,
        date: '2026-11-30',
        workspaceId: undefined,
      },
      { id: `databricks://${host()}/system.access.audit/date=2026-11-30/hour=09`, date: '2026-11-30' },
      { id: `databricks://${host()}/system.access.audit/date=2026-12-01/hour=08`, date: '2026-12-01' },
    ]);
    expect(workspaces).toHaveLength(1);
    expect(workspace.statements).toHaveLength(1);
  });

  test('covers the requested dates', async () => {
    await workspace.insert([0, 16, 40, 64].map((hours) => auditRow(hours * hour)));
    const dates = async (from?: string, before?: string) =>
      (await listAll(source(), { from, before })).objects.map(({ origin }) => origin.date);
    expect(await dates('2026-12-01', '2026-12-03')).toEqual(['2026-12-01', '2026-12-02']);
    expect(await dates('2026-12-02')).toEqual(['2026-12-02', '2026-12-03']);
    expect(await dates(undefined, '2026-12-01')).toEqual(['2026-11-30']);
  });

  test('may divide the hours', async () => {
    await workspace.insert([auditRow(0), auditRow(599), auditRow(600)]);
    const { objects } = await listAll(source('?bucket=10m'));
    expect(objects.map(({ origin }) => origin.id.replace(/.*audit\//, ''))).toEqual([
      'date=2026-11-30/hour=08/minute=00',
      'date=2026-11-30/hour=08/minute=10',
    ]);
    expect(await eventIds(objects)).toEqual(['event-000000', 'event-000599', 'event-000600']);
  });

  test('shows another version exactly if the set of events has changed', async () => {
    const version = async () => (await listAll(source())).objects[0]?.version.etag;
    await workspace.insert(auditRows(3));
    const first = await version();
    await workspace.sql("UPDATE lake.access.audit SET user_agent = 'filled in later'");
    expect(await version()).toBe(first);
    await workspace.insert([auditRow(3)]);
    const second = await version();
    expect(second).not.toBe(first);
    await workspace.sql("UPDATE lake.access.audit SET event_id = 'another' WHERE event_id = 'event-000003'");
    const third = await version();
    expect(third).not.toBe(second);
    await workspace.sql("DELETE FROM lake.access.audit WHERE event_id = 'another'");
    expect(await version()).toBe(first);
  });

  test('may be restricted to workspaces, and to a view', async () => {
    await workspace.insert([
      auditRow(0, { workspace_id: '1' }),
      auditRow(1, { workspace_id: '2' }),
      auditRow(2, { workspace_id: '3' }),
    ]);
    const some = await listAll(source('?workspaces=1%2C3'));
    expect(await eventIds(some.objects)).toEqual(['event-000000', 'event-000002']);
    const one = await listAll(source('?workspaces=2'));
    expect(one.workspaces.map(({ workspaceId }) => workspaceId)).toEqual(['2']);
    await workspace.sql("CREATE OR REPLACE VIEW lake.access.two AS FROM lake.access.audit WHERE workspace_id = '2'");
    const view = await listAll(source('?table=lake.access.two'));
    expect(await eventIds(view.objects)).toEqual(['event-000001']);
    expect(view.objects[0]?.origin.id).toContain('/lake.access.two/');
  });

  test.each(['event_id', 'service_name', 'action_name', 'workspace_id', 'user_identity', 'request_params', 'response'])(
    'refuses a view without the column %s, and reads one that has null there',
    async (column) => {
      await workspace.insert([auditRow(0)]);
      await workspace.sql(
        `CREATE OR REPLACE VIEW lake.access.two AS SELECT * EXCLUDE (${column}) FROM lake.access.audit`,
      );
      await expect(listAll(source('?table=lake.access.two'))).rejects.toMatchObject({
        code: 'ERR_SOURCE_NO_DELIVERIES',
        message: expect.stringMatching(new RegExp(`lake.access.two is not a table of audit events: .*\`${column}\``)),
        hint: expect.stringContaining(column),
      });
      await workspace.sql(
        `CREATE OR REPLACE VIEW lake.access.two AS SELECT * REPLACE (NULL::VARCHAR AS ${column}) FROM lake.access.audit`,
      );
      expect((await listAll(source('?table=lake.access.two'))).objects).toHaveLength(1);
    },
  );

  test('reports an empty table, rows without a time, and nothing when it is merely quiet', async () => {
    const codes = async (from?: string) => (await listAll(source(), { from })).faults.map(({ code }) => code);
    expect(await codes()).toEqual(['ERR_SOURCE_EMPTY']);
    await workspace.insert([auditRow(0)]);
    expect(await codes('2026-12-05')).toEqual([]);
    await workspace.sql("INSERT INTO lake.access.audit BY NAME SELECT 'no-time' AS event_id");
    expect(await codes()).toEqual(['ERR_SOURCE_LAYOUT']);
  });
});

describe('the lines of a bucket', () => {
  test('are canonical rows: the id first, sorted keys, no nulls, microseconds, every digit of a number', async () => {
    await workspace.sql('ALTER TABLE lake.access.audit ADD COLUMN a_later_column BIGINT');
    await workspace.insert([
      {
        event_id: 'an "id"',
        event_time: '2026-11-30T08:59:59.999999Z',
        request_params: { b: '2', a: '1' },
        response: {},
        user_identity: { email: 'someone@example.com' },
      },
      { event_time: '2026-11-30T08:00:00Z', request_params: {} },
    ]);
    await workspace.sql('UPDATE lake.access.audit SET a_later_column = 9223372036854775807 WHERE event_id IS NOT NULL');
    const { objects } = await listAll(source());
    expect((await readAll(objects)).split('\n')).toEqual([
      '{"event_time":"2026-11-30T08:00:00.000000Z","event_date":"2026-11-30","version":"2.0"}',
      String.raw`{"event_id":"an \"id\"","event_time":"2026-11-30T08:59:59.999999Z","a_later_column":9223372036854775807,"event_date":"2026-11-30","request_params":{"a":"1","b":"2"},"user_identity":{"email":"someone@example.com"},"version":"2.0"}`,
      '',
    ]);
  });

  test('are identified by event_id, if they have one', async () => {
    await workspace.insert([auditRow(0), { event_time: '2026-11-30T08:00:05Z' }, auditRow(9, { event_id: 'an "id"' })]);
    const content = await contentOf((await listAll(source())).objects[0]);
    const ids: (string | undefined)[] = [];
    for await (const chunk of content) {
      const lines = Buffer.from(chunk).toString().trim().split('\n');
      ids.push(...lines.map((line) => content.identityOf?.(Buffer.from(line))));
    }
    expect(ids).toEqual(['event-000000', undefined, 'an "id"']);
  });

  test('are all read, each once, whatever the pages, chunks, repeated ids and missing ids', async () => {
    const row = fc.record({
      event_time: fc.integer({ min: 0, max: 3 }).map((second) => `2026-11-30T08:00:0${second}Z`),
      event_id: fc.option(fc.constantFrom('a', 'b', 'c', "d'"), { nil: undefined }),
      request_id: fc.uuid(),
    });
    const history = fc.array(row, { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(
        history,
        fc.integer({ min: 1, max: 7 }),
        fc.integer({ min: 1, max: 4 }),
        async (rows, pageRows, chunkRows) => {
          await workspace.reset();
          workspace.settings.chunkRows = chunkRows;
          await workspace.insert(
            rows.map(({ event_id, ...others }): AuditRow => ({ ...others, ...(event_id && { event_id }) })),
          );
          const { objects } = await listAll(source('', { pageRows }));
          const text = await readAll(objects);
          const requestIds = [...text.matchAll(/"request_id":"([^"]+)"/g)].map(([, id]) => id);
          expect(requestIds.toSorted()).toEqual(rows.map(({ request_id }) => request_id).toSorted());
        },
      ),
      { numRuns: 25 },
    );
  });

  test('are read in smaller pages when a result is too large, and a row that is too large on its own is an error', async () => {
    await workspace.insert(auditRows(20));
    workspace.settings.inlineLimitBytes = 2_500;
    expect(await eventIds((await listAll(source())).objects)).toHaveLength(20);
    const [object] = (await listAll(source())).objects;
    workspace.settings.inlineLimitBytes = 100;
    await expect(contentOf(object).then(textOf)).rejects.toMatchObject({
      code: 'ERR_SOURCE_READ',
      message: expect.stringContaining('a single row is too large: Inline byte limit exceeded'),
    });
  });

  test('are read to the end although the server has dropped the result in between', async () => {
    await workspace.insert(auditRows(10));
    workspace.settings.chunkRows = 3;
    const { objects } = await listAll(source());
    workspace.settings.answersPerResult = 2;
    expect(await eventIds(objects)).toEqual(auditRows(10).map(({ event_id }) => event_id));
    expect(workspace.statements.length).toBeGreaterThan(2);
  });

  test('are not waited for if the server drops every result at once', async () => {
    await workspace.insert(auditRows(10));
    const { objects } = await listAll(source());
    Object.assign(workspace.settings, { chunkRows: 1, answersPerResult: 1 });
    await expect(contentOf(objects[0]).then(textOf)).rejects.toMatchObject({
      code: 'ERR_SOURCE_READ',
      message: expect.stringContaining('the result was gone before a row could be read'),
    });
  });

  test('include rows that came after the listing, and the version that was read is that of the next listing', async () => {
    await workspace.insert(auditRows(3));
    const [object] = (await listAll(source())).objects;
    await workspace.insert([auditRow(1.5)]);
    const content = await contentOf(object);
    expect((await textOf(content)).match(/\n/g)).toHaveLength(4);
    const [next] = (await listAll(source())).objects;
    expect(content.readVersion?.().etag).toBe(next?.version.etag);
    expect(content.readVersion?.().etag).not.toBe(object?.version.etag);
  });

  test('are not complete if a replica lags behind', async () => {
    await workspace.insert(auditRows(3));
    await workspace.lag(/to_json/, 1);
    await workspace.insert([auditRow(3)]);
    const [object] = (await listAll(source())).objects;
    await expect(contentOf(object).then(textOf)).rejects.toMatchObject({
      code: 'ERR_OBJECT_CHANGED',
      message: expect.stringContaining('it has 3 rows, but 4 were listed'),
    });
    expect(await eventIds(object === undefined ? [] : [object])).toHaveLength(4);
  });

  test('are not complete if the result lacks rows that it counts', async () => {
    await workspace.insert(auditRows(3));
    const [object] = (await listAll(source())).objects;
    workspace.settings.losesRows = true;
    await expect(contentOf(object).then(textOf)).rejects.toMatchObject({
      code: 'ERR_SOURCE_READ',
      message: expect.stringContaining('rows are missing'),
    });
  });

  test('are read by a worker, which knows the configuration and the id', async () => {
    await workspace.insert([auditRow(0), auditRow(700)]);
    const [, object] = (await listAll(source('?bucket=10m'))).objects;
    const { sources } = configuration('?bucket=10m');
    const opener = createObjectOpener(sources, {
      stillAfterPolls: 0,
      databricks: { environment: workspace.environment },
    });
    if (object === undefined) throw new Error('expected an object');
    const { origin, version } = structuredClone({ origin: object.origin, version: object.version });
    expect(await textOf(await opener.open({ origin, version }, signal))).toContain('event-000700');
    await opener.close();
  });
});

describe('a workspace', () => {
  test('that throttles is asked again after the time that it names', async () => {
    await workspace.insert([auditRow(0)]);
    workspace.fail({ match: 'POST /api/2.0/sql/statements', times: 2, status: 429, retryAfter: '17' });
    const clock = impatientClock();
    expect((await listAll(source('', { clock }))).objects).toHaveLength(1);
    expect(clock.sleepsMs).toEqual([17_000, 17_000]);
  });

  test('that throttles for too long is an error of its own', async () => {
    workspace.fail({ match: 'POST /api/2.0/sql/statements', status: 429 });
    await expect(listAll(source('', { clock: impatientClock() }))).rejects.toMatchObject({
      code: 'ERR_SOURCE_THROTTLED',
    });
  });

  test('that breaks connections or fails is asked again', async () => {
    await workspace.insert([auditRow(0)]);
    workspace.fail({ match: 'POST', times: 1 });
    workspace.fail({ match: 'POST /api', times: 1, status: 502 });
    expect((await listAll(source('', { clock: impatientClock() }))).objects).toHaveLength(1);
  });

  test('whose warehouse is stopped is waited for', async () => {
    await workspace.insert([auditRow(0)]);
    Object.assign(workspace.settings, { warehouse: 'STOPPED', secondMs: 1, warehouseStartMs: 300 });
    const clock = impatientClock(20);
    expect((await listAll(source('', { clock }))).objects).toHaveLength(1);
    expect(clock.sleepsMs.slice(0, 5)).toEqual([1_000, 2_000, 4_000, 8_000, 10_000]);
  });

  test('whose warehouse does not start is given up, and the statement is cancelled', async () => {
    Object.assign(workspace.settings, { warehouse: 'STOPPED', secondMs: 1, warehouseStartMs: 60_000 });
    const clock = impatientClock(0, true);
    await expect(listAll(source('', { clock }))).rejects.toMatchObject({
      code: 'ERR_SOURCE_READ',
      message: expect.stringContaining('the statement was still PENDING after 30 minutes'),
    });
    expect(workspace.requests.at(-1)).toMatch(/\/cancel$/);
  });

  test('is not left with a statement that nobody waits for', async () => {
    Object.assign(workspace.settings, { warehouse: 'STOPPED', secondMs: 1, warehouseStartMs: 60_000 });
    const stop = new AbortController();
    const dates = { from: undefined, before: undefined };
    const listing = source()
      .list({ dates, signal: stop.signal, onFault: () => {} })
      [Symbol.asyncIterator]()
      .next();
    listing.catch(() => {});
    await expect.poll(() => workspace.requests.some((line) => line.startsWith('GET'))).toBe(true);
    stop.abort(new Error('enough'));
    await expect(listing).rejects.toThrow('enough');
    expect(workspace.requests.at(-1)).toMatch(/\/cancel$/);
  });

  test('gets a new token before the old one expires, and when it refuses one', async () => {
    await workspace.insert([auditRow(0)]);
    const clock = impatientClock();
    const created = source('', { clock });
    const logIns = () => workspace.requests.filter((line) => line.includes('/oidc/')).length;
    await listAll(created);
    await listAll(created);
    expect(logIns()).toBe(1);
    clock.timeMs += 3_400_000;
    await listAll(created);
    expect(logIns()).toBe(2);
    workspace.fail({ match: 'POST /api', times: 1, status: 401, errorCode: 'UNAUTHENTICATED', message: 'expired' });
    await listAll(created);
    expect(logIns()).toBe(3);
  });

  test.each<[string, () => unknown, object]>([
    [
      'denies the table',
      () => Object.assign(workspace.settings, { canRead: false }),
      {
        code: 'ERR_SOURCE_ACCESS_DENIED',
        message: expect.stringContaining('INSUFFICIENT_PERMISSIONS'),
        hint: expect.stringContaining('USE SCHEMA on system.access, SELECT on system.access.audit'),
      },
    ],
    [
      'denies the warehouse',
      () =>
        workspace.fail({
          match: 'POST /api',
          status: 403,
          message: 'You do not have permission to use the SQL Warehouse.',
        }),
      {
        code: 'ERR_SOURCE_ACCESS_DENIED',
        hint: expect.stringContaining('CAN USE on the SQL warehouse abcdef0123456789'),
      },
    ],
    [
      'refuses the service principal',
      () => Object.assign(workspace.settings, { clientSecret: 'renewed' }),
      { code: 'ERR_SOURCE_CREDENTIALS', message: expect.stringContaining('Client authentication failed') },
    ],
    [
      'refuses every token',
      () => workspace.fail({ match: 'POST /api', status: 401 }),
      { code: 'ERR_SOURCE_CREDENTIALS' },
    ],
    [
      'has a table of another schema',
      () => workspace.sql('ALTER TABLE lake.access.audit RENAME COLUMN event_id TO id'),
      {
        code: 'ERR_SOURCE_NO_DELIVERIES',
        message: expect.stringContaining('is not a table of audit events'),
        hint: expect.stringContaining('?table='),
      },
    ],
    [
      'has no such table',
      () => workspace.sql('DROP TABLE lake.access.audit'),
      { code: 'ERR_SOURCE_NOT_FOUND', hint: expect.stringContaining('system.access') },
    ],
    [
      'is under maintenance',
      () => workspace.fail({ match: 'POST /api', status: 503 }),
      { code: 'ERR_SOURCE_THROTTLED' },
    ],
    [
      'is something else',
      () => workspace.fail({ match: 'POST /api', status: 302 }),
      { code: 'ERR_SOURCE_READ', message: expect.stringContaining('it redirects') },
    ],
  ])('that %s is named, without a secret', async (_, change, expected) => {
    await workspace.insert([auditRow(0)]);
    await change();
    const error = await listAll(source('', { clock: impatientClock() })).catch((reason: unknown) => reason);
    expect(error).toMatchObject(expected);
    expect(inspect(error, { depth: 10 })).not.toContain(workspace.environment.DATABRICKS_CLIENT_SECRET);
  });

  test('without this warehouse is named', async () => {
    const environment = { ...workspace.environment, DATABRICKS_WAREHOUSE_ID: '0000000000000000' };
    await expect(listAll(source('', { environment }))).rejects.toMatchObject({
      code: 'ERR_SOURCE_NOT_FOUND',
      message: expect.stringContaining('There is no SQL warehouse 0000000000000000'),
    });
  });

  test('that does not speak TLS is not said to have a certificate', async () => {
    // Without a scheme, the host is reached over https.
    const environment = { ...workspace.environment, DATABRICKS_HOST: host() };
    await expect(listAll(source('', { environment, clock: impatientClock() }))).rejects.toMatchObject({
      code: 'ERR_SOURCE_READ',
      message: expect.stringMatching(/does not use TLS \((EPROTO|ERR_SSL_\w+)\)$/),
      hint: expect.stringContaining('port'),
    });
  });

  test('that blocks the address of the agent is quoted, and the secret is not blamed', async () => {
    const message = 'Source IP address: 192.0.2.1 is blocked by Databricks IP ACL for workspace: 1';
    workspace.fail({ match: 'POST /oidc/v1/token', status: 403, errorCode: 'PERMISSION_DENIED', message });
    await expect(listAll(source('', { clock: impatientClock() }))).rejects.toMatchObject({
      code: 'ERR_SOURCE_CREDENTIALS',
      message: expect.stringContaining(`(HTTP 403: ${message})`),
      hint: expect.stringContaining('IP access list'),
    });
  });

  test('that does not exist is named', async () => {
    const stopped = await startWorkspace();
    await stopped.stop();
    const environment = { ...workspace.environment, DATABRICKS_HOST: stopped.origin };
    await expect(listAll(source('', { environment, clock: impatientClock() }))).rejects.toMatchObject({
      code: 'ERR_SOURCE_READ',
      message: `${new URL(stopped.origin).host} is not reachable (ECONNREFUSED)`,
    });
  });
});

type Options = {
  readonly pageRows?: number;
  readonly clock?: Clock;
  readonly environment?: Readonly<Record<string, string>>;
};

function configuration(parameters: string, environment: Readonly<Record<string, string>> = workspace.environment) {
  return loadConfiguration({ DATABRICKS_AUDIT_SOURCE: `databricks://${parameters}`, ...environment });
}

function source(parameters = '', { environment = workspace.environment, ...options }: Options = {}): Source {
  const { sources } = configuration(parameters, environment);
  const [created] = createSources(sources, { stillAfterPolls: 0, databricks: { environment, ...options } });
  if (created === undefined) throw new Error('expected a source');
  return created;
}

function host(): string {
  return new URL(workspace.origin).host;
}

async function contentOf(object: DeliveredObject | undefined): Promise<ObjectContent> {
  if (object === undefined) throw new Error('expected an object');
  return await object.open(signal);
}

async function textOf(content: ObjectContent): Promise<string> {
  const chunks: string[] = [];
  for await (const chunk of content) chunks.push(Buffer.from(chunk).toString());
  return chunks.join('');
}

async function readAll(objects: readonly DeliveredObject[]): Promise<string> {
  let text = '';
  for (const object of objects) text += await readText(object);
  return text;
}

async function eventIds(objects: readonly DeliveredObject[]): Promise<(string | undefined)[]> {
  return [...(await readAll(objects)).matchAll(/"event_id":"([^"]+)"/g)].map(([, id]) => id);
}

/** Sleeps only as long as given, and by default the time stands still. */
function impatientClock(sleepMs = 0, moves = false): Clock & { readonly sleepsMs: number[]; timeMs: number } {
  const clock = {
    sleepsMs: [] as number[],
    timeMs: Date.now(),
    nowMs: () => clock.timeMs,
    random: () => 0.5,
    async sleep(delayMs: number) {
      clock.sleepsMs.push(delayMs);
      if (moves) clock.timeMs += delayMs;
      await new Promise((resolve) => setTimeout(resolve, sleepMs));
    },
  };
  return clock;
}

test('a workspace is reached through the proxy of the environment, unless NO_PROXY names it', async () => {
  await workspace.insert([auditRow(0)]);
  const proxy = await startForwardProxy({ workspace: Number(new URL(workspace.origin).port) });
  vi.stubEnv('HTTP_PROXY', proxy.url);
  onTestFinished(() => void vi.unstubAllEnvs());
  const list = async () => {
    const locations = configuration('').sources.map((location) => ({ ...location, origin: 'http://workspace' }));
    const databricks = { environment: workspace.environment, clock: impatientClock() };
    const [created] = createSources(locations, { stillAfterPolls: 0, databricks });
    if (created === undefined) throw new Error('expected a source');
    return (await listAll(created)).objects;
  };
  expect(await list()).toHaveLength(1);
  expect(new Set(proxy.requests)).toEqual(
    new Set(['POST http://workspace/oidc/v1/token', 'POST http://workspace/api/2.0/sql/statements']),
  );
  vi.stubEnv('NO_PROXY', 'workspace');
  await expect(list()).rejects.toMatchObject({ message: expect.stringMatching(/^workspace is not reachable/) });
});
