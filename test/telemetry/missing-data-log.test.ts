/**
 * What the agent logs about what is not in the backend: dead letters, and objects that an earlier process could not read.
 */
import { expect, it, onTestFinished } from 'vitest';
import type { WaitingDeadLetters } from '../../src/telemetry/activity.ts';
import { startTelemetry } from '../../src/telemetry/telemetry.ts';
import { rememberingLogger } from '../export/fixtures.ts';
import { ManualClock, settled } from '../support/manual-clock.ts';
import { httpResponse, listingEnded, settledFaultKnown, sourceName, startMs } from './events.ts';

it('says how many dead letters there are by now as soon as the log may say so again, and only once', async () => {
  const { clock, observe, deadLetter, counts } = await setUp();
  for (let written = 0; written < 50; written++) await deadLetter();
  expect(counts()).toEqual([1]);
  await clock.advance(299_000);
  observe(listingEnded());
  await settled();
  expect(counts()).toEqual([1]);
  await clock.advance(1_000);
  observe(listingEnded());
  await settled();
  expect(counts()).toEqual([1, 50]);
  await clock.advance(300_000);
  observe(listingEnded());
  await settled();
  expect(counts()).toEqual([1, 50]);
});

it('says how many dead letters there are before it stops, unless it has said so', async () => {
  const { telemetry, deadLetter, counts } = await setUp();
  for (let written = 0; written < 50; written++) await deadLetter();
  await telemetry.close();
  expect(counts()).toEqual([1, 50]);
  await telemetry.close();
  expect(counts()).toEqual([1, 50]);
});

it('names one object of each kind that an earlier process could not read', async () => {
  const { observe, logger } = await setUp();
  for (const name of ['a', 'b']) observe(settledFaultKnown(name, 'damaged', 'ERR_OBJECT_FORMAT'));
  observe(settledFaultKnown('c', 'settled', 'ERR_OBJECT_UNPARSED'));
  observe(settledFaultKnown('a', 'damaged', undefined));
  const message = 'The state knows of an object that could not be read as it should be';
  const hint = expect.stringContaining('Deliver the object again');
  expect(logger.lines).toEqual([
    {
      level: 'error',
      message,
      fields: { source: sourceName, object: 'a', code: 'ERR_OBJECT_FORMAT', reason: 'not readable', hint },
    },
    {
      level: 'warn',
      message,
      fields: { source: sourceName, object: 'c', code: 'ERR_OBJECT_UNPARSED', reason: 'not readable', hint },
    },
  ]);
});

async function setUp() {
  const clock = new ManualClock(new Date(startMs).toISOString());
  const logger = rememberingLogger();
  const waiting: WaitingDeadLetters = { response: httpResponse(400), reason: 'too old', count: 0 };
  let count = 0;
  const telemetry = await startTelemetry(
    {
      http: 'off',
      metrics: { exporters: [], pushIntervalMs: 60_000, pushTimeoutMs: 30_000, resourceAttributes: {} },
      pollIntervalMs: 60_000,
      sourceNames: [sourceName],
      settings: [],
    },
    {
      clock,
      logger,
      stateBytes: undefined,
      deliveredBefore: async () => [],
      deliveredTotals: async () => undefined,
      waitingDeadLetters: async () => (count === 0 ? [] : [{ ...waiting, count }]),
      askCollector: undefined,
    },
  );
  onTestFinished(() => telemetry.close());
  const observe = telemetry.watch();
  const deadLetter = async () => {
    count++;
    const { response, reason } = waiting;
    observe({ kind: 'deadLettered', code: 'ERR_EXPORT_REJECTED', response, reason, recordCount: 1 });
    await settled();
  };
  const counts = () =>
    logger.lines
      .filter(({ level, message }) => level === 'error' && message === 'Dead letters are not in the backend')
      .map(({ fields }) => ('records' in fields ? fields.records : undefined));
  return { clock, logger, telemetry, observe, deadLetter, counts };
}
