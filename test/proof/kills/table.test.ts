/**
 * Guarantees 1 and 3 for the system table: a real process that ships it is killed at each step. On copies of the state that it left,
 * everything that can happen to the rows happens, and another agent continues. What arrived is compared with the table; nothing else is
 * trusted.
 */
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { LocalStep } from '../../../src/contracts/step.ts';
import { shipHere } from '../../support/agent-here.ts';
import { startAgent } from '../../support/agent-process.ts';
import { auditRow, type DatabricksWorkspace, startWorkspace } from '../../support/databricks-workspace.ts';
import { type Arrivals, expectRepeatsAreEqual, repeatedUids } from '../../support/deliveries.ts';
import { receiverForTest, smallBatches } from '../../support/delivery-place.ts';
import { type History, type KillPoint, type KillPointFacts, killPoints, moments } from '../../support/kill-table.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const killAtStep = new URL('../../support/kill-at-step.ts', import.meta.url).href;

let workspace: DatabricksWorkspace;
beforeAll(async () => {
  workspace = await startWorkspace();
});
afterAll(() => workspace.stop());
beforeEach(() => workspace.reset());

/** Six rows were shipped before, in the middle of their hour. Then nine come. */
const shippedBefore = Array.from({ length: 6 }, (_, index) => auditRow(1000 + 100 * index));
type TableHistory = Extract<History, 'extended' | 'rewritten'>;
const newRows = {
  extended: Array.from({ length: 9 }, (_, index) => auditRow(2000 + 100 * index)),
  // Late: before, between and after those that were shipped.
  rewritten: Array.from({ length: 9 }, (_, index) => auditRow(850 + 100 * index)),
};

/** What can happen to the table while no agent runs. */
const fates: Readonly<Record<string, () => Promise<unknown>>> = {
  'left alone': async () => {},
  'given more rows, late ones too': () => workspace.insert([auditRow(900), auditRow(1250), auditRow(3500)]),
  'given copies of its rows': () => workspace.insert([...shippedBefore.slice(2), auditRow(3500)]),
  'changed in other columns': () => workspace.sql("UPDATE lake.access.audit SET user_agent = 'filled in later'"),
};

interface Row {
  readonly step: LocalStep;
  readonly passing: number;
  readonly facts: KillPointFacts;
  readonly history: TableHistory;
  /** Worker threads of the killed process. */
  readonly workers: 1 | 2;
}

describe('a process that ships the table and is killed', () => {
  it.each(rows())(
    'at "$step" ($passing; $history, workers: $workers) loses no event, and repeats only what was in flight',
    async ({ step, passing, facts, history, workers }) => {
      const receiver = await receiverForTest();
      const stateDirectory = temporaryDirectory();
      const environment = {
        ...workspace.environment,
        DATABRICKS_AUDIT_SOURCE: 'databricks://',
        DATABRICKS_AUDIT_STATE: stateDirectory,
        DATABRICKS_AUDIT_LOOKBACK: '36500d',
        DATABRICKS_AUDIT_BATCH_RECORDS: String(smallBatches.records),
        DATABRICKS_AUDIT_MAX_IN_FLIGHT: '1',
        OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      };
      const rowsBefore = [...shippedBefore, ...newRows[history]];
      await workspace.insert(shippedBefore);
      await shipHere(environment);
      await workspace.insert(newRows[history]);
      const at = { KILL_AT_STEP: step, KILL_AT_PASSING: String(passing), DATABRICKS_AUDIT_WORKERS: String(workers) };
      const killed = await startAgent(['ship'], { ...environment, ...at }, { preload: killAtStep }).exit;
      expect(killed.code, `"${step}" was reached and the process killed there\n${killed.stderr}`).toBeNull();
      const before: Arrivals = { accepted: [...receiver.accepted], requests: [...receiver.requests] };
      const leftBehind = join(temporaryDirectory(), 'state');
      cpSync(stateDirectory, leftBehind, { recursive: true });

      for (const [fate, happen] of Object.entries(fates)) {
        rmSync(stateDirectory, { recursive: true });
        cpSync(leftBehind, stateDirectory, { recursive: true });
        await workspace.reset();
        await workspace.insert(rowsBefore);
        await happen();
        const { length: acceptedBefore } = receiver.accepted;
        const { length: requestsBefore } = receiver.requests;
        await shipHere(environment);
        const all: Arrivals = {
          accepted: [...before.accepted, ...receiver.accepted.slice(acceptedBefore)],
          requests: [...before.requests, ...receiver.requests.slice(requestsBefore)],
        };
        const ids = await workspace.sql('SELECT DISTINCT event_id FROM lake.access.audit ORDER BY 1');
        const arrived = new Set(all.accepted.map(({ uid }) => uid));
        expect([...arrived].sort(), `arrived when the table was ${fate}`).toEqual(ids.flat());
        expect(repeatedUids(all).length, `sent again when the table was ${fate}`).toBeLessThanOrEqual(
          facts.sentAgainMax,
        );
        // A row that has changed since cannot be sent as it was.
        if (fate !== 'changed in other columns') expectRepeatsAreEqual(all);
      }
    },
    120_000,
  );
});

/**
 * Each step at its middle batch, with each history, and once in a worker. Steps of the exporter alone and of notifications are in the
 * kill table.
 */
function rows(): Row[] {
  return killPoints.flatMap(([point, facts]) => {
    if (!isStep(point) || facts.refusing === true || facts.queue === true) return [];
    const histories = facts.histories.filter((history) => history === 'extended' || history === 'rewritten');
    const passing = facts.passings[Math.floor(facts.passings.length / 2)] ?? 1;
    return histories.flatMap((history, index) =>
      (index === 0 ? ([1, 2] as const) : ([1] as const)).map(
        (workers): Row => ({ step: point, passing, facts, history, workers }),
      ),
    );
  });
}

function isStep(point: KillPoint): point is LocalStep {
  return !moments.some((moment) => moment === point);
}
