import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Batch } from '../../src/contracts/exporter.ts';
import type { AgentEvent } from '../../src/contracts/observer.ts';
import { createFailureReporter, createOtlpExporter, type OtlpExporter } from '../../src/export/index.ts';
import type { OtlpOptions } from '../../src/export/options.ts';
import { deadLetterDirectory } from '../../src/export/options.ts';
import type { IdentifiedLine } from '../../src/model/line.ts';
import { recordBatch } from '../../src/otlp/record-batch.ts';
import { type Answer, answers, type OtlpReceiver, startOtlpReceiver } from '../support/otlp-receiver.ts';
import { fc } from '../support/property-tests.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import {
  batchOf,
  encodeJson,
  encodeProtobuf,
  http,
  jsonOptions,
  type LeapingClock,
  type LogLine,
  leapingClock,
  lines,
  manyLines,
  never,
  optionsOf,
  receiver,
  rememberingLogger,
  textOf,
  toJsonLine,
} from './fixtures.ts';

interface Setup {
  readonly exporter: OtlpExporter;
  readonly clock: LeapingClock;
  readonly events: readonly AgentEvent[];
  readonly log: LogLine[];
  readonly deadLetters: () => DeadLetter[];
}

interface DeadLetter {
  readonly uid: string;
  readonly deadLetter: Record<string, unknown>;
}

function setUp(options: OtlpOptions): Setup {
  const directory = join(temporaryDirectory(), 'dead-letters');
  const clock = leapingClock();
  const logger = rememberingLogger();
  const events: AgentEvent[] = [];
  const observe = (event: AgentEvent) => events.push(event);
  const failures = createFailureReporter({ deadLetters: deadLetterDirectory(directory), clock, logger, observe });
  const exporter = createOtlpExporter(options, { failures, clock, observe });
  onTestFinished(() => exporter.close());
  return { exporter, clock, events, log: logger.lines, deadLetters: () => readDeadLetters(directory) };
}

function readDeadLetters(directory: string): DeadLetter[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .sort()
    .flatMap((name) => readFileSync(join(directory, name), 'utf8').split('\n').filter(Boolean))
    .map((line) => JSON.parse(line))
    .map(({ resourceLogs, deadLetter }) => ({
      uid: resourceLogs[0].scopeLogs[0].logRecords[0].attributes[0].value.stringValue,
      deadLetter,
    }));
}

/** The records of each request, in order. */
function sent(collector: OtlpReceiver): string[] {
  const withRecords = collector.requests.filter(({ records }) => records.length > 0);
  return withRecords.map(({ records }) => records.map(({ uid }) => uid).join(' '));
}

const isBad = ({ uid }: { uid: string | undefined }) => uid?.startsWith('bad') === true;

