/**
 * The commands as a user sees them: what they print, where, and their exit codes.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import packageJson from '../../../package.json' with { type: 'json' };
import { runAgent, startAgent } from '../../support/agent-process.ts';
import { auditLines, deliveryKey, deliveryScene, directoryPlace, s3Place } from '../../support/delivery-place.ts';
import { answers } from '../../support/otlp-receiver.ts';
import { startS3Server } from '../../support/s3-server.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const fromRoot = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

describe('ship', () => {
  it('prints how much was read, new, accepted and already shipped, and exits with 0', async () => {
    const { environment, place } = await scene();
    const first = await runAgent(['ship'], environment);
    expect(first).toMatchObject({ code: 0, stdout: '' });
    expect(first.stderr).toMatch(/^Shipped after \d+\.\d s: 2 objects, 8 lines read$/m);
    expect(first.stderr).toMatch(/^ {2}8 new: 8 accepted, 0 dead-lettered$/m);
    expect(first.stderr).toMatch(/^ {2}0 already shipped; 0 objects unchanged$/m);
    expect(first.stderr).not.toContain('attempts');

    await place.deliver(deliveryKey('1'), auditLines(7));
    const second = await runAgent(['ship'], environment);
    expect(second.stderr).toContain(
      '1 object, 7 lines read\n  2 new: 2 accepted, 0 dead-lettered\n  5 already shipped; 1 object unchanged\n',
    );
  });

  it('uses the sources on the command line instead of those in the environment', async () => {
    const { environment, place, receiver } = await scene();
    const { DATABRICKS_AUDIT_SOURCE: _, ...others } = environment;
    expect(await runAgent(['ship', place.source], { ...others, DATABRICKS_AUDIT_SOURCE: '/nowhere' })).toMatchObject({
      code: 0,
    });
    expect(receiver.accepted).toHaveLength(8);
  });

  it('exits with 1 and names the object if one is damaged, and ships what could be decoded', async () => {
    const { environment, receiver, root } = await scene();
    const key = deliveryKey('3', 'auditlogs_3.json.gz');
    const whole = gzipSync(`${auditLines(2000, 300).join('\n')}\n`);
    write(join(root, key), whole.subarray(0, whole.length / 2));
    const { code, stderr } = await runAgent(['ship'], environment);
    expect(code).toBe(1);
    expect(stderr).toMatch(new RegExp(`^  not read completely: file://.*${key}: .*`, 'm'));
    expect(receiver.accepted.length).toBeGreaterThan(8 + 500);
  });

  it('says that its counts are of several attempts, if something could not be read', async () => {
    const s3 = await startS3Server();
    onTestFinished(() => s3.stop());
    const place = await s3Place(s3);
    const { environment } = await deliveryScene(place);
    for (const name of ['1', '2', '3']) await place.deliver(deliveryKey('1', `auditlogs_${name}.json`), auditLines(1));
    s3.fail({ operation: 'GetObject', path: /auditlogs_3/ }, { status: 403, code: 'AccessDenied' });
    const { code, stderr } = await runAgent(['ship'], environment);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /; 4 objects unchanged\n {2}something failed, so there were 3 attempts; read, already shipped and unchanged count each of them$/m,
    );
  });

  it('exits with 1 if a source does not exist, and names the variable to check', async () => {
    const { environment } = await scene();
    const { code, log, stderr } = await runAgent(['ship', '/no/such/place'], environment);
    expect(code).toBe(1);
    expect(log[0]?.err).toMatchObject({
      message: 'There is no file or directory at /no/such/place',
      hint: expect.stringContaining('DATABRICKS_AUDIT_SOURCE'),
    });
    expect(stderr).toContain('some listings failed; see the log');
  });

  it('writes records to standard output and everything else to standard error with OTEL_LOGS_EXPORTER=console', async () => {
    const { environment } = await scene();
    const { code, stdout } = await runAgent(['ship'], { ...environment, OTEL_LOGS_EXPORTER: 'console' });
    expect(code).toBe(0);
    expect(recordBodies(stdout)).toHaveLength(8);
  });
});

describe('a configuration with mistakes', () => {
  it('is rejected with all problems at once and masked secrets, before anything is read or sent: exit code 2', async () => {
    const { environment, receiver } = await scene();
    const { code, stdout, stderr, log } = await runAgent(['run'], {
      ...environment,
      DATABRICKS_AUDIT_SOURCE: 'hdfs://bucket',
      DATABRICKS_AUDIT_POLL_INTERVAL: '5',
      DATABRICKS_AUDIT_START: 'yesterday',
      DATABRICKS_AUDIT_BATCH_RECORDS: '0',
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization Bearer s3cr3t',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://user:hunter2@collector:4318',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'thrift',
    });
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(
      String(log[0]?.err?.message)
        .split('\n')
        .map((line) => line.split(':')[0]),
    ).toEqual([
      'DATABRICKS_AUDIT_SOURCE',
      'DATABRICKS_AUDIT_POLL_INTERVAL',
      'DATABRICKS_AUDIT_START',
      'DATABRICKS_AUDIT_BATCH_RECORDS',
      'OTEL_EXPORTER_OTLP_ENDPOINT',
      'OTEL_EXPORTER_OTLP_HEADERS',
      'OTEL_EXPORTER_OTLP_PROTOCOL',
    ]);
    expect(log).toMatchObject([{ level: 'error', err: { code: 'ERR_CONFIGURATION' } }]);
    expect(log[0]?.err?.message).toContain('expected a whole number from 1 to 100000, got "0"');
    expect(stderr).not.toMatch(/s3cr3t|hunter2/);
    expect(receiver.requests).toHaveLength(0);
  });

  it('is rejected if the mapping file has mistakes: exit code 2, with file, line and column', async () => {
    const { environment, root } = await scene();
    const path = join(root, '.ours.yaml');
    writeFileSync(path, 'attributes:\n  - nonsense: [\n');
    const { code, log } = await runAgent(['run'], {
      ...environment,
      DATABRICKS_AUDIT_MAPPING: `databricks-audit,${path}`,
    });
    expect(code).toBe(2);
    expect(log).toMatchObject([
      { level: 'error', err: { code: 'ERR_MAPPING_FILE', message: expect.stringMatching(/\.ours\.yaml:\d+:\d+/) } },
    ]);
  });

  it('and every other command refuse a misspelled variable with exit code 2 and a suggestion', async () => {
    const { environment } = await scene();
    const commands = ['run', 'ship', 'check', 'status', 'reconcile', 'replay', 'preview -', 'mapping show'];
    const misspelled = { ...environment, DATABRICKS_AUDIT_REDCAT: 'none' };
    const exits = await Promise.all(commands.map((command) => runAgent(command.split(' '), misspelled)));
    for (const { code, stdout, stderr } of exits) {
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toContain(
        'DATABRICKS_AUDIT_REDCAT: expected a known variable; did you mean DATABRICKS_AUDIT_REDACT?',
      );
    }
  });

  it('never shows the query of an endpoint', async () => {
    const { environment, receiver } = await scene();
    const agent = startAgent(['run'], {
      ...environment,
      OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: `${receiver.url}/v1/logs?token=s3cr3t`,
    });
    expect(await agent.logged('Agent started')).toMatchObject({ url: `${receiver.url}/v1/logs` });
    await agent.stop();
    expect(agent.stderr).not.toContain('s3cr3t');
  });
});

describe('preview', () => {
  const sample = fromRoot(
    'examples/sample-delivery/delivered/workspaceId=1234567890123456/date=2026-01-30/auditlogs_a41f.json',
  );
  const sampleLines = readFileSync(sample, 'utf8').trimEnd().split('\n');

  it('prints the records of a file as OTLP/JSON lines if its output is piped', async () => {
    const { code, stdout, stderr } = await runAgent(['preview', sample], { DATABRICKS_AUDIT_REDACT: 'none' });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(recordBodies(stdout)).toEqual(sampleLines);
  });

  it('reads standard input, compressed or not', async () => {
    for (const stdin of [readFileSync(sample), gzipSync(readFileSync(sample))]) {
      const { code, stdout } = await runAgent(['preview', '-'], {}, { stdin });
      expect(code).toBe(0);
      expect(recordBodies(stdout)).toHaveLength(sampleLines.length);
    }
  });

  it('reports a file that does not exist', async () => {
    const { code, stdout, stderr } = await runAgent(['preview', '/no/such/file.json'], {});
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^ERR_SOURCE_NOT_FOUND: There is no file or directory at \/no\/such\/file\.json\n/);
  });
});

describe('check', () => {
  it('passes if everything is in order', async () => {
    const { environment, receiver, place } = await scene();
    const { code, stdout, stderr } = await runAgent(['check'], environment);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.split('\n')).toEqual([
      'ok      configuration is valid',
      'ok      mapping databricks-audit is complete',
      expect.stringMatching(/^ok {6}state directory .* is writable$/),
      `ok      ${place.source} can be listed`,
      expect.stringMatching(/^ok {6}file:\/\/.*auditlogs_1.json can be read$/),
      `ok      ${receiver.url}/v1/logs accepts OTLP logs`,
      '',
    ]);
    expect(receiver.accepted).toHaveLength(0);
  });

  it('names the missing IAM action', async () => {
    const s3 = await startS3Server();
    onTestFinished(() => s3.stop());
    const place = await s3Place(s3);
    await place.deliver(deliveryKey(), auditLines(1));
    const { environment } = await scene();
    const withBucket = { ...environment, ...place.environment, DATABRICKS_AUDIT_SOURCE: place.source };
    s3.fail({ operation: 'GetObject' }, { status: 403, code: 'AccessDenied' });
    const reading = await runAgent(['check'], withBucket);
    expect(reading.code).toBe(1);
    expect(reading.stdout).toMatch(
      /^FAILED {2}Could not read s3:.*: access denied \(s3:GetObject\)\n {8}Allow s3:GetObject /m,
    );
    expect(reading.stdout).toMatch(/^ok {6}.*accepts OTLP logs$/m);
    s3.fail({ operation: 'ListObjectsV2' }, { status: 403, code: 'AccessDenied' });
    const listing = await runAgent(['check'], withBucket);
    expect(listing.stdout).toMatch(
      /^FAILED {2}Could not list s3:.*: access denied \(s3:ListBucket\)\n {8}Allow s3:ListBucket /m,
    );
  });

  it.each([
    [
      'rejects the credentials',
      answers.plain(401, 'no token'),
      /HTTP 401: no token\n {8}Check OTEL_EXPORTER_OTLP_HEADERS/,
    ],
    ['has another path', answers.plain(404, 'not found'), /HTTP 404.*\n {8}A Collector accepts logs at \/v1\/logs/],
    ['closes the connection', answers.cut(), /could not be reached.*\n {8}Check that the collector is running/],
  ])('fails with a hint if the collector %s', async (_fault, answer, words) => {
    const { environment, receiver } = await scene();
    receiver.answerWhen(() => true, answer);
    const { code, stdout } = await runAgent(['check'], environment);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^FAILED /m);
    expect(stdout).toMatch(words);
  });

  it('does not create a state', async () => {
    const { environment, root } = await scene();
    const state = join(root, 'no', 'state');
    const { code, stdout } = await runAgent(['check'], { ...environment, DATABRICKS_AUDIT_STATE: state });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ok {6}state directory .* does not exist yet and can be created$/m);
    expect(existsSync(join(root, 'no'))).toBe(false);
  });

  it('reports a state that was damaged, and a running agent', async () => {
    const { environment } = await scene();
    writeFileSync(join(environment.DATABRICKS_AUDIT_STATE ?? '', 'delivery.db'), 'this is no database\n'.repeat(500));
    const damaged = await runAgent(['check'], environment);
    expect(damaged.stdout).toMatch(/^warning The state database .* is damaged: /m);
    expect(readdirSync(environment.DATABRICKS_AUDIT_STATE ?? '').join()).not.toContain('damaged');
    const agent = startAgent(['run'], environment);
    await agent.until('it holds the lock', () => agent.log.length > 0);
    await agent.logged('Agent started');
    await agent.until('check sees the lock', async () => {
      const { code, stdout } = await runAgent(['check'], environment);
      return code === 0 && /^warning Another process is using the state directory/m.test(stdout);
    });
  });
});

describe('status', () => {
  it('prints a row for each workspace and date, also while an agent runs', async () => {
    const { environment, receiver } = await scene();
    const agent = startAgent(['run'], environment);
    await agent.until('all lines arrived', () => receiver.accepted.length === 8);
    await agent.until('everything is settled', async () =>
      (await runAgent(['status'], environment)).stdout.includes('8 lines accepted'),
    );
    const { code, stdout } = await runAgent(['status'], environment);
    expect(code).toBe(0);
    expect(stdout.split('\n').slice(0, 4)).toEqual([
      'workspace  date        objects  incomplete  unreadable  accepted  dead-lettered  unparsed',
      '        1  2026-01-31        1           0           0         5              0         0',
      '        2  2026-01-31        1           0           0         3              0         0',
      '',
    ]);
    expect(stdout).toContain('8 lines accepted, 0 dead-lettered, 0 batches in flight or to be resent');
    expect(stdout).toMatch(/^workspace {2}last event +newest object$/m);
    expect(stdout).toMatch(
      /^ +2 {2}2026-01-31T00:00:00\.202Z {2}\d+ (d|h|min|s) ago {2}2026-01-31T02:00:00\.000Z {2}\d+ (d|h|min|s) ago$/m,
    );
    expect(await agent.stop()).toMatchObject({ code: 0 });
  });

  it('prints one object with --json', async () => {
    const { environment } = await scene();
    await runAgent(['ship'], environment);
    const beforeMs = Date.now();
    const { stdout } = await runAgent(['status', '--json'], environment);
    const { workspaces } = JSON.parse(stdout);
    for (const { lastEventMs, lastEventAgeMs, newestObjectMs, newestObjectAgeMs } of workspaces) {
      const atMs = lastEventMs + lastEventAgeMs;
      expect(atMs).toBeGreaterThanOrEqual(beforeMs);
      expect(atMs).toBeLessThanOrEqual(Date.now());
      expect(newestObjectMs + newestObjectAgeMs).toBe(atMs);
    }
    expect(JSON.parse(stdout)).toMatchObject({
      announcedBatchCount: 0,
      announcedLineCount: 0,
      deadLetters: [],
      workspaces: [
        { workspaceId: '1', lastEventMs: 1_769_817_600_004, newestObjectMs: Date.parse('2026-01-31T01:00:00Z') },
        { workspaceId: '2', lastEventMs: 1_769_817_600_202, newestObjectMs: Date.parse('2026-01-31T02:00:00Z') },
      ],
      partitions: [
        {
          workspaceId: '1',
          date: '2026-01-31',
          objectCount: 1,
          openObjectCount: 0,
          acceptedCount: 5,
          deadLetteredCount: 0,
        },
        {
          workspaceId: '2',
          date: '2026-01-31',
          objectCount: 1,
          openObjectCount: 0,
          acceptedCount: 3,
          deadLetteredCount: 0,
        },
      ],
    });
  });

  it('exits with 1 and one sentence if there is no state, or none that can be read', async () => {
    const { environment } = await scene();
    const none = await runAgent(['status', '--json'], environment);
    expect(none).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^No state in .*: nothing has been shipped with it yet\.\n$/),
    });
    writeFileSync(join(environment.DATABRICKS_AUDIT_STATE ?? '', 'delivery.db'), 'this is no database\n'.repeat(500));
    const damaged = await runAgent(['status'], environment);
    expect(damaged).toMatchObject({ code: 1, stdout: '' });
    expect(damaged.stderr).toMatch(/^ERR_STATE_DAMAGED: The state database .* is damaged: .*\n.*\n$/);
  });
});

describe('the command line', () => {
  it.each([
    ['nonsense'],
    ['--nonsense'],
    ['run', '--nonsense'],
    ['status', 'extra'],
    ['check', '--send-record=maybe'],
    ['preview'],
    ['preview', 'one', 'two'],
    ['reconcile', '--from'],
    ['reconcile', '--from', 'yesterday'],
    ['reconcile', '--from', '2026-01-02', '--before', '2026-01-01'],
    ['replay', '--status', 'bad'],
    ['replay', '--before', '2026-02-30'],
    ['replay', '--from', '2026-01-02', '--before', '2026-01-01'],
    ['mapping'],
    ['mapping', 'nonsense'],
    ['mapping', 'test'],
  ])('ends with 2 when it is misused: %j', async (...commandLine) => {
    const { code, stdout, stderr } = await runAgent(commandLine, { DATABRICKS_AUDIT_SOURCE: temporaryDirectory() });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).not.toBe('');
  });

  it('stops at SIGHUP as at SIGTERM', async () => {
    const { environment } = await scene();
    const agent = startAgent(['run'], environment);
    await agent.logged('Agent started');
    agent.signal('SIGHUP');
    const { code, log } = await agent.exit;
    expect(code).toBe(0);
    expect(log.at(-1)?.msg).toBe('Stopped; the state has been saved');
  });

  it.each([
    [['reconcile'], 'Stopped before the end; nothing is proved.\n'],
    [['reconcile', '--json'], 'Stopped before the end; nothing is proved.\n'],
    [['preview', 's3://hanging'], 'Stopped before the end.\n'],
    [['ship'], expect.stringMatching(/^Stopped after /m)],
  ])(
    'exits with 1, and with nothing that looks like a result, if it is stopped before its end: %j',
    async (commandLine, text) => {
      const s3 = await startS3Server();
      onTestFinished(() => s3.stop());
      const place = await s3Place(s3, 'hanging');
      const { environment } = await deliveryScene(place);
      await place.deliver(deliveryKey(), auditLines(2));
      if (commandLine[0] === 'reconcile') await runAgent(['ship'], environment);
      const reading = Promise.withResolvers<void>();
      s3.before({ operation: 'GetObject' }, () => {
        reading.resolve();
        return new Promise(() => {});
      });
      const agent = startAgent(commandLine, environment);
      await reading.promise;
      expect(await agent.stop()).toMatchObject({ code: 1, stdout: '', stderr: text });
    },
  );

  it('says that there is nothing to replay where there is no state, which may be a wrong path', async () => {
    const state = join(temporaryDirectory(), 'state');
    for (const commandLine of [['replay'], ['replay', '--dry-run']]) {
      const { code, stdout, stderr } = await runAgent(commandLine, { DATABRICKS_AUDIT_STATE: state });
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toBe(`No state in ${state}, and no dead letters: check DATABRICKS_AUDIT_STATE.\n`);
    }
    expect(existsSync(state)).toBe(false);
  });

  it('does not say that there is no state where it cannot look', async () => {
    const loop = join(temporaryDirectory(), 'loop');
    symlinkSync(loop, loop);
    const { code, stderr } = await runAgent(['replay'], { DATABRICKS_AUDIT_STATE: join(loop, 'state') });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^ERR_DEAD_LETTER_READ: .*: ELOOP: /);
  });

  it('names a folder of filters that does not exist', async () => {
    const commandLine = ['detections', '--format', 'loki', '--filters', '/nonexistent'];
    const { code, stdout, stderr } = await runAgent(commandLine, {});
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('expected a folder of Sigma filters, got "/nonexistent"');
  });

  it.each([
    ['examples/sample-delivery.ts', ''],
    ['src/cli.ts', 'mapping show'],
    ['src/cli.ts', '--help'],
  ])('ends quietly when the reader of its output does: %s %s', (script, commandLine) => {
    const command = `"${process.execPath}" ${script} ${commandLine} | true; echo "\${PIPESTATUS[0]}"`;
    const { stdout, stderr } = spawnSync('bash', ['-c', command], { cwd: fromRoot(''), encoding: 'utf8' });
    expect(stdout.trim()).toBe('0');
    expect(stderr).not.toMatch(/EPIPE|Error/);
  });

  it('prints its version, and help that names every command and exit code', async () => {
    expect(await runAgent(['--version'], {})).toMatchObject({ code: 0, stdout: `${packageJson.version}\n` });
    const { code, stdout } = await runAgent(['--help'], {});
    expect(code).toBe(0);
    for (const word of ['run', 'ship', 'preview', 'check', 'status', 'DATABRICKS_AUDIT_SOURCE', 'Exit codes']) {
      expect(stdout).toContain(word);
    }
  });

  it('rejects an unknown command', async () => {
    const { code, stderr } = await runAgent(['reship'], { DATABRICKS_AUDIT_SOURCE: '.' });
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: "error: unknown command 'reship'; run with --help for a list of commands\n",
    });
  });

  it('says where check finds its sources if it is given one', async () => {
    const { code, stderr } = await runAgent(['check', 'examples/sample-delivery'], {});
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: "error: 'check' takes no sources; it checks those of DATABRICKS_AUDIT_SOURCE\n",
    });
  });
});

describe('the sample delivery of npm start', () => {
  it('ships 15 records, then the 2 that were added, then none', async () => {
    expect(packageJson.scripts.start).toBe('node examples/sample-delivery.ts');
    const { code, stdout, stderr } = await runAgent([], {}, { script: fromRoot('examples/sample-delivery.ts') });
    expect(code).toBe(0);
    expect(
      [...stderr.matchAll(/(\d+) new: (\d+) accepted, 0 dead-lettered/g)].map(([, read, sent]) => [read, sent]),
    ).toEqual([
      ['15', '15'],
      ['2', '2'],
      ['0', '0'],
    ]);
    expect(stdout.trimEnd().split('\n')).toHaveLength(17);
  });
});

/** Two workspaces with five lines and three. */
async function scene() {
  const place = directoryPlace();
  await place.deliver(deliveryKey('1'), auditLines(5));
  await place.deliver(deliveryKey('2', 'auditlogs_2.json.gz'), auditLines(3, 200));
  return { ...(await deliveryScene(place)), root: place.source };
}

function write(path: string, content: Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

function recordBodies(stdout: string): unknown[] {
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).resourceLogs[0].scopeLogs[0].logRecords[0].body.stringValue);
}
