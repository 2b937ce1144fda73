import { expect, test } from 'vitest';
import { probeCollector } from '../../src/export/index.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { type Answer, answers } from '../support/otlp-receiver.ts';
import { jsonOptions, never, optionsOf, receiver } from './fixtures.ts';

const probe = (url: string) => probeCollector(optionsOf({ OTEL_EXPORTER_OTLP_ENDPOINT: url }), never, systemClock);

test('a collector that accepts an empty request is ok, in both encodings, and stores nothing', async () => {
  const collector = await receiver();
  const expected = {
    status: 'ok',
    message: `${collector.url}/v1/logs accepts OTLP logs`,
    hint: undefined,
    clockAheadMs: expect.any(Number),
  };
  expect(await probe(collector.url)).toEqual(expected);
  expect(await probeCollector(jsonOptions(collector.url), never, systemClock)).toEqual(expected);
  expect(collector.requests.map(({ answer }) => answer?.kind)).toEqual(['accept', 'accept']);
  expect(collector.accepted).toEqual([]);
});

test.each<[string, Answer, string, RegExp, RegExp | undefined]>([
  ['Loki', answers.status(422, 'no log records'), 'ok', /rejects an empty request \(HTTP 422: no log/, undefined],
  ['a server that wants records', answers.plain(400, 'empty request'), 'ok', /HTTP 400: empty request/, undefined],
  ['a rejected encoding', answers.plain(400, 'zstd not supported'), 'failed', /HTTP 400: zstd/, /_PROTOCOL/],
  ['a wrong path', answers.plain(404, '404 page not found'), 'failed', /HTTP 404: 404 page/, /\/otlp\/v1\/logs/],
  ['a missing token', answers.plain(401, 'no org id'), 'failed', /HTTP 401: no org id/, /_HEADERS/],
  ['a rejected token', answers.plain(403, ''), 'failed', /HTTP 403$/, /_HEADERS/],
  ['an overload', answers.status(503, 'starting'), 'failed', /HTTP 503: starting/, /collector's log/],
  ['a cut connection', answers.cut(), 'failed', /could not be reached/, /collector is running/],
])('%s is reported, with a hint if there is something to do', async (_, answer, status, message, hint) => {
  const collector = await receiver();
  collector.answerNext(answer);
  const result = await probe(collector.url);
  expect(result.status).toBe(status);
  expect(result.message).toMatch(message);
  if (hint === undefined) expect(result.hint).toBeUndefined();
  else expect(result.hint).toMatch(hint);
});

test('a wrong path of a real receiver is detected', async () => {
  const collector = await receiver({ path: '/otlp/v1/logs' });
  expect((await probe(collector.url)).status).toBe('failed');
  expect((await probe(`${collector.url}/otlp`)).status).toBe('ok');
});

test('an unreachable collector is reported with its address', async () => {
  const collector = await receiver();
  await collector.close();
  const result = await probe(collector.url);
  expect(result).toMatchObject({ status: 'failed', message: expect.stringContaining('ECONNREFUSED') });
});