describe('while the collector does not accept records', () => {
  test.each([
    ['answers 503', answers.status(503, 'ingester down')],
    ['answers 429', answers.status(429, 'rate limited')],
    ['answers 500', answers.status(500, 'panic')],
    ['cuts the connection', answers.cut()],
    ['sends garbage', answers.raw('garbage\r\n\r\n')],
  ])('the batch waits, and is then resent byte for byte, if it %s', async (_, answer) => {
    const collector = await receiver();
    const { exporter, clock } = setUp(jsonOptions(collector.url));
    collector.answerNext(answer, answer, answer);
    const end = await exporter.export(batchOf(manyLines(3)), never);
    expect(end).toEqual({ acceptedCount: 3, deadLetteredCount: 0 });
    expect(clock.sleepsMs).toHaveLength(3);
    expect(new Set(collector.requests.map(({ body }) => body.toString('hex'))).size).toBe(1);
    expect(collector.acceptedUids()).toEqual(['line0', 'line1', 'line2']);
  });

  test('it waits longer after each attempt, up to half a minute, and never gives up', async () => {
    const collector = await receiver();
    const { exporter, clock } = setUp(jsonOptions(collector.url));
    collector.answerNext(...Array.from({ length: 200 }, () => answers.cut()));
    await exporter.export(batchOf(lines('only')), never);
    expect(clock.sleepsMs.slice(0, 7)).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
    expect(clock.sleepsMs).toHaveLength(200);
  });

  test('it asks before each attempt whether it may still send, and ends if it may not', async () => {
    const collector = await receiver();
    const { exporter } = setUp(jsonOptions(collector.url));
    collector.answerNext(answers.cut(), answers.cut(), answers.cut());
    let attempts = 0;
    const beforeAttempt = async () => {
      if (++attempts === 3) throw new Error('the claim is lost');
    };
    await expect(exporter.export(batchOf(lines('only')), never, { beforeAttempt })).rejects.toThrow(
      'the claim is lost',
    );
    expect(attempts).toBe(3);
    expect(collector.acceptedUids()).toEqual([]);
  });

  test('it waits for Retry-After when that is longer than the backoff', async () => {
    const collector = await receiver();
    const { exporter, clock } = setUp(jsonOptions(collector.url));
    collector.answerNext(
      answers.status(429, '', { 'retry-after': '90' }),
      answers.status(429, '', { 'retry-after': '1' }),
    );
    await exporter.export(batchOf(lines('only')), never);
    expect(clock.sleepsMs).toEqual([90_000, 2000]);
  });

  test('a lost response repeats the records, byte for byte, and loses none', async () => {
    const collector = await receiver();
    const { exporter } = setUp(optionsOf({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url }));
    collector.answerNext(answers.loseAnswer());
    await exporter.export(batchOf(manyLines(2), encodeProtobuf), never);
    const [first, second, ...again] = collector.accepted.map(({ bytesHash }) => bytesHash);
    expect(again).toEqual([first, second]);
  });

  test('the log has a line when the outage starts, every few minutes, and when it ends, for all batches together', async () => {
    const collector = await receiver();
    const { exporter, log, clock } = setUp(jsonOptions(collector.url));
    const backUp = collector.answerWhen(() => true, answers.cut());
    clock.onSleep = (count) => count === 60 && backUp();
    await Promise.all(['a', 'b', 'c', 'd'].map((text) => exporter.export(batchOf(lines(text)), never)));
    const levels = log.map(({ level }) => level);
    expect(levels[0]).toBe('warn');
    expect(levels.at(-1)).toBe('info');
    expect(levels.slice(1, -1).every((level) => level === 'error')).toBe(true);
    expect(log.length).toBeLessThan(12);
    expect(log[0]?.fields).toMatchObject({ err: { code: 'ERR_EXPORT_UNAVAILABLE' } });
  });

  test('a request that always fails while others succeed does not flood the log', async () => {
    const collector = await receiver();
    const { exporter, log, clock } = setUp(jsonOptions(collector.url));
    const stuck = new AbortController();
    collector.answerWhen(({ records }) => records.some(isBad), answers.status(503));
    const failing = exporter.export(batchOf(lines('bad')), stuck.signal);
    clock.onSleep = (count) => count === 100 && stuck.abort(new Error('enough'));
    const passing = Array.from({ length: 100 }, async (_, index) =>
      exporter.export(batchOf(lines(`good${index}`)), never),
    );
    await Promise.all(passing);
    await expect(failing).rejects.toThrow('enough');
    // 100 attempts take 50 minutes: one line every five minutes, and a recovery after each.
    expect(log.length).toBeLessThan(25);
  });

  test('it can be asked until it answers, without a record, as patiently as in a long outage', async () => {
    const collector = await receiver();
    const { exporter, clock, events } = setUp(jsonOptions(collector.url));
    collector.answerNext(
      answers.cut(),
      answers.status(503, 'busy', { 'retry-after': '120' }),
      answers.status(401),
      answers.status(400, 'unknown tenant'),
      answers.status(422),
    );
    await exporter.untilAnswered(clock.timeMs + 45_000, never);
    expect(clock.sleepsMs).toEqual([45_000, 30_000, 120_000, 60_000, 60_000]);
    expect(collector.requests).toHaveLength(5);
    expect(sent(collector)).toEqual([]);
    expect(events.map((event) => event.kind === 'waiting' && event.fault.code)).toEqual([
      'ERR_EXPORT_UNAVAILABLE',
      'ERR_EXPORT_UNAVAILABLE',
      'ERR_EXPORT_MISCONFIGURED',
      'ERR_EXPORT_MISCONFIGURED',
    ]);
  });

  test('reports each request to the observer, and why, since when and until when it waits', async () => {
    const collector = await receiver();
    const { exporter, clock, events } = setUp(jsonOptions(collector.url));
    const sinceMs = clock.timeMs;
    collector.answerNext(answers.status(503), answers.status(503), answers.plain(204, ''));
    await exporter.export(batchOf(lines('only')), never);
    const waiting = { kind: 'waiting', for: 'collector', fault: { code: 'ERR_EXPORT_UNAVAILABLE' }, sinceMs };
    expect(events).toMatchObject([
      { kind: 'requestEnded', outcome: 'unavailable', response: http(503), recordCount: 1 },
      { ...waiting, failedAttempts: 1, retryAtMs: sinceMs + (clock.sleepsMs[0] ?? 0) },
      { kind: 'requestEnded', outcome: 'unavailable', response: http(503), recordCount: 1 },
      { ...waiting, failedAttempts: 2 },
      { kind: 'requestEnded', outcome: 'accepted', response: http(204), recordCount: 1 },
      { kind: 'resumed', for: 'collector' },
    ]);
  });

  test('the signal ends waiting and sending at once', async () => {
    const collector = await receiver();
    const { exporter, clock } = setUp(jsonOptions(collector.url));
    const stop = new AbortController();
    collector.answerNext(answers.cut(), answers.hang());
    clock.onSleep = () => void collector.requestCount(3).then(() => stop.abort(new Error('stopping')));
    const waiting = exporter.export(batchOf(lines('a')), stop.signal);
    await collector.requestCount(1);
    const hanging = exporter.export(batchOf(lines('b')), stop.signal);
    collector.answerWhen(() => true, answers.hang());
    await expect(waiting).rejects.toThrow('stopping');
    await expect(hanging).rejects.toThrow('stopping');
    expect(collector.accepted).toEqual([]);
  });
});

