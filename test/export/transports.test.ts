/**
 * What the exporter promises, over HTTP and over gRPC: the same outcome of the records for the same conduct of the collector.
 */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Batch } from '../../src/contracts/exporter.ts';
import { createFailureReporter, createOtlpExporter } from '../../src/export/index.ts';
import type { OtlpOptions } from '../../src/export/options.ts';
import { deadLetterDirectory } from '../../src/export/options.ts';
import { createOtlpClient } from '../../src/export/otlp-client.ts';
import type { IdentifiedLine } from '../../src/model/line.ts';
import { grpcAnswers, startGrpcReceiver } from '../support/grpc-receiver.ts';
import { answers, startOtlpReceiver } from '../support/otlp-receiver.ts';
import type { ReceivedRecord, Receiver } from '../support/receiver-ledger.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import {
  batchOf,
  encodeProtobuf,
  leapingClock,
  lines,
  manyLines,
  never,
  optionsOf,
  rememberingLogger,
} from './fixtures.ts';

/** A collector, and its answers in the words of its protocol. */
interface Protocol<Answer> {
  readonly name: 'http' | 'grpc';
  readonly start: (port?: number) => Promise<Receiver<Answer>>;
  readonly environment: Readonly<Record<string, string>>;
  /** The codes of `rejected`, `tooLarge` and OK. */
  readonly codes: { readonly rejected: number; readonly tooLarge: number; readonly ok: number };
  readonly answers: {
    readonly busy: Answer;
    /** Not to be retried for 90 seconds. */
    readonly busyFor90s: Answer;
    /** The collector's own failure, which OTLP does not define as retryable. */
    readonly failure: Answer;
    readonly unauthenticated: Answer;
    readonly denied: Answer;
    readonly rejected: Answer;
    readonly tooLarge: Answer;
    readonly cut: Answer;
    readonly loseAnswer: Answer;
    readonly hang: Answer;
    readonly partial: (rejectedCount: number) => Answer;
    readonly accept: (warning: string) => Answer;
    readonly refuse: (matches: (record: ReceivedRecord) => boolean) => Answer;
  };
}

const sizeWords = 'grpc: received message larger than max (5000000 vs. 4194304)';

const http: Protocol<ReturnType<typeof answers.accept>> = {
  name: 'http',
  start: (port = 0) => startOtlpReceiver({ port }),
  environment: {},
  codes: { rejected: 400, tooLarge: 413, ok: 200 },
  answers: {
    busy: answers.status(503, 'busy'),
    busyFor90s: answers.status(429, 'later', { 'retry-after': '90' }),
    failure: answers.status(500, 'panic'),
    unauthenticated: answers.status(401, 'no token'),
    denied: answers.status(403, 'no'),
    rejected: answers.status(400, 'line too long'),
    tooLarge: answers.status(413, 'too large'),
    cut: answers.cut(),
    loseAnswer: answers.loseAnswer(),
    hang: answers.hang(),
    partial: (rejectedCount) => answers.partial(rejectedCount),
    accept: (warning) => answers.accept(warning),
    refuse: (matches) => answers.refuseRecords(matches),
  },
};

