/**
 * Whole agents ship the table: every event arrives once, whatever happens to the table between two polls.
 */

import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { createAgent } from '../../../src/agent/agent.ts';
import { loadConfiguration } from '../../../src/config/index.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { runChecks } from '../../../src/tools/check.ts';
import { previewLines } from '../../../src/tools/preview.ts';
import { reconcile } from '../../../src/tools/reconcile/reconcile.ts';
import { copyState } from '../../../src/tools/state-copy.ts';
import { shipHere } from '../../support/agent-here.ts';
import type { Environment } from '../../support/agent-process.ts';
import {
  type AuditRow,
  auditRow,
  auditRows,
  type DatabricksWorkspace,
  startWorkspace,
} from '../../support/databricks-workspace.ts';
import { receiverForTest } from '../../support/delivery-place.ts';
import { ModelStore, StoredItems } from '../../support/model-store.ts';
import type { OtlpReceiver } from '../../support/otlp-receiver.ts';
import { fc } from '../../support/property-tests.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

let workspace: DatabricksWorkspace;
beforeAll(async () => {
  workspace = await startWorkspace();
});
afterAll(() => workspace.stop());
beforeEach(() => workspace.reset());

describe('the table', () => {
  test('yields the rows that came late, wherever they are in their hour', async () => {
    const { environment, arrived } = await scene();
    await workspace.insert([auditRow(10), auditRow(20), auditRow(30)]);
    await shipHere(environment);
    await workspace.insert([auditRow(5), auditRow(25), auditRow(3599)]);
    await shipHere(environment);
    await shipHere(environment);
    expect(arrived()).toEqual([10, 20, 30, 5, 25, 3599].map((index) => auditRow(index).event_id));
  });

  test('yields nothing again when columns are filled in, and a row that occurs twice is one event', async () => {
    const { environment, arrived, receiver } = await scene();
    await workspace.insert([...auditRows(3), auditRow(1), { ...auditRow(2), action_name: 'startResult' }]);
    await shipHere(environment);
    await workspace.sql(
      "UPDATE lake.access.audit SET user_agent = 'filled in later', request_params = MAP {'now': 'visible'}",
    );
    await workspace.insert([auditRow(0), auditRow(1.5)]);
    await shipHere(environment);
    expect(arrived()).toEqual([0, 1, 2, 1.5].map((index) => auditRow(index).event_id));
    expect(receiver.acceptedUids()).toEqual(arrived());
  });

  test('ships rows that come between listing and reading, and does not read their hour again', async () => {
    const { environment, arrived } = await scene();
    await workspace.insert(auditRows(2));
    workspace.before(/to_json/, () => workspace.insert([auditRow(0.5)]));
    await shipHere(environment);
    const { length } = workspace.statements;
    await shipHere(environment);
    expect(arrived()).toEqual([0, 0.5, 1].map((index) => auditRow(index).event_id));
    expect(workspace.statements.slice(length).filter((sql) => sql.includes('to_json'))).toEqual([]);
  });

  test('is read again after a replica that lagged behind', async () => {
    const { environment, arrived } = await scene();
    await workspace.insert(auditRows(2));
    await workspace.lag(/to_json/, 1);
    await workspace.insert([auditRow(0.5)]);
    await shipHere(environment);
    expect(arrived().toSorted()).toEqual([0, 0.5, 1].map((index) => auditRow(index).event_id).toSorted());
  });

  test('is settled as it was read: a row that neither the listing nor the count could miss is found later', async () => {
    const { environment, arrived } = await scene();
    await workspace.insert(auditRows(3));
    // The replica still has a row that is removed, and lacks one that is new: as many rows as listed.
    await workspace.lag(/to_json/, 1);
    await workspace.sql("DELETE FROM lake.access.audit WHERE event_id = 'event-000000'");
    await workspace.insert([auditRow(7)]);
    await shipHere(environment);
    expect(arrived()).not.toContain('event-000007');
    await shipHere(environment);
    expect(arrived().toSorted()).toEqual(['event-000000', 'event-000001', 'event-000002', 'event-000007']);
  });

  test('is shipped by workers', async () => {
    const { environment, arrived } = await scene({ DATABRICKS_AUDIT_WORKERS: '2' });
    await workspace.insert(Array.from({ length: 12 }, (_, index) => auditRow(index * 1800)));
    await shipHere(environment);
    expect(new Set(arrived()).size).toBe(12);
    expect(arrived()).toHaveLength(12);
  });

  test('can be compared with what was shipped', async () => {
    const { environment } = await scene();
    await workspace.insert([...auditRows(3), auditRow(1)]);
    await shipHere(environment);
    for (const [name, value] of Object.entries(workspace.environment)) vi.stubEnv(name, value);
    onTestFinished(() => void vi.unstubAllEnvs());
    const compare = () => reconcile(loadConfiguration(environment), { dates: allDates }, new AbortController().signal);
    expect(await compare()).toMatchObject({
      isWhole: true,
      totals: { lineCount: 3, acceptedCount: 3, missingCount: 0 },
    });
    await workspace.sql("UPDATE lake.access.audit SET user_agent = 'filled in later'");
    expect(await compare()).toMatchObject({ isWhole: true, totals: { missingCount: 0, goneCount: 0 } });
    await workspace.insert([auditRow(8)]);
    expect(await compare()).toMatchObject({ isWhole: false, totals: { lineCount: 4, missingCount: 1 } });
  });
});