describe('a wrong setting', () => {
  test.each([401, 403, 404, 405, 415])('%i drops nothing: it is logged once and retried slowly', async (status) => {
    const collector = await receiver();
    const { exporter, clock, log } = setUp(jsonOptions(collector.url));
    const heal = collector.answerWhen(() => true, answers.plain(status, 'no'));
    clock.onSleep = (count) => count === 8 && heal();
    expect(await exporter.export(batchOf(manyLines(2)), never)).toEqual({ acceptedCount: 2, deadLetteredCount: 0 });
    expect(sent(collector)).toEqual(Array.from({ length: 9 }, () => 'line0 line1'));
    expect(clock.sleepsMs).toEqual(Array.from({ length: 8 }, () => 60_000));
    const told = log.filter(({ level }) => level === 'error');
    expect(told).toHaveLength(2);
    expect(told[0]?.fields).toMatchObject({ err: { code: 'ERR_EXPORT_MISCONFIGURED', hint: expect.any(String) } });
  });
});

describe('a refusal that every request gets', () => {
  test.each([
    ['a compression', 400, '"zstd" content encoding not supported'],
    ['a missing tenant', 400, 'no org id'],
    ['no words', 422, ''],
  ])('is a setting and no dead letter: %s', async (_, status, words) => {
    const collector = await receiver();
    const { exporter, clock, deadLetters, log } = setUp(jsonOptions(collector.url));
    const heal = collector.answerWhen(() => true, answers.plain(status, words));
    clock.onSleep = (count) => count === 5 && heal();
    expect(await exporter.export(batchOf(manyLines(100)), never)).toEqual({ acceptedCount: 100, deadLetteredCount: 0 });
    expect(deadLetters()).toEqual([]);
    expect(clock.sleepsMs).toEqual(Array.from({ length: 5 }, () => 60_000));
    expect(log[0]).toMatchObject({
      level: 'error',
      fields: {
        err: {
          code: 'ERR_EXPORT_MISCONFIGURED',
          message: expect.stringContaining('also to a request without records'),
          hint: expect.stringContaining('OTEL_EXPORTER_OTLP_PROTOCOL'),
        },
      },
    });
  });

  test('does not end because a request of several records is split', async () => {
    const collector = await receiver();
    const { exporter, clock, log } = setUp(jsonOptions(collector.url));
    const heal = collector.answerWhen(() => true, answers.plain(400, 'no org id'));
    const others: Promise<unknown>[] = [];
    clock.onSleep = (count) => {
      if (count === 1) others.push(exporter.export(batchOf(manyLines(4, 'other')), never));
      if (count < 4) return;
      expect(log.map(({ message }) => message)).not.toContain('Collector accepts records again');
      heal();
    };
    await exporter.export(batchOf(manyLines(2)), never);
    await Promise.all(others);
    expect(log.at(-1)?.message).toBe('Collector accepts records again');
  });

  test('is recognised although the words have an id, as those of proxies do', async () => {
    const collector = await receiver();
    const { exporter, clock, deadLetters } = setUp(jsonOptions(collector.url));
    const heal = [
      collector.answerWhen(
        ({ records }) => records.length > 0,
        answers.plain(400, 'bad request, ray 8c5fabc0d1e2f3a4'),
      ),
      collector.answerWhen(
        ({ records }) => records.length === 0,
        answers.plain(400, 'bad request, ray 0cb6fa77d1ab98ee'),
      ),
    ];
    clock.onSleep = () => {
      for (const each of heal) each();
    };
    expect(await exporter.export(batchOf(lines('a')), never)).toEqual({ acceptedCount: 1, deadLetteredCount: 0 });
    expect(deadLetters()).toEqual([]);
  });

  test('is believed by its words while nothing was accepted, even if an empty request passes', async () => {
    const collector = await receiver();
    const { exporter, clock, deadLetters, log } = setUp(jsonOptions(collector.url));
    const refusal = answers.status(400, 'missing tenant: set X-Scope-OrgID');
    const heal = collector.answerWhen(({ records }) => records.length > 0, refusal);
    clock.onSleep = (count) => count === 5 && heal();
    expect(await exporter.export(batchOf(manyLines(4)), never)).toEqual({ acceptedCount: 4, deadLetteredCount: 0 });
    expect(log[0]?.fields).toMatchObject({
      err: { message: expect.stringContaining('has accepted no record yet'), hint: expect.stringContaining('tenant') },
    });
    collector.answerWhen(({ records }) => records.some(isBad), refusal);
    expect(await exporter.export(batchOf(lines('bad')), never)).toEqual({ acceptedCount: 0, deadLetteredCount: 1 });
    expect(deadLetters()).toHaveLength(1);
  });

  test('is not believed by the words of a record that a long answer repeats', async () => {
    const collector = await receiver();
    const { exporter, deadLetters } = setUp(jsonOptions(collector.url));
    collector.answerWhen(
      ({ records }) => records.length > 0,
      answers.plain(400, `bad: {"action":"${'a'.repeat(300)} tenant"}`),
    );
    expect(await exporter.export(batchOf(lines('bad')), never)).toEqual({ acceptedCount: 0, deadLetteredCount: 1 });
    expect(deadLetters()).toHaveLength(1);
  });

  test('is recognised although the words count requests', async () => {
    const collector = await receiver();
    const { exporter, clock } = setUp(jsonOptions(collector.url));
    const heal = [
      collector.answerWhen(({ records }) => records.length > 0, answers.plain(400, 'request 17 is not understood')),
      collector.answerWhen(({ records }) => records.length === 0, answers.plain(400, 'request 18 is not understood')),
    ];
    clock.onSleep = () => {
      for (const each of heal) each();
    };
    expect(await exporter.export(batchOf(lines('a')), never)).toEqual({ acceptedCount: 1, deadLetteredCount: 0 });
  });

  test('is told from one that a lone record gets, by an empty request in other words', async () => {
    const collector = await receiver();
    const { exporter, deadLetters } = setUp(jsonOptions(collector.url));
    collector.answerWhen(({ records }) => records.length === 0, answers.status(422, 'no log records'));
    collector.answerWhen(({ records }) => records.some(isBad), answers.status(400, 'line too long'));
    expect(await exporter.export(batchOf(lines('bad')), never)).toEqual({ acceptedCount: 0, deadLetteredCount: 1 });
    expect(deadLetters().map(({ uid }) => uid)).toEqual(['bad']);
  });

  test('is asked about once a minute while the words are the same', async () => {
    const collector = await receiver();
    const { exporter, clock } = setUp(jsonOptions(collector.url));
    collector.answerWhen(({ records }) => records.some(isBad), answers.status(400, 'too old: 2026-01-01'));
    const probeCount = () => collector.requests.filter(({ records }) => records.length === 0).length;
    await exporter.export(batchOf(manyLines(20, 'bad')), never);
    expect(probeCount()).toBe(1);
    clock.timeMs += 60_000;
    await exporter.export(batchOf(lines('bad')), never);
    expect(probeCount()).toBe(2);
  });

  test('is no verdict while the empty request gets none', async () => {
    const collector = await receiver();
    const { exporter, clock, deadLetters } = setUp(jsonOptions(collector.url));
    const heal = collector.answerWhen(({ records }) => records.length === 0, answers.status(503));
    collector.answerWhen(({ records }) => records.some(isBad), answers.status(400, 'line too long'));
    clock.onSleep = (count) => {
      expect(deadLetters()).toEqual([]);
      if (count === 3) heal();
    };
    expect(await exporter.export(batchOf(lines('bad')), never)).toEqual({ acceptedCount: 0, deadLetteredCount: 1 });
  });
});

