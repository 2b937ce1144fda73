import { expect, it } from 'vitest';
import { createLoki } from '../../src/backends/loki.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { type BackendServer, startLokiServer } from '../support/backend-servers.ts';
import type { ReceivedRecord } from '../support/otlp-receiver.ts';

const signal = new AbortController().signal;
const startMs = Date.parse('2026-01-31T00:00:00Z');
const span = {
  serviceName: 'databricks',
  serviceInstanceId: '1',
  ranges: [{ fromMs: startMs, toMs: startMs + 3 * 86_400_000 }],
};

/** A record of workspace 1, this long after the start of the span. */
function record(uid: string, afterStartMs: number): ReceivedRecord {
  const resource = ['service.name=databricks', 'service.instance.id=1'].map((text) => {
    const [key = '', stringValue = ''] = text.split('=');
    return { key, value: { stringValue } };
  });
  return {
    uid,
    body: 'the same text',
    record: { timeUnixNano: `${startMs + afterStartMs}000000`, attributes: [] },
    resource: { attributes: resource },
    json: '',
    bytesHash: '',
  };
}

async function ask(server: Pick<BackendServer, 'url'>, pageLines: number, uids: readonly string[]) {
  const loki = createLoki({ name: 'Loki', url: new URL(server.url), headers: {}, clock: systemClock }, pageLines);
  const stored = await loki.open(span, signal);
  const missing = await stored.missing(uids, signal);
  const { repeatedCount } = stored;
  stored.close();
  return { missing, repeatedCount };
}

it('reads all pages and all days of a span, even if a page ends between lines with the same timestamp', async () => {
  const records = Array.from({ length: 50 }, (_, index) => record(`uid-${index}`, Math.floor(index / 4) * 6_000_000));
  const server = await startLokiServer(() => records);
  for (const pageLines of [5, 7, 50, 51]) {
    const uids = [...records.map(({ uid = '' }) => uid), 'uid-absent'];
    expect(await ask(server, pageLines, uids)).toEqual({ missing: ['uid-absent'], repeatedCount: 0 });
  }
});

it('includes the last millisecond of the span, and counts duplicates', async () => {
  const records = [record('last', 3 * 86_400_000), record('twice', 5), record('twice', 6)];
  const server = await startLokiServer(() => records);
  expect(await ask(server, 5, ['last', 'twice'])).toEqual({ missing: [], repeatedCount: 1 });
});

it('fails with an explanation when more lines than fit on a page have the same timestamp', async () => {
  const records = Array.from({ length: 6 }, (_, index) => record(`uid-${index}`, 1000));
  const server = await startLokiServer(() => records);
  await expect(ask(server, 5, [])).rejects.toMatchObject({
    code: 'ERR_BACKEND_READ',
    message: 'Loki holds more than 5 lines with the timestamp 2026-01-31T00:00:01.000Z',
  });
});

it('retries while the server is busy and when it cuts the connection, and reports any other error response', async () => {
  const server = await startLokiServer(() => []);
  server.failNext(429);
  server.failNext('cut');
  expect(await ask(server, 5, ['absent'])).toEqual({ missing: ['absent'], repeatedCount: 0 });
  server.failNext(401);
  await expect(ask(server, 5, [])).rejects.toMatchObject({
    code: 'ERR_BACKEND_READ',
    message: expect.stringMatching(/^Loki returned HTTP 401: /),
    hint: expect.stringContaining('DATABRICKS_AUDIT_AGAINST_HEADERS'),
  });
});

it('says on one line that a server does not use TLS', async () => {
  const { url } = await startLokiServer(() => []);
  await expect(ask({ url: url.replace('http:', 'https:') }, 5, [])).rejects.toMatchObject({
    message: expect.stringMatching(/SSL routines:[^\n\\]*$/),
  });
});