test('a state that was copied for replicas is continued, whatever warehouse reads the table, and by no other table', async () => {
  const { environment, arrived } = await scene();
  await workspace.insert(auditRows(3));
  await shipHere(environment);
  const items = new StoredItems();
  const openStore = async () => new ModelStore(items);
  const to = { kind: 'dynamodb', table: 'audit-state' } as const;
  const copied = await copyState(loadConfiguration(environment), to, never, { open: openStore });
  expect(copied).toBe(1);
  const continued = async (more: Environment = {}) => {
    const replicated = {
      ...environment,
      DATABRICKS_AUDIT_STATE: 'dynamodb://audit-state',
      DATABRICKS_AUDIT_DEAD_LETTERS: 's3://letters/audit',
      ...more,
    };
    for (const [name, value] of Object.entries(replicated)) vi.stubEnv(name, value);
    onTestFinished(() => void vi.unstubAllEnvs());
    const dependencies = { logger: silentLogger, sharing: { openStore } };
    return await createAgent(loadConfiguration(replicated), dependencies, 'oneShot');
  };
  const agent = await continued();
  expect(await agent.shipOnce(never)).toBe(true);
  await agent.close();
  expect(arrived()).toHaveLength(3);
  await (await continued({ DATABRICKS_WAREHOUSE_ID: 'another' })).close();
  await expect(continued({ DATABRICKS_AUDIT_SOURCE: 'databricks://?table=lake.access.two' })).rejects.toMatchObject({
    code: 'ERR_STATE_SOURCES',
  });
});

type Change =
  | { readonly kind: 'insert'; readonly indexes: readonly number[] }
  | { readonly kind: 'insertBeforeReading'; readonly indexes: readonly number[] }
  | { readonly kind: 'lag'; readonly indexes: readonly number[] }
  | { readonly kind: 'fillIn' }
  | { readonly kind: 'purge'; readonly index: number }
  | { readonly kind: 'poll' };

test('every event arrives exactly once over any history of late, repeated, changed and removed rows and lagging replicas', async () => {
  const index = fc.integer({ min: 0, max: 14 }).map((step) => step * 700);
  const indexes = fc.array(index, { maxLength: 4 });
  const change: fc.Arbitrary<Change> = fc.oneof(
    fc.record({ kind: fc.constant('insert' as const), indexes }),
    fc.record({ kind: fc.constant('insertBeforeReading' as const), indexes }),
    fc.record({ kind: fc.constant('lag' as const), indexes }),
    fc.record({ kind: fc.constant('fillIn' as const) }),
    fc.record({ kind: fc.constant('purge' as const), index }),
    fc.record({ kind: fc.constant('poll' as const) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 4, maxLength: 8 }), async (changes) => {
      await workspace.reset();
      const { environment, arrived } = await scene();
      const inserted = new Set<string | undefined>();
      const insert = async (given: readonly number[]) => {
        const rows: AuditRow[] = given.map((each) => auditRow(each));
        for (const { event_id } of rows) inserted.add(event_id);
        await workspace.insert(rows);
      };
      const purged = new Set<string | undefined>();
      for (const [step, each] of [...changes, { kind: 'poll' } as const, { kind: 'poll' } as const].entries()) {
        if (each.kind === 'insert') await insert(each.indexes);
        else if (each.kind === 'insertBeforeReading') workspace.before(/to_json/, () => insert(each.indexes));
        else if (each.kind === 'fillIn')
          await workspace.sql(`UPDATE lake.access.audit SET user_agent = 'step ${step}'`);
        else if (each.kind === 'poll') await shipHere(environment);
        else if (each.kind === 'lag') {
          await workspace.lag(/to_json/, 1);
          await insert(each.indexes);
        } else {
          const { event_id } = auditRow(each.index);
          await workspace.sql(`DELETE FROM lake.access.audit WHERE event_id = '${event_id}'`);
          purged.add(event_id);
        }
      }
      const all = arrived();
      expect(all).toHaveLength(new Set(all).size);
      for (const id of inserted) if (!purged.has(id)) expect(all).toContain(id);
    }),
    { numRuns: 4 },
  );
});