describe('a record that a firewall dislikes', () => {
  test.each([401, 403])('becomes a dead letter with %i while other requests pass', async (status) => {
    const collector = await receiver();
    const { exporter, clock, deadLetters } = setUp(jsonOptions(collector.url));
    collector.answerWhen(({ records }) => records.some(isBad), answers.plain(status, 'blocked by policy'));
    const others: Promise<unknown>[] = [];
    clock.onSleep = (count) => void others.push(exporter.export(batchOf(lines(`other${count}`)), never));
    const end = await exporter.export(batchOf(lines('a', 'b', 'c', 'bad', 'd', 'e')), never);
    await Promise.all(others);
    expect(end).toEqual({ acceptedCount: 5, deadLetteredCount: 1 });
    expect(deadLetters()).toMatchObject([
      { uid: 'bad', deadLetter: { code: status, reason: expect.stringContaining('blocked by policy') } },
    ]);
    expect(clock.sleepsMs.length).toBeLessThan(10);
  });

  test.each([
    ...[401, 403, 404, 406, 415, 451].map((status) => [String(status), answers.plain(status, 'blocked')] as const),
    ['403 in the form of OTLP', answers.status(403, 'blocked')] as const,
    ['a web page', answers.plain(200, '<html>blocked</html>', { 'content-type': 'text/html' })] as const,
  ])('becomes a dead letter although nothing else is on its way: %s', async (_, answer) => {
    for (const names of ['bad a b c d e', 'a b c bad d e', 'a b c d e bad', 'bad1 bad2 a b bad3', 'a bad']) {
      const collector = await receiver();
      const { exporter, clock, deadLetters } = setUp(jsonOptions(collector.url));
      collector.answerWhen(({ records }) => records.some(isBad), answer);
      const texts = names.split(' ');
      const bad = texts.filter((uid) => isBad({ uid }));
      const end = await exporter.export(batchOf(lines(...texts)), never);
      expect(end).toEqual({ acceptedCount: texts.length - bad.length, deadLetteredCount: bad.length });
      expect(new Set(deadLetters().map(({ uid }) => uid))).toEqual(new Set(bad));
      for (const name of bad) expect(sent(collector).filter((uids) => uids === name).length).toBeGreaterThanOrEqual(3);
      expect(clock.sleepsMs.every((sleepMs) => sleepMs === 1_000)).toBe(true);
    }
  });

  test('and is all that there is becomes a dead letter at the third denial, and the next one waits until a record passes', async () => {
    const collector = await receiver();
    const { exporter, clock, deadLetters } = setUp(jsonOptions(collector.url));
    collector.answerWhen(({ records }) => records.some(isBad), answers.plain(403, 'blocked'));
    expect(await exporter.export(batchOf(lines('bad1')), never)).toEqual({ acceptedCount: 0, deadLetteredCount: 1 });
    expect(clock.sleepsMs).toEqual([60_000, 60_000]);
    let others: Promise<unknown> = Promise.resolve();
    clock.onSleep = (count) => {
      if (count !== 50) return;
      expect(deadLetters()).toHaveLength(1);
      others = exporter.export(batchOf(lines('other')), never);
    };
    expect(await exporter.export(batchOf(lines('bad2')), never)).toEqual({ acceptedCount: 0, deadLetteredCount: 1 });
    await others;
    expect(clock.sleepsMs.length).toBeGreaterThanOrEqual(50);
  });

  test('is not taken for one when a server that stores logs denies it and nothing else', async () => {
    const collector = await receiver();
    const { exporter, clock, deadLetters, log } = setUp(jsonOptions(collector.url));
    const heal = collector.answerWhen(({ records }) => records.some(isBad), answers.status(403, 'no permission'));
    clock.onSleep = (count) => count === 50 && heal();
    expect(await exporter.export(batchOf(lines('bad')), never)).toEqual({ acceptedCount: 1, deadLetteredCount: 0 });
    expect(deadLetters()).toEqual([]);
    expect(log[0]?.fields).toMatchObject({
      err: {
        message: expect.stringContaining('an empty request is accepted'),
        hint: expect.stringContaining('firewall'),
      },
    });
  });

  test('is not taken for one behind a Collector whose own token has expired, which accepts empty requests', async () => {
    const collector = await receiver();
    const { exporter, clock, deadLetters } = setUp(jsonOptions(collector.url));
    const heal = collector.answerWhen(({ records }) => records.length > 0, answers.status(401, 'token expired'));
    clock.onSleep = (count) => count === 100 && heal();
    expect(await exporter.export(batchOf(manyLines(64)), never)).toEqual({ acceptedCount: 64, deadLetteredCount: 0 });
    expect(deadLetters()).toEqual([]);
    expect(clock.sleepsMs.slice(20, 99).every((sleepMs) => sleepMs === 60_000)).toBe(true);
  });

  test.each([1, 2])(
    'is not taken for one if it is denied no more than %i times, as by a token that was renewed',
    async (times) => {
      const collector = await receiver();
      const { exporter, deadLetters } = setUp(jsonOptions(collector.url));
      let left = times;
      const isDenied = ({ records }: { records: readonly { uid: string | undefined }[] }) =>
        records.length === 1 && records.some(isBad) && left-- > 0;
      collector.answerWhen(({ records }) => records.length > 1 && records.some(isBad), answers.plain(401, 'expired'));
      collector.answerWhen(isDenied, answers.plain(401, 'expired'));
      expect(await exporter.export(batchOf(lines('a', 'bad', 'b')), never)).toEqual({
        acceptedCount: 3,
        deadLetteredCount: 0,
      });
      expect(deadLetters()).toEqual([]);
    },
  );

  test('is not taken for one while every request is denied', async () => {
    const collector = await receiver();
    const { exporter, clock, deadLetters } = setUp(jsonOptions(collector.url));
    const heal = collector.answerWhen(() => true, answers.plain(401, 'token expired'));
    await Promise.all(
      ['a', 'b', 'c'].map(async (name) => {
        clock.onSleep = (count) => count === 30 && heal();
        expect(await exporter.export(batchOf(lines(name)), never)).toMatchObject({ acceptedCount: 1 });
      }),
    );
    expect(deadLetters()).toEqual([]);
  });
});

