/**
 * What the agent says of deliveries that it could not list or read, as health has it from the agent's events.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import { createAgent } from '../../src/agent/agent.ts';
import type { CommandContext } from '../../src/commands/command.ts';
import { ship } from '../../src/commands/ship.ts';
import { status } from '../../src/commands/status.ts';
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

test('a workspace that cannot be listed does not hide the silence of another', async () => {
  const place = directoryPlace();
  const lastEvent = JSON.stringify({ timestamp: Date.parse('2026-03-10T11:00:00Z'), serviceName: 'accounts' });
  for (const workspace of ['1', '2', '3'])
    await place.deliver(`workspaceId=${workspace}/date=2026-03-10/a.json`, [lastEvent]);
  const denied = new Set<string>();
  const { activity, clock, until } = await running(
    { DATABRICKS_AUDIT_SOURCE: place.source, DATABRICKS_AUDIT_SILENCE_AFTER: '24h' },
    {
      ...realFiles,
      readdir: async (path) => {
        if (denied.has(path)) throw Object.assign(new Error('permission denied'), { code: 'EACCES' });
        return await realFiles.readdir(path);
      },
    },
  );
  const silent = () => ['1', '2', '3'].filter((id) => activity.workspaces.get(id)?.silence !== undefined);
  await until(({ status, complete }) => status === 'idle' && complete);
  denied.add(join(place.source, 'workspaceId=1'));
  await until(({ reason }) => reason.includes('workspace 1 not listed completely'));
  await clock.advance(25 * 60 * minute);
  // Whether the first one is silent is not known.
  await until(() => silent().length > 0);
  await until(() => silent().length === 2);
  expect(silent()).toEqual(['2', '3']);
  denied.clear();
  await until(() => silent().length === 3);
});

const wholeLines = auditLines(3);
const unreadable: readonly [name: string, content: string | Uint8Array, complete: boolean, exitText: string][] = [
  ['a truncated gzip file', gzipSync(wholeLines.join('\n')).subarray(0, 100), false, 'not read completely: '],
  ['a Parquet file', Buffer.concat([Buffer.from('PAR1'), randomBytes(100), Buffer.from('PAR1')]), false, 'not read'],
  [
    'a file of Avro',
    Buffer.concat([Buffer.from('Obj\x01', 'latin1'), randomBytes(100)]),
    false,
    'not read completely: ',
  ],
  ['a bzip2 file', Buffer.concat([Buffer.from('BZh9\x31\x41\x59\x26\x53\x59', 'latin1'), randomBytes(99)]), false, ''],
  ['records of another mapping', '{"records":[{},{}]}\n{"type":"audit"}\n', true, 'no record for the mapping: '],
  ['a JSON array', JSON.stringify(wholeLines.map((line) => JSON.parse(line))), true, 'not JSON Lines: '],
];

test.each(unreadable)('%s is not forgotten by the next process, until another version is read', async (...row) => {
  const [, content, complete, exitText] = row;
  const directory = temporaryDirectory();
  const file = join(directory, day, 'a.json');
  mkdirSync(join(directory, day), { recursive: true });
  writeFileSync(file, content);
  const environment = {
    DATABRICKS_AUDIT_SOURCE: directory,
    DATABRICKS_AUDIT_STATE: temporaryDirectory(),
    DATABRICKS_AUDIT_SILENCE_AFTER: '0',
    OTEL_LOGS_EXPORTER: 'console',
  };
  for (let attempt = 1; attempt <= 2; attempt++) {
    const { exitCode, text } = await shipped(environment);
    expect([exitCode, text]).toEqual([1, expect.stringContaining(exitText)]);
    expect(text).toContain(`: file://${file}: `);
  }
  const { until, activity, close } = await running(environment);
  await until(({ reason }) => reason !== 'The first listing is in progress' && activity.unreadableObjects.size === 1);
  await until((health) => health.complete === complete, { ok: true });
  await close();
  const stdout = await statusOf(environment);
  expect(stdout).toMatch(/incomplete +unreadable/);
  expect(stdout).toContain('0 objects not shipped completely, 1 unreadable');

  writeFileSync(file, wholeLines.map((line) => `${line}\n`).join(''));
  expect((await shipped(environment)).exitCode).toBe(0);
  expect(await statusOf(environment)).toContain('0 objects not shipped completely, 0 unreadable');
});

async function shipped(environment: Environment): Promise<{ readonly exitCode: number; readonly text: string }> {
  const { context, stderr } = contextOf(environment);
  return { exitCode: await ship([], context), text: stderr() };
}

async function statusOf(environment: Environment): Promise<string> {
  const { context, stdout } = contextOf(environment);
  await status({}, context);
  return stdout();
}

function contextOf(environment: Environment) {
  const written = { stdout: '', stderr: '' };
  const stream = (name: 'stdout' | 'stderr') =>
    new Writable({
      write(chunk, _, done) {
        written[name] += String(chunk);
        done();
      },
    }) as NodeJS.WriteStream;
  const context: CommandContext = {
    environment,
    stdin: process.stdin,
    stdout: stream('stdout'),
    stderr: stream('stderr'),
    stop: new AbortController().signal,
  };
  return { context, stdout: () => written.stdout, stderr: () => written.stderr };
}

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
  let isClosed = false;
  const close = async () => {
    if (isClosed) return;
    isClosed = true;
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
  return { activity, clock, until, close };
}
