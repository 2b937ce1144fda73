/**
 * What the agent says of deliveries that it could not list or read, as health has it from the agent's events.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createAgent } from '../../src/agent/agent.ts';
import { loadConfiguration } from '../../src/config/index.ts';
import { realFiles } from '../../src/sources/directory/delivery-files.ts';
import { Activity } from '../../src/telemetry/activity.ts';
import { type Health, readiness } from '../../src/telemetry/health.ts';
import type { Environment } from '../support/agent-process.ts';
import { auditLines, directoryPlace } from '../support/delivery-place.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const minute = 60_000;
const day = 'workspaceId=1/date=2026-03-10';

test('a file that could not be read still waits when its folder cannot be listed any more', async () => {
  const place = directoryPlace();
  await place.deliver(`${day}/a.json`, auditLines(3));
  await place.deliver('workspaceId=2/date=2026-03-10/a.json', auditLines(3));
  const denied = new Set([join(place.source, day, 'a.json')]);
  const refuse = (path: string) => {
    if (denied.has(path)) throw Object.assign(new Error(`EACCES: permission denied, ${path}`), { code: 'EACCES' });
  };
  const { activity, until } = await running(
    { DATABRICKS_AUDIT_SOURCE: place.source },
    {
      ...realFiles,
      open: async (path) => {
        refuse(path);
        return await realFiles.open(path);
      },
      readdir: async (path) => {
        refuse(path);
        return await realFiles.readdir(path);
      },
    },
  );
  await until(({ reason }) => reason.startsWith('objects: 1 listed object not shipped'));
  denied.add(join(place.source, day));
  await until(({ reason }) => reason.includes('workspace 1 not listed completely'), { ok: false, complete: false });
  expect(activity.waitingObjects.objectCount).toBe(1);
  expect(await readdir(join(place.source, day))).toEqual(['a.json']);
  denied.clear();
  await until(({ complete }) => complete, { ok: true, status: 'idle' });
  expect(activity.waitingObjects.objectCount).toBe(0);
});

/** Starts an agent whose collector accepts everything. */
async function running(environment: Environment, deliveryFiles = realFiles) {
  const clock = new ManualClock('2026-03-10T12:00:00Z');
  const configuration = loadConfiguration({
    DATABRICKS_AUDIT_STATE: temporaryDirectory(),
    DATABRICKS_AUDIT_SILENCE_AFTER: '0',
    ...environment,
  });
  const activity = new Activity(
    configuration.sources.map(({ name }) => name),
    [],
    () => clock.nowMs(),
  );
  const exporter = {
    export: async ({ recordCount }: { readonly recordCount: number }) => {
      return { acceptedCount: recordCount, deadLetteredCount: 0 };
    },
    close: async () => {},
  };
  const observer = activity.observe.bind(activity);
  const agent = await createAgent(configuration, { clock, deliveryFiles, exporter, observer });
  const stop = new AbortController();
  const ended = agent.run(stop.signal).catch(() => {});
  const close = async () => {
    stop.abort(new Error('enough'));
    await ended;
    await agent.close();
  };
  onTestFinished(close);
  /** Polls until health is as it is described. */
  const until = async (is: (health: Health) => boolean, expected: Partial<Health> = {}) => {
    const ready = () => readiness(activity, undefined, clock.nowMs());
    await expect.poll(() => clock.advance(minute).then(() => is(ready()))).toBe(true);
    expect(ready()).toMatchObject(expected);
  };
  return { activity, until, close };
}