describe('a request that keeps failing while the server responds', () => {
  test('is split until it gets through, in order', async () => {
    const collector = await receiver();
    const { exporter, log } = setUp(jsonOptions(collector.url));
    collector.answerWhen(({ records }) => records.length > 2, answers.status(503, 'received message larger than max'));
    expect(await exporter.export(batchOf(manyLines(8)), never)).toEqual({ acceptedCount: 8, deadLetteredCount: 0 });
    expect(collector.acceptedUids()).toEqual(manyLines(8).map((_, index) => `line${index}`));
    expect(collector.requests.slice(0, 5).every(({ records }) => records.length === 8)).toBe(true);
    expect(collector.requests[5]?.records).toHaveLength(4);
    expect(log.filter(({ message }) => message.includes('split in half'))).toHaveLength(1);
  });

  test('says nothing of halves when the server is merely overloaded', async () => {
    const collector = await receiver();
    const { exporter, log } = setUp(jsonOptions(collector.url));
    collector.answerNext(...Array.from({ length: 8 }, () => answers.status(503, 'Service Unavailable')));
    expect(await exporter.export(batchOf(manyLines(4)), never)).toEqual({ acceptedCount: 4, deadLetteredCount: 0 });
    expect(log.filter(({ message }) => message.includes('halves'))).toEqual([]);
  });

  test.each([
    ['a cut connection', answers.cut()],
    ['429', answers.status(429)],
    ['500', answers.status(500)],
  ])('is split for %s too', async (_, answer) => {
    const collector = await receiver();
    const { exporter } = setUp(jsonOptions(collector.url));
    collector.answerWhen(({ records }) => records.length > 1, answer);
    expect(await exporter.export(batchOf(manyLines(4)), never)).toEqual({ acceptedCount: 4, deadLetteredCount: 0 });
  });

  test('does not split what was not sent yet, nor new batches', async () => {
    const collector = await receiver();
    const { exporter, clock } = setUp(jsonOptions(collector.url));
    const backUp = collector.answerWhen(() => true, answers.status(503));
    clock.onSleep = (count) => count === 50 && backUp();
    await exporter.export(batchOf(manyLines(64)), never);
    const passed = collector.requests.filter(({ answer }) => answer?.kind === 'accept');
    expect(passed.map(({ records }) => records.length)).toEqual([1, 1, 2, 4, 8, 16, 32]);
    await exporter.export(batchOf(manyLines(64, 'next')), never);
    expect(collector.requests.at(-1)?.records).toHaveLength(64);
  });

  test('is not split if there is no connection', async () => {
    const collector = await receiver();
    await collector.close();
    const { exporter, clock } = setUp(jsonOptions(collector.url));
    const back = Promise.withResolvers<OtlpReceiver>();
    clock.onSleep = (count) => {
      if (count === 20) void startOtlpReceiver({ port: collector.port }).then(back.resolve, back.reject);
    };
    const end = exporter.export(batchOf(manyLines(4)), never);
    const again = await back.promise;
    onTestFinished(() => again.close());
    expect(await end).toEqual({ acceptedCount: 4, deadLetteredCount: 0 });
    expect(again.requests[0]?.records).toHaveLength(4);
  });
});

