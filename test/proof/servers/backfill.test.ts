/**
 * The first start of an agent that finds thirty days in the bucket, with several overlapping files per day of two workspaces, while
 * new events arrive. Loki rejects old entries, both by age and relative to the newest entry of the stream.
 */
import { expect, it } from 'vitest';
import type { Environment } from '../../support/agent-process.ts';
import { auditLines, type DeliveryPlace, deliveryKey, directoryPlace } from '../../support/delivery-place.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { runBuiltAgent, startBuiltAgent } from './built-agent.ts';
import { type Loki, recommendedAfterwards, recommendedLimits, startLoki } from './loki.ts';

const workspaces = ['1234567890123456', '2345678901234567'];
const dayMs = 86_400_000;
const todayMs = Math.floor(Date.now() / dayMs) * dayMs;
const lastMonth = { from: new Date(todayMs - 40 * dayMs), to: new Date(todayMs + 2 * dayMs) };

it('with the recommended settings of Loki, every line of a month is found, once', async () => {
  const loki = await startLoki(recommendedLimits);
  const { place, environment } = scene(loki);
  const old = await deliverMonth(place, 20);
  const agent = startBuiltAgent(['run'], environment);
  await agent.until('the backfill is running', async () => (await storedLines(loki)).length > 0, 60_000);
  const live = await deliverLive(place);
  const wanted = [...old, ...live].toSorted();
  await expect
    .poll(async () => (await storedLines(loki)).length, { timeout: 200_000, interval: 1_000 })
    .toBe(wanted.length);
  expect((await agent.stop()).code).toBe(0);
  expect(await storedLines(loki)).toEqual(wanted);
});

it("with Loki's defaults, the newest lines are found, the log names the settings, and replay adds the rest", async () => {
  const loki = await startLoki();
  const { place, environment } = scene(loki);
  const old = await deliverMonth(place, 3);
  const live = await deliverLive(place);
  const { code, log, stderr } = await runBuiltAgent(['ship'], environment);
  expect(code, stderr).toBe(1);
  const hints = log.flatMap(({ hint }) => hint ?? []);
  expect(hints).toContainEqual(expect.stringContaining('reject_old_samples: false'));
  expect(hints).toContainEqual(expect.stringContaining('time_sharding_enabled: true'));
  const stored = await storedLines(loki);
  expect(stored).toEqual(expect.arrayContaining(live));
  expect(stored.length).toBeLessThan(old.length);

  await loki.restartWith(recommendedAfterwards.limits, recommendedAfterwards.ingester);
  const replayed = await runBuiltAgent(['replay'], environment);
  expect(replayed.code, replayed.stderr).toBe(0);
  expect(await storedLines(loki)).toEqual([...old, ...live].toSorted());
});

function scene(loki: Loki): { readonly place: DeliveryPlace; readonly environment: Environment } {
  const place = directoryPlace();
  const environment = {
    DATABRICKS_AUDIT_SOURCE: place.source,
    DATABRICKS_AUDIT_STATE: temporaryDirectory(),
    DATABRICKS_AUDIT_MAPPING: 'databricks-audit,loki',
    OTEL_EXPORTER_OTLP_ENDPOINT: loki.otlpUrl,
  };
  return { place, environment };
}

/** Three files per day: the first two thirds of it, the last two thirds, and all of it. */
async function deliverMonth(place: DeliveryPlace, linesPerFile: number): Promise<string[]> {
  const delivered: string[] = [];
  for (const workspaceId of workspaces) {
    for (let daysAgo = 30; daysAgo > 0; daysAgo--) {
      const startMs = todayMs - daysAgo * dayMs;
      const spans = { early: [0, 2 / 3], late: [1 / 3, 1], whole: [0, 1] } as const;
      for (const [name, [from, to]] of Object.entries(spans)) {
        const stepMs = ((to - from) * dayMs) / linesPerFile;
        const lines = Array.from({ length: linesPerFile }, (_, index) =>
          lineAt(workspaceId, Math.round(startMs + from * dayMs + index * stepMs), name),
        );
        await place.deliver(deliveryKey(workspaceId, `auditlogs_${name}.json`, dateOf(startMs)), lines);
        delivered.push(...lines);
      }
    }
  }
  return delivered;
}

/** The file of today grows with each overwrite. */
async function deliverLive(place: DeliveryPlace): Promise<string[]> {
  const lines = new Map(workspaces.map((workspaceId) => [workspaceId, [] as string[]]));
  for (let overwrite = 0; overwrite < 5; overwrite++) {
    for (const [workspaceId, content] of lines) {
      content.push(lineAt(workspaceId, Date.now(), `live ${overwrite}`));
      await place.deliver(deliveryKey(workspaceId, 'auditlogs_live.json', dateOf(Date.now())), content);
    }
  }
  return [...lines.values()].flat();
}

function lineAt(workspaceId: string, timestamp: number, name: string): string {
  return auditLines(1, 0, { workspaceId, timestamp, requestId: `${name} ${workspaceId} ${timestamp}` }).join();
}

function dateOf(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 10);
}

async function storedLines(loki: Loki): Promise<string[]> {
  return (await loki.query('{service_name="databricks"}', lastMonth)).map(({ line }) => line).toSorted();
}
