/**
 * Names and records with terminal escape sequences, through every command.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { AgentError } from '../../../src/model/agent-error.ts';
import { createLogger } from '../../../src/runtime/logger.ts';
import { printable, printableAsLine, printableJson, printableLines } from '../../../src/runtime/printable.ts';
import { type Exit, runAgent } from '../../support/agent-process.ts';
import { auditLines } from '../../support/delivery-place.ts';
import { answers, startOtlpReceiver } from '../../support/otlp-receiver.ts';
import { startS3Server } from '../../support/s3-server.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const terminalScript = fileURLToPath(new URL('terminal-cli.ts', import.meta.url));

/** Clears the screen, sets the title, makes a link, the same with C1 control characters, reverses text direction, hides text. */
const hostile = '\x1b[2J\x1b]0;owned\x07\x1b]8;;http:x\x07\x9b2J\x9d0;owned\x9c\u202egnp\u2066\u200b\x7f\x08';
/** The agent's own output: colours, and the cursor movements of the progress bar. */
const ownSequences = /\p{Cc}\[(?:[\d;]*m|\?\d+[hl]|\d*[GAB]|0?[JK])|[\r\n]/gu;
const unsafe = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
const hostileFile = `auditlogs_${hostile}.json`;
const hostileRecord = {
  actionName: hostile,
  userIdentity: { email: hostile },
  requestParams: { [hostile]: [hostile] },
};

describe.each([
  ['a terminal', terminalScript],
  ['a pipe', undefined],
])('on %s, names and records are escaped', (_place, script) => {
  it('in the output of `ship` and then `status`', async () => {
    const { root, environment } = await scene();
    const ship = await runAgent(['ship', root], environment, { script });
    expect(ship.code).toBe(1);
    expect(ship.stderr).toContain('not read completely');
    expectNothingRaw(ship);
    for (const command of [['status'], ['status', '--json']]) {
      const status = await runAgent(command, environment, { script });
      expect(status).toMatchObject({ code: 0, stdout: expect.stringMatching(/\\u\{?0*1b/) });
      expectNothingRaw(status);
    }
  });

  it('in the output of `preview`', async () => {
    const { root, environment } = await scene();
    const preview = await runAgent(['preview', root], environment, { script });
    expect(preview.stdout).toMatch(/\\u\{?0*1b/);
    expectNothingRaw(preview);
  });

  it('in the output of `reconcile`', async () => {
    const { root, environment } = await scene();
    await runAgent(['ship', root], environment);
    write(join(root, `workspaceId=2${hostile.replaceAll('/', '')}`, 'date=2026-01-31', hostileFile), `${hostile}\n`);
    const source = { ...environment, DATABRICKS_AUDIT_SOURCE: root };
    for (const command of [['reconcile'], ['reconcile', '--json']]) {
      const reconcile = await runAgent(command, source, { script });
      expect(reconcile).toMatchObject({ code: 1, stdout: expect.stringMatching(/\\u\{?0*1b/) });
      expectNothingRaw(reconcile);
    }
  });

  it('in the output of `replay`, with a rejection message that is just as hostile', async () => {
    const { root, environment, receiver } = await scene();
    receiver.answerWhen(({ records }) => records.length > 0, answers.status(400, hostile));
    await runAgent(['ship', root], environment);
    for (const command of [['replay', '--dry-run'], ['status']]) {
      const report = await runAgent(command, environment, { script });
      expect(report.stdout).toMatch(/\\u\{?0*1b/);
      expectNothingRaw(report);
    }
    for (const command of [['replay', '--json'], ['replay']]) {
      const replay = await runAgent(command, environment, { script });
      expect(replay.code).toBe(1);
      expectNothingRaw(replay);
    }
  });

  it('in the output of `mapping test`', async () => {
    const { root, environment } = await scene();
    const sample = join(root, hostileFile);
    write(sample, `${auditLines(1, 0, { ...hostileRecord, [`field${hostile}`]: hostile }).join('')}\n`);
    for (const command of [
      ['mapping', 'test', sample],
      ['mapping', 'test', '--json', sample],
    ]) {
      const mapping = await runAgent(command, environment, { script });
      expect(mapping.stdout).toContain('userIdentity.email');
      expectNothingRaw(mapping);
    }
  });

  it('in the output of `check`', async () => {
    const { root, environment } = await scene();
    expectNothingRaw(await runAgent(['check'], { ...environment, DATABRICKS_AUDIT_SOURCE: root }, { script }));
  });

  it('in the output of `ship` and `check` for S3 keys', async () => {
    const { environment } = await scene();
    const server = await startS3Server();
    onTestFinished(server.stop);
    await server.createBucket('audit');
    // Without characters that an XML listing cannot carry: names.test.ts covers those.
    const key = `workspaceId=\x9b2J\u202e/date=2026-01-31/auditlogs_\x9d0;\u2066.json.gz`;
    await server.put('audit', key, gzipSync('{}').subarray(0, 15));
    const s3 = { ...environment, ...server.environment, DATABRICKS_AUDIT_SOURCE: 's3://audit' };
    const ship = await runAgent(['ship'], s3, { script });
    expect(ship.stderr).toContain('not read completely');
    expectNothingRaw(ship);
    const check = await runAgent(['check'], s3, { script });
    expect(check.stdout).toContain('auditlogs_');
    expectNothingRaw(check);
    expectNothingRaw(await runAgent(['status'], s3, { script }));
  });

  it('in records on standard output', async () => {
    const { root, environment } = await scene();
    const ship = await runAgent(['ship', root], { ...environment, OTEL_LOGS_EXPORTER: 'console' }, { script });
    expect(ship.stdout).toContain('"body"');
    expectNothingRaw(ship);
  });

  it('in errors about an invalid setting or mapping file', async () => {
    const { environment, root } = await scene();
    const wrong = {
      ...environment,
      DATABRICKS_AUDIT_SOURCE: `s3://${hostile.replaceAll('\0', '')}`,
      OTEL_LOG_LEVEL: hostile,
    };
    const settings = await runAgent(['run'], wrong, { script });
    expect(settings.code).toBe(2);
    expectNothingRaw(settings);
    const layer = join(root, `${hostileFile}.yaml`);
    writeFileSync(
      layer,
      `version: [${hostile}]\n${hostile}: 1\nattributes: {"${hostile}": {from: "${hostile}", as: x}}\n`,
    );
    const mapping = await runAgent(['preview', root], { ...environment, DATABRICKS_AUDIT_MAPPING: layer }, { script });
    expect(mapping.code).toBe(2);
    expectNothingRaw(mapping);
  });
});

describe('the log', () => {
  it.each([true, false])('escapes untrusted text (on a terminal: %s)', (isTTY) => {
    const { log, text } = memoryLog(isTTY);
    const nested = new Error(`bug${hostile}\n[12:00:00] ERROR: made up`);
    log.warn(
      {
        object: hostile,
        list: [hostile],
        nested: { name: hostile },
        err: new AgentError('ERR_SOURCE_READ', hostile, { hint: hostile, cause: nested }),
      },
      'A message',
    );
    expect(text()).toContain('u{1b}');
    expect(rawText(text())).toBeUndefined();
    expect(text()).not.toMatch(/^\[12:00:00\]/m);
  });
});

describe('untrusted text', () => {
  it('is shown with unsafe characters as escapes', () => {
    expect(printable('a\x1b[2J\u202e\ud800\n')).toBe('a\\u{1b}[2J\\u{202e}\\u{d800}\\u{a}');
    expect(printable('é€😀 ok')).toBe('é€😀 ok');
    expect(printable('x'.repeat(400))).toHaveLength(303);
    expect(printableLines('one\x07\ntwo')).toBe('one\\u{7}\ntwo');
    expect(printableAsLine('one\x07\r\n\n  two\n')).toBe('one\\u{7} two');
  });

  it('is equivalent JSON after escaping for a terminal', () => {
    const value = { [hostile]: [hostile, '\u{e0001}', 'é😀"\\'] };
    expect(rawText(printableJson(JSON.stringify(value)))).toBeUndefined();
    expect(JSON.parse(printableJson(JSON.stringify(value)))).toEqual(value);
  });
});

function expectNothingRaw({ stdout, stderr }: Exit): void {
  expect(rawText(stdout)).toBeUndefined();
  expect(rawText(stderr)).toBeUndefined();
}

/** The first unsafe character in the output, with some context. */
function rawText(output: string): string | undefined {
  const foreign = output.replaceAll(ownSequences, '');
  const at = foreign.search(unsafe);
  return at === -1 ? undefined : JSON.stringify(foreign.slice(Math.max(0, at - 100), at + 50));
}

/** A directory with hostile names at every level, including one damaged file. */
async function scene() {
  const root = temporaryDirectory();
  const receiver = await startOtlpReceiver();
  onTestFinished(() => receiver.close());
  const folder = join(root, `workspaceId=1${hostile.replaceAll('/', '')}`, 'date=2026-01-31');
  write(join(folder, hostileFile), `${auditLines(3, 0, hostileRecord).join('\n')}\n${hostile}\n`);
  write(join(folder, `${hostileFile}.gz`), gzipSync(auditLines(50).join('\n')).subarray(0, 60));
  write(join(root, `${hostile}.txt`), 'not a delivery');
  const environment = {
    DATABRICKS_AUDIT_STATE: join(temporaryDirectory(), 'state'),
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
  };
  return { root, environment, receiver };
}

function write(path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

function memoryLog(isTTY: boolean) {
  let text = '';
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString();
      done();
    },
  });
  const log = createLogger('info', Object.assign(stream, { isTTY }) as unknown as NodeJS.WriteStream);
  return { log, text: () => text };
}