describe('a batch that is split', () => {
  test('is sent as the two halves that it returns, the first and larger one first', async () => {
    const collector = await receiver();
    const { exporter } = setUp(jsonOptions(collector.url));
    collector.answerWhen(({ records }) => records.length > 1, answers.plain(413, 'too large'));
    // These records do not come from lines, so nothing could be mapped again.
    const batch = recordBatch(lines('a', 'b', 'c', 'd', 'e').map(toJsonLine), 'json');
    expect(await exporter.export(batch, never)).toEqual({ acceptedCount: 5, deadLetteredCount: 0 });
    expect(sent(collector)).toEqual(['a b c d e', 'a b c', 'a b', 'a', 'b', 'c', 'd e', 'd', 'e']);
  });

  test('is split where it decides, and renders only rejected records', async () => {
    const collector = await receiver();
    const { exporter, deadLetters } = setUp(jsonOptions(collector.url));
    collector.answerWhen(({ records }) => records.some(isBad), answers.status(400));
    const rendered: string[] = [];
    const unevenBatch = (all: readonly IdentifiedLine[]): Batch => ({
      ...batchOf(all),
      split: () => [unevenBatch(all.slice(0, 1)), unevenBatch(all.slice(1))],
      toJsonLines() {
        rendered.push(...all.map(textOf));
        return all.map(toJsonLine);
      },
    });
    const end = await exporter.export(unevenBatch(lines('a', 'b', 'bad', 'c', 'd')), never);
    expect(end).toEqual({ acceptedCount: 4, deadLetteredCount: 1 });
    expect(sent(collector)).toEqual(['a b bad c d', 'a', 'b bad c d', 'b', 'bad c d', 'bad', 'c d']);
    expect(rendered).toEqual(['bad']);
    expect(deadLetters().map(({ uid }) => uid)).toEqual(['bad']);
  });
});

