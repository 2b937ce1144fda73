/**
 * Guarantee 1 with the real process while its environment fails: a disk that is full or read-only, a state that is damaged, newer
 * or in use, and a process without file descriptors. docs/disk-and-state.md has a row for each.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { writeMeta } from '../../../src/delivery/meta.ts';
import { type AgentProcess, runAgent, startAgent } from '../../support/agent-process.ts';
import {
  bodyOf,
  expectNothingLost,
  expectRepeatsAreEqual,
  isQuiet,
  readDeadLetters,
  repeatedUids,
} from '../../support/deliveries.ts';
import { auditLines, deliveryKey, directoryScene } from '../../support/delivery-place.ts';
import { answers, type OtlpReceiver } from '../../support/otlp-receiver.ts';
import { mountReadOnly, smallDisk } from '../../support/small-disk.ts';

/** SQLite's page size. */
const pageBytes = 4096;
const more = auditLines(300, 1000);

describe('a disk', () => {
  it('that is full pauses shipping if the state is on it, and everything arrives once there is space', async (context) => {
    const disk = smallDisk(context);
    const { place, receiver, environment, lines } = await directoryScene({
      DATABRICKS_AUDIT_STATE: join(disk.path, 'state'),
      OTEL_LOG_LEVEL: 'debug',
    });
    const agent = startAgent(['run'], environment);
    // Settled and on disk, so the next write is an announcement.
    await agent.logged('Object visited');
    disk.fill();

    await place.deliver(deliveryKey('2'), more);
    const error = await agent.logged('State cannot be written; shipping pauses');
    expect(error).toMatchObject({
      level: 'error',
      err: { code: 'ERR_STATE_WRITE', hint: expect.stringMatching(/Free space .* or make it writable/) },
    });
    // What cannot be announced is not sent.
    await agent.until('no more requests are sent', () => isQuiet(receiver));
    expect(receiver.accepted).toHaveLength(lines.length);

    disk.makeRoom();
    await agent.logged('State can be written again; shipping resumes');
    await arrived(agent, receiver, lines.length + more.length);
    expectNothingLost(receiver, [...lines, ...more]);
    expect(repeatedUids(receiver)).toEqual([]);
    expect(await agent.stop()).toMatchObject({ code: 0 });
  });

  for (const { state, breakIt, repair } of [
    { state: 'is full', breakIt: 'fill', repair: 'makeRoom' },
    { state: 'is read-only', breakIt: 'makeReadOnly', repair: 'makeWritable' },
  ] as const) {
    it(`that ${state} delays rejected records if the dead letters are on it, and each is written once after that`, async (context) => {
      const disk = smallDisk(context);
      const deadLetters = join(disk.path, 'dead-letters');
      const { place, receiver, environment, lines } = await directoryScene({
        DATABRICKS_AUDIT_DEAD_LETTERS: deadLetters,
      });
      const refused = [lines[1] ?? '', lines[7] ?? ''];
      receiver.answerWhen(
        ({ records }) => records.some(({ body = '' }) => refused.includes(body)),
        answers.status(400, 'the record is invalid'),
      );
      disk[breakIt]();
      const agent = startAgent(['run'], environment);
      const error = await agent.logged('Dead letters cannot be written; shipping pauses, nothing is lost');
      expect(error).toMatchObject({
        level: 'error',
        err: {
          code: 'ERR_DEAD_LETTER_WRITE',
          hint: expect.stringContaining('Free space, or grant write access'),
        },
      });
      await place.deliver(deliveryKey('2'), more);
      disk[repair]();
      await arrived(agent, receiver, lines.length + more.length - refused.length);
      await agent.until('both are written', () => readDeadLetters(deadLetters).length === refused.length);
      expect(await agent.stop()).toMatchObject({ code: 0 });
      expect(readDeadLetters(deadLetters).map(bodyOf).sort()).toEqual(refused.sort());
      expectNothingLost(
        receiver,
        [...lines, ...more].filter((line) => !refused.includes(line)),
      );
      expect(repeatedUids(receiver)).toEqual([]);
    });
  }

  it('that is read-only at startup causes a clear error, and nothing is sent', async (context) => {
    const disk = smallDisk(context);
    disk.makeReadOnly();
    for (const directory of [disk.path, join(disk.path, 'state')]) {
      const { receiver, environment } = await directoryScene({ DATABRICKS_AUDIT_STATE: directory });
      const { code, stderr } = await runAgent(['run'], environment);
      expect(code, stderr).toBe(1);
      expect(stderr).toMatch(
        /Could not use the state directory .*ERR_STATE_WRITE.*Mount a volume with free space that this user can write/,
      );
      expect(receiver.requests).toEqual([]);
    }
  });

  it('on which only the database is read-only also causes a clear error', async (context) => {
    const { receiver, environment, stateDirectory } = await directoryScene();
    expect(await runAgent(['ship'], environment)).toMatchObject({ code: 0 });
    const { length } = receiver.requests;
    mountReadOnly(context, join(stateDirectory, 'delivery.db'));
    const { code, stderr } = await runAgent(['run'], environment);
    expect(code, stderr).toBe(1);
    expect(stderr).toMatch(/Could not open the state .*ERR_STATE_WRITE.*Mount a volume with free space/);
    expect(receiver.requests).toHaveLength(length);
  });
});