const never = new AbortController().signal;
const allDates = { from: undefined, before: undefined };

interface Scene {
  readonly environment: Environment;
  readonly receiver: OtlpReceiver;
  /** The ids of the events that the collector has accepted, in order. */
  arrived(): readonly (string | undefined)[];
}

async function scene(more: Environment = {}): Promise<Scene> {
  const receiver = await receiverForTest();
  const environment = {
    ...workspace.environment,
    DATABRICKS_AUDIT_SOURCE: 'databricks://',
    DATABRICKS_AUDIT_STATE: temporaryDirectory(),
    DATABRICKS_AUDIT_LOOKBACK: '36500d',
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    ...more,
  };
  const arrived = () => receiver.accepted.map(({ body = '' }) => /"event_id":"([^"]+)"/.exec(body)?.[1]);
  return { environment, receiver, arrived };
}

describe('check', () => {
  const results = async (environment: Environment) => {
    for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
    onTestFinished(() => void vi.unstubAllEnvs());
    const clock = { ...systemClock, nowMs: () => Date.parse('2026-12-01T10:00:00Z') };
    const checked = await allOf(runChecks(loadConfiguration(environment), new AbortController().signal, { clock }));
    return checked.filter(({ message }) => !/^(mapping|state)|OTLP|the collector/.test(message));
  };

  test('tries every step to the table', async () => {
    const { environment } = await scene();
    await workspace.insert(auditRows(5));
    expect((await results(environment)).map(({ status, message }) => `${status} ${message}`)).toEqual([
      expect.stringMatching(/^ok databricks:.* can be listed$/),
      expect.stringMatching(/^ok databricks:.*hour=08 can be read$/),
      // The clock of this test is not that of the workspace.
      expect.stringMatching(/^warning the clock of this machine is/),
      `ok logged in to ${workspace.origin} as a service principal`,
      'ok SQL warehouse abcdef0123456789 executes statements',
      'ok system.access.audit has 5 rows of yesterday, 2026-11-30',
    ]);
  });

  test('does not count rows without a time as rows of yesterday', async () => {
    const { environment } = await scene();
    await workspace.insert([...auditRows(5), { event_id: 'no-time' }]);
    expect((await results(environment)).at(-1)).toMatchObject({
      status: 'ok',
      message: 'system.access.audit has 5 rows of yesterday, 2026-11-30',
    });
    await workspace.sql('DELETE FROM lake.access.audit WHERE event_time IS NOT NULL');
    expect((await results(environment)).at(-1)).toMatchObject({
      status: 'warning',
      message: 'system.access.audit has 0 rows of yesterday, 2026-11-30',
    });
  });

  test('names the step that fails, and those before it that work', async () => {
    const { environment } = await scene();
    workspace.settings.canRead = false;
    expect(await results(environment)).toMatchObject([
      {
        status: 'failed',
        message: expect.stringContaining('INSUFFICIENT_PERMISSIONS'),
        hint: expect.stringContaining('SELECT on'),
      },
      { status: 'ok' },
      { status: 'ok', message: 'SQL warehouse abcdef0123456789 executes statements' },
    ]);
    workspace.settings.clientSecret = 'renewed';
    expect(await results(environment)).toMatchObject([
      { status: 'failed', message: expect.stringContaining('Could not log in') },
    ]);
  });
});

test('preview shows the rows of a table, each event once', async () => {
  const { environment } = await scene();
  await workspace.insert([...auditRows(2), auditRow(1)]);
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
  onTestFinished(() => void vi.unstubAllEnvs());
  const lines = await allOf(previewLines(loadConfiguration(environment), undefined, new AbortController().signal));
  expect(lines).toHaveLength(2);
  expect(lines[1]).toContain('event-000001');
});

async function allOf<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}