describe('a rejected record', () => {
  test('is isolated by splitting and becomes a dead letter; the others are accepted, in order', async () => {
    const collector = await receiver();
    const { exporter, deadLetters, log } = setUp(jsonOptions(collector.url));
    collector.answerWhen(({ records }) => records.some(isBad), answers.status(400, 'line too long'));
    const end = await exporter.export(batchOf(lines('a', 'b', 'c', 'bad', 'd', 'e')), never);
    expect(end).toEqual({ acceptedCount: 5, deadLetteredCount: 1 });
    expect(collector.acceptedUids()).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(sent(collector)).toEqual(['a b c bad d e', 'a b c', 'bad d e', 'bad d', 'bad', 'd', 'e']);
    expect(deadLetters()).toEqual([
      {
        uid: 'bad',
        deadLetter: {
          version: 2,
          time: '2026-01-31T12:00:00.000Z',
          protocol: 'http',
          code: 400,
          reason: 'HTTP 400: line too long',
        },
      },
    ]);
    expect(log).toMatchObject([
      { level: 'error', fields: { code: 'ERR_EXPORT_REJECTED', object: 's3://audit/a.json' } },
    ]);
  });

  test('does not turn others into dead letters at Loki, which stores the good records of a 400', async () => {
    const collector = await receiver();
    const { exporter, deadLetters } = setUp(jsonOptions(collector.url));
    collector.answerWhen(() => true, answers.refuseRecords(isBad));
    const end = await exporter.export(batchOf(lines('bad1', 'a', 'b', 'bad2')), never);
    expect(end).toEqual({ acceptedCount: 2, deadLetteredCount: 2 });
    expect(new Set(collector.acceptedUids())).toEqual(new Set(['a', 'b']));
    expect(deadLetters().map(({ uid }) => uid)).toEqual(['bad1', 'bad2']);
  });

  test('is also one that is too large on its own: a 413 splits down to it', async () => {
    const collector = await receiver();
    const { exporter, deadLetters } = setUp(jsonOptions(collector.url));
    collector.answerWhen(({ body }) => body.length > 1000, answers.plain(413, 'too large'));
    const end = await exporter.export(batchOf(lines('a', 'b', 'c'.repeat(1000), 'd')), never);
    expect(end).toEqual({ acceptedCount: 3, deadLetteredCount: 1 });
    expect(collector.acceptedUids()).toEqual(['a', 'b', 'd']);
    expect(deadLetters()).toMatchObject([{ uid: 'c'.repeat(1000), deadLetter: { protocol: 'http', code: 413 } }]);
  });

  test('is logged with the setting that causes it, once per setting', async () => {
    const collector = await receiver();
    const { exporter, log } = setUp(jsonOptions(collector.url));
    const tooOld = answers.status(400, "entry for stream '{}' has timestamp too old: 2026-01-01T00:00:00Z");
    const tooFarBehind = answers.status(400, 'entry too far behind, entry timestamp is: 2026-01-01T00:00:00Z');
    for (const [name, answer] of Object.entries({ a: tooOld, b: tooOld, c: tooFarBehind, d: tooFarBehind })) {
      collector.answerWhen(({ records }) => records.some(({ uid }) => uid === name), answer);
      await exporter.export(batchOf(lines(name)), never);
    }
    expect(log.map(({ fields }) => fields.hint)).toEqual([
      expect.stringContaining('reject_old_samples: false'),
      expect.stringContaining('time_sharding_enabled: true'),
    ]);
  });

  test('does not flood the log if there are many', async () => {
    const collector = await receiver();
    const { exporter, log, clock } = setUp(jsonOptions(collector.url));
    collector.answerWhen(({ records }) => records.some(isBad), answers.status(400));
    await exporter.export(batchOf(manyLines(50, 'bad')), never);
    clock.timeMs += 10 * 60_000;
    await exporter.export(batchOf(lines('bad')), never);
    expect(log).toHaveLength(2);
    expect(log[1]?.fields).toMatchObject({ omitted: 49 });
  });
});