const grpc: Protocol<ReturnType<typeof grpcAnswers.accept>> = {
  name: 'grpc',
  start: (port = 0) => startGrpcReceiver({ port }),
  environment: { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
  codes: { rejected: 3, tooLarge: 8, ok: 0 },
  answers: {
    busy: grpcAnswers.status(14, 'busy'),
    busyFor90s: grpcAnswers.status(8, 'later', 90_000),
    failure: grpcAnswers.status(13, 'panic'),
    unauthenticated: grpcAnswers.status(16, 'no token'),
    denied: grpcAnswers.status(7, 'no'),
    rejected: grpcAnswers.status(3, 'line too long'),
    tooLarge: grpcAnswers.status(8, sizeWords),
    cut: grpcAnswers.cut(),
    loseAnswer: grpcAnswers.loseAnswer(),
    hang: grpcAnswers.hang(),
    partial: (rejectedCount) => grpcAnswers.partial(rejectedCount),
    accept: (warning) => grpcAnswers.accept(warning),
    refuse: (matches) => grpcAnswers.refuseRecords(matches),
  },
};

function describeTransport<Answer>({ name, start, environment, codes, answers: given }: Protocol<Answer>): void {
  async function setUp(more: Partial<OtlpOptions> = {}) {
    const collector = await start();
    onTestFinished(() => collector.close());
    const directory = join(temporaryDirectory(), 'dead-letters');
    const clock = leapingClock();
    const logger = rememberingLogger();
    const options = { ...optionsOf({ ...environment, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url }), ...more };
    const failures = createFailureReporter({
      deadLetters: deadLetterDirectory(directory),
      clock,
      logger,
      observe: () => {},
    });
    const exporter = createOtlpExporter(options, { failures, clock });
    onTestFinished(() => exporter.close());
    return { collector, clock, exporter, options, log: logger.lines, deadLetters: () => deadLettersIn(directory) };
  }
  const batch = (all: readonly IdentifiedLine[]): Batch => batchOf(all, encodeProtobuf);
  const isBad = ({ uid }: ReceivedRecord) => uid?.startsWith('bad') === true;
  const withRecords = ({ records }: { readonly records: readonly ReceivedRecord[] }) => records.length > 0;

  describe(`over ${name}`, () => {
    test.each(['busy', 'failure', 'cut'] as const)('%s: the batch waits and is resent byte for byte', async (fault) => {
      const { collector, exporter, clock, log } = await setUp();
      collector.answerNext(given[fault], given[fault]);
      expect(await exporter.export(batch(manyLines(3)), never)).toEqual({ acceptedCount: 3, deadLetteredCount: 0 });
      expect(new Set(collector.requests.map(({ body }) => body.toString('hex'))).size).toBe(1);
      expect(collector.acceptedUids()).toEqual(['line0', 'line1', 'line2']);
      expect(clock.sleepsMs).toEqual(fault === 'failure' ? [30_000, 30_000] : [1_000, 2_000]);
      expect(log[0]?.fields).toMatchObject({ err: { code: 'ERR_EXPORT_UNAVAILABLE' } });
    });

    test('the delay that the collector asks for is kept', async () => {
      const { collector, exporter, clock } = await setUp();
      collector.answerNext(given.busyFor90s);
      await exporter.export(batch(manyLines(1)), never);
      expect(clock.sleepsMs).toEqual([90_000]);
    });

    test('a collector that is away is waited for, and found again at its address', async () => {
      const { collector, exporter, clock } = await setUp();
      await collector.close();
      const restarted = Promise.withResolvers<Receiver<Answer>>();
      clock.onSleep = (count) => {
        if (count === 4) restarted.resolve(start(collector.port));
      };
      await exporter.export(batch(manyLines(2)), never);
      const second = await restarted.promise;
      onTestFinished(() => second.close());
      expect(second.acceptedUids()).toEqual(['line0', 'line1']);
    });

    test('a lost answer repeats the records and loses none', async () => {
      const { collector, exporter } = await setUp();
      collector.answerNext(given.loseAnswer);
      await exporter.export(batch(manyLines(2)), never);
      expect(collector.acceptedUids()).toEqual(['line0', 'line1', 'line0', 'line1']);
    });

    test('a collector that does not answer is tried again after the timeout, on a connection of its own', async () => {
      const { collector, exporter } = await setUp({ requestTimeoutMs: 500 });
      collector.answerNext(given.hang);
      await exporter.export(batch(manyLines(1)), never);
      expect(collector.requests).toHaveLength(2);
    });

    test('a rejection is split down to the record, and only that becomes a dead letter', async () => {
      const { collector, exporter, deadLetters } = await setUp();
      collector.answerWhen(withRecords, given.refuse(isBad));
      const all = [...manyLines(3), ...lines('bad'), ...manyLines(4, 'more')];
      expect(await exporter.export(batch(all), never)).toEqual({ acceptedCount: 7, deadLetteredCount: 1 });
      expect(deadLetters()).toMatchObject([
        {
          uid: 'bad',
          deadLetter: { protocol: name, code: codes.rejected, reason: expect.stringContaining('too long') },
        },
      ]);
    });

    test('a refusal that an empty request gets as well is a setting, and drops nothing', async () => {
      const { collector, exporter, clock, deadLetters } = await setUp();
      const end = collector.answerWhen(() => true, given.rejected);
      clock.onSleep = () => end();
      expect(await exporter.export(batch(lines('only')), never)).toEqual({ acceptedCount: 1, deadLetteredCount: 0 });
      expect(clock.sleepsMs).toEqual([60_000]);
      expect(deadLetters()).toEqual([]);
    });

    test('a request that is too large is halved; a record that is too large becomes a dead letter', async () => {
      const { collector, exporter, deadLetters } = await setUp();
      collector.answerWhen(({ records }) => records.length > 2 || records.some(isBad), given.tooLarge);
      const end = await exporter.export(batch([...manyLines(7), ...lines('bad')]), never);
      expect(end).toEqual({ acceptedCount: 7, deadLetteredCount: 1 });
      expect(deadLetters()).toMatchObject([{ uid: 'bad', deadLetter: { protocol: name, code: codes.tooLarge } }]);
      expect(new Set(collector.acceptedUids()).size).toBe(7);
    });

    test('a partial success puts all records of the request into dead letters', async () => {
      const { collector, exporter, deadLetters } = await setUp();
      collector.answerNext(given.partial(1));
      expect(await exporter.export(batch(manyLines(3)), never)).toEqual({ acceptedCount: 2, deadLetteredCount: 1 });
      const counts = { rejectedRecords: 1, ofRecords: 3 };
      expect(deadLetters().map(({ deadLetter }) => deadLetter)).toMatchObject(
        Array.from({ length: 3 }, () => ({ protocol: name, code: codes.ok, reason: 'quota used up', ...counts })),
      );
    });

    test('a partial success that rejects nothing is a warning in the log', async () => {
      const { collector, exporter, log } = await setUp();
      collector.answerNext(given.accept('slow down, please'));
      expect(await exporter.export(batch(manyLines(2)), never)).toEqual({ acceptedCount: 2, deadLetteredCount: 0 });
      expect(log).toMatchObject([{ level: 'warn', fields: { warning: 'slow down, please' } }]);
    });

    test.each(['unauthenticated', 'denied'] as const)('%s waits for a person and drops nothing', async (fault) => {
      const { collector, exporter, clock, log } = await setUp();
      const heal = collector.answerWhen(() => true, given[fault]);
      clock.onSleep = (count) => count === 4 && heal();
      expect(await exporter.export(batch(manyLines(2)), never)).toEqual({ acceptedCount: 2, deadLetteredCount: 0 });
      expect(clock.sleepsMs).toEqual([60_000, 60_000, 60_000, 60_000]);
      const hint = expect.stringContaining('OTEL_EXPORTER_OTLP_HEADERS');
      expect(log[0]?.fields).toMatchObject({ err: { code: 'ERR_EXPORT_MISCONFIGURED', hint } });
    });

    test('a record that is denied becomes a dead letter when the others of its batch pass', async () => {
      const { collector, exporter, deadLetters } = await setUp();
      collector.answerWhen(({ records }) => records.some(isBad), given.denied);
      const end = await exporter.export(batch(lines('a', 'bad', 'b')), never);
      expect(end).toEqual({ acceptedCount: 2, deadLetteredCount: 1 });
      expect(deadLetters()).toMatchObject([{ uid: 'bad', deadLetter: { protocol: name } }]);
    });

    test('a record that alone is denied while others pass becomes a dead letter', async () => {
      const { collector, exporter, clock, deadLetters } = await setUp();
      collector.answerWhen(({ records }) => records.some(isBad), given.denied);
      clock.sleep = async () => void (await exporter.export(batch(lines('good')), never));
      const end = await exporter.export(batch(lines('bad')), never);
      expect(end).toEqual({ acceptedCount: 0, deadLetteredCount: 1 });
      expect(deadLetters()).toMatchObject([{ uid: 'bad', deadLetter: { protocol: name } }]);
    });

    test('the signal ends sending at once, with its reason', async () => {
      const { collector, exporter } = await setUp();
      collector.answerNext(given.hang);
      const stop = new AbortController();
      const sending = exporter.export(batch(manyLines(1)), stop.signal);
      await collector.requestCount(1);
      stop.abort(new Error('stopping'));
      await expect(sending).rejects.toThrow('stopping');
    });

    test('headers are sent, and appear in no error', async () => {
      const { collector, options } = await setUp();
      const client = createOtlpClient({ ...options, headers: { authorization: 'Bearer hunter2' } }, leapingClock());
      onTestFinished(() => client.close());
      collector.answerNext(given.busy, given.unauthenticated, given.cut);
      for (let count = 0; count < 3; count++) {
        const outcome = await client.send(encodeProtobuf(manyLines(1)), never);
        expect(inspect(outcome, { depth: 9, showHidden: true })).not.toContain('hunter2');
      }
      expect(collector.requests[0]?.headers.authorization).toBe('Bearer hunter2');
    });

    test.each(['none', 'gzip'] as const)('records arrive byte for byte with compression %s', async (compression) => {
      const { collector, exporter } = await setUp({ compression });
      const sent = batch(manyLines(100));
      await exporter.export(sent, never);
      expect(collector.requests[0]?.body.equals(sent.request)).toBe(true);
    });
  });
}

function deadLettersIn(directory: string): { readonly uid: string; readonly deadLetter: Record<string, unknown> }[] {
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

describeTransport(http);
describeTransport(grpc);
