/**
 * Responses that no collector should send, to the real client: each results in a sensible outcome and costs little memory.
 */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import type { ExportOutcome } from '../../../src/export/export-outcome.ts';
import { createOtlpClient } from '../../../src/export/otlp-client.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { jsonOptions } from '../../export/fixtures.ts';
import { testSeed } from '../../support/seed.ts';
import { hostileNumber, hostileText } from './hostile-values.ts';
import { Random } from './random.ts';

const answerCount = 2_000;
const unseen = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

let answer: (response: ServerResponse) => void = (response) => response.end();
const server = createServer((request, response) => {
  request.resume();
  request.on('end', () => answer(response));
});
beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
afterAll(() => void server.close().closeAllConnections());

it('arbitrary responses result in a sensible outcome', async () => {
  const client = startClient();
  for (let index = 0; index < answerCount; index++) {
    const random = Random.ofItem(testSeed, index);
    const status = random.chance(0.6)
      ? 200
      : random.pick([201, 204, 299, 300, 304, 400, 401, 404, 413, 415, 429, 500, 503, 599, 999]);
    const headers = hostileHeaders(random);
    const body = hostileBody(random);
    answer = (response) => response.writeHead(status, headers).end(body);
    const outcome = await client.send(Buffer.from('{}'), new AbortController().signal);
    checkOutcome(
      outcome,
      `seed ${testSeed}, answer ${index}: ${status} ${JSON.stringify(headers)} ${JSON.stringify(body.toString('latin1').slice(0, 500))} gave ${JSON.stringify(outcome)}`,
    );
  }
});

it('an endless body is read only up to a limit', async () => {
  for (const status of [200, 400, 503]) {
    let sentBytes = 0;
    const closed = Promise.withResolvers<void>();
    answer = (response) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      const piece = Buffer.alloc(65_536, ' ');
      const send = (): void => {
        while (response.writable && !response.destroyed && response.write(piece)) sentBytes += piece.length;
      };
      response.on('drain', send).on('close', closed.resolve);
      send();
    };
    checkOutcome(await startClient().send(Buffer.from('{}'), new AbortController().signal), `status ${status}`);
    await closed.promise;
    expect(sentBytes).toBeLessThan(64 * 1024 * 1024);
  }
});

it('a body that is announced but never sent ends with the timeout', async () => {
  answer = (response) => void response.writeHead(200, { 'content-length': '1000000' }).write('x');
  const outcome = await startClient(200).send(Buffer.from('{}'), new AbortController().signal);
  expect(outcome.status).toBe('unavailable');
});

it('counts of rejected records are whole numbers', async () => {
  const client = startClient();
  for (const [count, rejected] of [
    ['1.5', 2],
    ['"0.25"', 1],
    ['"3"', 3],
    ['1e400', Number.POSITIVE_INFINITY],
    ['-1', 0],
    ['"x"', 0],
    ['{}', 0],
  ] as const) {
    answer = (response) =>
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(`{"partialSuccess":{"rejectedLogRecords":${count}}}`);
    const outcome = await client.send(Buffer.from('{}'), new AbortController().signal);
    expect(outcome.status === 'partial' ? outcome.rejectedCount : 0, count).toBe(rejected);
  }
});

function startClient(requestTimeoutMs = 10_000) {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = createOtlpClient(jsonOptions(url, { requestTimeoutMs }), systemClock);
  onTestFinished(() => client.close());
  return client;
}

function checkOutcome(outcome: ExportOutcome, description: string): void {
  const texts = JSON.parse(
    JSON.stringify(outcome, (_key, value) => (value instanceof Error ? { message: value.message } : value)),
    (_key, value) => {
      if (typeof value === 'string') {
        expect(value.length, description).toBeLessThan(6_000);
        expect(unseen.test(value), description).toBe(false);
      }
      return value;
    },
  );
  expect(['accepted', 'partial', 'rejected', 'tooLarge', 'unavailable', 'misconfigured'], description).toContain(
    texts.status,
  );
  if (outcome.status === 'partial') {
    expect(outcome.rejectedCount, description).toBeGreaterThanOrEqual(1);
    expect(
      Number.isInteger(outcome.rejectedCount) || outcome.rejectedCount === Number.POSITIVE_INFINITY,
      description,
    ).toBe(true);
  }
  if (outcome.status === 'unavailable')
    expect(outcome.waitAtLeastMs >= 0 && outcome.waitAtLeastMs <= 300_000, description).toBe(true);
}

function hostileHeaders(random: Random): Record<string, string> {
  const text = () =>
    hostileText(random)
      .replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, '')
      .slice(0, 3_000);
  return {
    'content-type': random.pick([
      'application/json',
      'application/x-protobuf',
      'text/html',
      'text/plain; charset=x',
      '',
      text(),
    ]),
    'retry-after': random.pick(['1', '-1', '99999999999999999999', '1.5', 'Thu, 01 Jan 2099 00:00:00 GMT', text()]),
    ...(random.chance(0.1) ? { 'content-encoding': random.pick(['gzip', 'x', 'deflate, gzip']) } : {}),
    ...(random.chance(0.1) ? { location: text(), 'www-authenticate': text() } : {}),
  };
}

function hostileBody(random: Random): Buffer {
  switch (random.below(8)) {
    case 0:
      return Buffer.alloc(0);
    case 1:
      return random.bytes(random.size(300));
    case 2:
      return Buffer.from(
        `{"partialSuccess":{"rejectedLogRecords":${random.pick([hostileNumber(random), JSON.stringify(hostileText(random)), '{}', '[1]', 'null'])},"errorMessage":${JSON.stringify(hostileText(random))}}}`,
      );
    case 3:
      return Buffer.from(
        JSON.stringify({ code: 3, message: hostileText(random), error: { message: hostileText(random) } }),
      );
    case 4: // google.rpc.Status or a partial success, truncated or with wrong lengths
      return Buffer.concat([
        Buffer.from(random.pick(['0803', '0a', '12', '0a04', '0a020801', '1203', '0a0b08ffffffffffffffffff01']), 'hex'),
        random.bytes(random.size(40)),
      ]);
    case 5:
      return gzipSync(hostileText(random));
    case 6:
      return Buffer.from(`<html>${hostileText(random)}</html>`.repeat(1 + random.size(2_000)));
    default:
      return Buffer.from(hostileText(random));
  }
}
