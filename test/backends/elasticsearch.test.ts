/**
 * Answers of Elasticsearch that must not make a record count as missing.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { expect, it, onTestFinished } from 'vitest';
import { createElasticsearch } from '../../src/backends/elasticsearch.ts';
import { systemClock } from '../../src/runtime/clock.ts';

const never = new AbortController().signal;

async function openWith(answer: (wanted: readonly string[], query: URLSearchParams) => object) {
  const server = createServer(async (request, response) => {
    const { query } = (await json(request)) as { query: { bool: { should: [{ ids: { values: string[] } }] } } };
    const { searchParams } = new URL(request.url ?? '/', 'http://localhost');
    response.end(JSON.stringify(answer(query.bool.should[0].ids.values, searchParams)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  const backend = createElasticsearch({ name: 'Elasticsearch', url, headers: {}, clock: systemClock }, 'logs-*');
  return await backend.open({ serviceName: undefined, serviceInstanceId: undefined, ranges: [] }, never);
}

it.each([
  ['timed out', { timed_out: true, _shards: { failed: 0 } }],
  ['failed in a shard', { timed_out: false, _shards: { failed: 1 } }],
])('a search that %s proves nothing', async (_, incomplete) => {
  let isPartAllowed: string | null = '';
  const records = await openWith((_wanted, query) => {
    isPartAllowed = query.get('allow_partial_search_results');
    return { ...incomplete, hits: { hits: [] } };
  });
  await expect(records.missing(['a'], never)).rejects.toMatchObject({
    code: 'ERR_BACKEND_READ',
    message: 'Elasticsearch searched only a part of logs-*',
  });
  expect(isPartAllowed).toBe('false');
});

it('finds a record although others have more copies than a search returns', async () => {
  const copies = Array.from({ length: 12_000 }, () => ({ _id: 'random', fields: { 'log.record.uid': ['many'] } }));
  const records = await openWith((wanted) => {
    const hits = [
      ...(wanted.includes('many') ? copies : []),
      ...wanted.filter((uid) => uid === 'one').map((_id) => ({ _id })),
    ];
    return { timed_out: false, _shards: { failed: 0 }, hits: { hits: hits.slice(0, 10_000) } };
  });
  expect(await records.missing(['many', 'two', 'one'], never)).toEqual(['two']);
  expect(records.repeatedCount).toBe(9_999);
});
