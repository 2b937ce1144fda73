/**
 * Fake Loki and Elasticsearch servers for `reconcile --against`. They implement the parts of the documented APIs that it uses, and
 * hold the records that a receiver has accepted.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import type { ReceivedRecord } from './otlp-receiver.ts';

export interface BackendServer {
  readonly url: string;
  readonly requests: readonly { readonly path: string; readonly headers: IncomingMessage['headers'] }[];
  /** Answers the next request with this status, or cuts its connection. */
  failNext(status: number | 'cut'): void;
}

/** `GET /loki/api/v1/query_range`, forward, with structured metadata among the labels, as Loki returns it by default. */
export function startLokiServer(records: () => readonly ReceivedRecord[]): Promise<BackendServer> {
  return startServer(async (url) => {
    if (url.pathname !== '/loki/api/v1/query_range' || url.searchParams.get('direction') !== 'forward')
      return undefined;
    const selector = /^\{service_name="(.+)",service_instance_id="(.+)"\}$/.exec(url.searchParams.get('query') ?? '');
    const start = BigInt(url.searchParams.get('start') ?? '');
    const end = BigInt(url.searchParams.get('end') ?? '');
    if (end - start > 30n * 86_400_000_000_000n) return undefined;
    const found = records()
      .map((record) => ({
        record,
        time: BigInt(record.record.timeUnixNano ?? record.record.observedTimeUnixNano ?? '0'),
      }))
      .filter(({ record, time }) => {
        const [name, instance] = ['service.name', 'service.instance.id'].map((key) => resourceText(record, key));
        return name === selector?.[1] && instance === selector?.[2] && time >= start && time < end;
      })
      .sort((one, other) => Number(one.time - other.time))
      .slice(0, Number(url.searchParams.get('limit')));
    const result = found.map(({ record, time }) => ({
      stream: { service_name: selector?.[1], log_record_uid: record.uid },
      values: [[String(time), record.body ?? '']],
    }));
    return { status: 'success', data: { resultType: 'streams', result } };
  });
}

/** `POST /<index>/_search` with `ids` and `terms`; documents hold the uid in an attribute or, with the `elastic` layer, in `_id`. */
export function startElasticsearchServer(
  records: () => readonly ReceivedRecord[],
  { uidIsId = false }: { uidIsId?: boolean } = {},
): Promise<BackendServer> {
  return startServer(async (url, request) => {
    if (!url.pathname.endsWith('/_search')) return undefined;
    const { query, size } = (await json(request)) as {
      size: number;
      query: { bool: { should: [{ ids: { values: string[] } }, { terms: Record<string, string[]> }] } };
    };
    const [{ ids }, { terms }] = query.bool.should;
    const [field = '', values = []] = Object.entries(terms)[0] ?? [];
    const hits = records().flatMap(({ uid = '' }, index) => {
      if (uidIsId) return ids.values.includes(uid) ? [{ _id: uid }] : [];
      return values.includes(uid) ? [{ _id: `random-${index}`, fields: { [field]: [uid] } }] : [];
    });
    return { hits: { total: { value: hits.length }, hits: hits.slice(0, size) } };
  });
}

async function startServer(
  answer: (url: URL, request: IncomingMessage) => Promise<object | undefined>,
): Promise<BackendServer> {
  const requests: { path: string; headers: IncomingMessage['headers'] }[] = [];
  const failures: (number | 'cut')[] = [];
  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://localhost');
    requests.push({ path: url.pathname, headers: request.headers });
    const status = failures.shift();
    if (status === 'cut') return void request.socket.resetAndDestroy();
    const found = status === undefined ? await answer(url, request) : undefined;
    response.writeHead(status ?? (found === undefined ? 400 : 200), { 'content-type': 'application/json' });
    response.end(JSON.stringify(found ?? { error: 'not understood' }));
  }
  const server = createServer((request, response) => void handle(request, response).catch(() => response.destroy()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return { url: `http://127.0.0.1:${port}`, requests, failNext: (status) => void failures.push(status) };
}

function resourceText({ resource }: ReceivedRecord, key: string): string | undefined {
  return resource?.attributes.find((attribute) => attribute.key === key)?.value.stringValue;
}