describe('a state', () => {
  it.each([
    ['is overwritten with something else', () => Buffer.from('this is no database\n'.repeat(1000))],
    ['has a hole in its middle', (database: Buffer) => database.fill(0, 2 * pageBytes)],
    // Detected only while the agent is running.
    ['has lost its table of objects', (database: Buffer) => database.fill(0, 2 * pageBytes, 3 * pageBytes)],
    ['is cut', (database: Buffer) => database.subarray(0, 10_000)],
  ])(
    'that %s is moved aside with an error in the log, and everything is sent again with the same uids',
    async (_damage, damage) => {
      const { receiver, environment, lines } = await directoryScene();
      expect(await runAgent(['ship'], environment)).toMatchObject({ code: 0 });
      const directory = environment.DATABRICKS_AUDIT_STATE ?? '';
      writeFileSync(join(directory, 'delivery.db'), damage(readFileSync(join(directory, 'delivery.db'))));
      const agent = startAgent(['run'], environment);
      const error = await agent.logged('Starting with a new state database');
      expect(error).toMatchObject({
        level: 'error',
        err: {
          code: 'ERR_STATE_DAMAGED',
          message: expect.stringMatching(/damaged and moved to .*delivery\.db\.damaged-/),
          hint: expect.stringContaining('same log.record.uid'),
        },
      });
      await arrived(agent, receiver, 2 * lines.length);
      expect(repeatedUids(receiver)).toHaveLength(lines.length);
      expectRepeatsAreEqual(receiver);
      expect(readdirSync(directory).filter((name) => name.includes('.damaged-'))).not.toEqual([]);
    },
  );

  it('belongs to one process: a second one exits with a clear error and changes nothing', async () => {
    const { receiver, environment, lines } = await directoryScene();
    const agent = startAgent(['run'], environment);
    await arrived(agent, receiver, lines.length);
    const { code, stderr } = await runAgent(['ship'], environment);
    expect(code).toBe(1);
    expect(stderr).toMatch(/Another process is using the state directory .*ERR_STATE_LOCKED.*DATABRICKS_AUDIT_STATE/);
    await agent.kill();
    // The lock ends with its process.
    expect(await runAgent(['ship'], environment)).toMatchObject({ code: 0 });
    expect(receiver.accepted).toHaveLength(lines.length);
  });

  it('of a newer agent is rejected with a hint, and not changed', async () => {
    const { receiver, environment, stateDirectory } = await directoryScene();
    expect(await runAgent(['ship'], environment)).toMatchObject({ code: 0 });
    const path = join(stateDirectory, 'delivery.db');
    const database = new DatabaseSync(path);
    writeMeta(database, 'schema_version', Buffer.from('7'));
    database.exec('PRAGMA user_version = 7');
    database.close();
    const [before, { length }] = [readFileSync(path), receiver.accepted];
    for (const command of ['run', 'ship', 'check']) {
      const { code, stdout, stderr } = await runAgent([command], environment);
      expect(code, stderr).toBe(1);
      expect(stdout + stderr).toMatch(
        /The state has schema version 7, .*Run the agent version that wrote the state, or a newer one/s,
      );
    }
    expect(readFileSync(path)).toEqual(before);
    expect(receiver.accepted).toHaveLength(length);
  });
});

describe('a process without file descriptors', () => {
  it('reports that, and continues when there are some: nothing is lost or repeated', async (context) => {
    if (!canLimitFiles()) context.skip('needs prlimit');
    const { place, receiver, environment, lines } = await directoryScene();
    const agent = startAgent(['run'], environment);
    await arrived(agent, receiver, lines.length);
    limitFiles(agent.pid, 3);
    await place.deliver(deliveryKey('2'), more);
    await place.deliver(deliveryKey(), [...lines, ...auditLines(5, 500)]);
    const isReported = () => agent.log.some(({ err }) => err?.message.includes('too many open files'));
    await agent.until('it is reported', isReported);
    expect(agent.log.find(({ err }) => err?.code === 'ERR_SOURCE_READ')).toMatchObject({
      err: { hint: expect.stringContaining('Raise the open-file limit') },
    });
    limitFiles(agent.pid, 1024);
    await arrived(agent, receiver, lines.length + more.length + 5);
    expectNothingLost(receiver, [...lines, ...auditLines(5, 500), ...more]);
    expect(repeatedUids(receiver)).toEqual([]);
    expect(await agent.stop()).toMatchObject({ code: 0 });
  });
});

function arrived(agent: AgentProcess, receiver: OtlpReceiver, count: number): Promise<void> {
  return agent.until(`${count} records arrived`, () => receiver.accepted.length >= count);
}

function canLimitFiles(): boolean {
  try {
    execFileSync('prlimit', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Open descriptors stay open, but no more can be opened above the limit. */
function limitFiles(pid: number, count: number): void {
  execFileSync('prlimit', ['--pid', String(pid), `--nofile=${count}:`]);
}