describe('a partial success', () => {
  test.each([
    ['protobuf', 'http/protobuf', encodeProtobuf],
    ['JSON', 'http/json', encodeJson],
  ])('in %s is never sent again; all of its records become dead letters with a note', async (_, protocol, encode) => {
    const collector = await receiver();
    const options = optionsOf({
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
    });
    const { exporter, deadLetters, log } = setUp(options);
    collector.answerNext(answers.partial(2, 'quota used up'));
    const end = await exporter.export(batchOf(manyLines(5), encode), never);
    expect(end).toEqual({ acceptedCount: 3, deadLetteredCount: 2 });
    expect(collector.requests).toHaveLength(1);
    expect(deadLetters().map(({ uid }) => uid)).toEqual(['line0', 'line1', 'line2', 'line3', 'line4']);
    expect(deadLetters()[4]?.deadLetter).toMatchObject({
      protocol: 'http',
      code: 200,
      reason: 'quota used up',
      rejectedRecords: 2,
      ofRecords: 5,
    });
    expect(log).toMatchObject([{ level: 'error', fields: { reason: 'quota used up' } }]);
  });

  test('that claims more than was sent counts no more than was sent', async () => {
    const collector = await receiver();
    const { exporter } = setUp(jsonOptions(collector.url));
    collector.answerNext(answers.partial(1_000_000));
    expect(await exporter.export(batchOf(manyLines(5)), never)).toEqual({ acceptedCount: 0, deadLetteredCount: 5 });
  });

  test('that rejects nothing is a warning', async () => {
    const collector = await receiver();
    const { exporter, log } = setUp(jsonOptions(collector.url));
    collector.answerNext(answers.accept('use /v2'));
    expect(await exporter.export(batchOf(manyLines(5)), never)).toEqual({ acceptedCount: 5, deadLetteredCount: 0 });
    expect(log).toMatchObject([{ level: 'warn', fields: { warning: 'use /v2' } }]);
  });
});

describe('whatever the collector responds', () => {
  const anyAnswer: fc.Arbitrary<Answer> = fc.oneof(
    fc.constantFrom(401, 404, 429, 500, 502, 503, 504).map((status) => answers.status(status, 'text')),
    fc.constantFrom(400, 413, 422).map((status) => answers.plain(status, 'text')),
    fc.integer({ min: 1, max: 9 }).map((count) => answers.partial(count)),
    fc.constant(answers.accept('warning')),
    fc.constant(answers.cut()),
    fc.constant(answers.loseAnswer()),
    fc.constant(answers.raw('garbage\r\n')),
    fc.constant(answers.refuseRecords(isBad)),
  );

  test('every record ends as stored or dead-lettered, and the counts add up', async () => {
    const collector = await receiver();
    const { exporter, deadLetters } = setUp(jsonOptions(collector.url));
    let batchCount = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.boolean(), { minLength: 1, maxLength: 12 }),
        fc.array(anyAnswer, { maxLength: 25 }),
        async (areBad, script) => {
          batchCount++;
          const texts = areBad.map((bad, index) => `${bad ? 'bad' : 'good'}-${batchCount}-${index}`);
          collector.answerNext(...script);
          collector.answerWhen(({ records }) => records.some(isBad), answers.status(400));
          const end = await exporter.export(batchOf(lines(...texts)), never);
          collector.acceptAgain();
          expect(end.acceptedCount + end.deadLetteredCount).toBe(texts.length);
          const stored = new Set(collector.acceptedUids());
          const dead = new Set(deadLetters().map(({ uid }) => uid));
          const nowhere = texts.filter((text) => !stored.has(text) && !dead.has(text));
          expect(nowhere).toEqual([]);
        },
      ),
      { numRuns: 60 },
    );
  });
});
