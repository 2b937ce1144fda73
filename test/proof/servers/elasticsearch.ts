/**
 * A real Elasticsearch node, and the Collector with the Elasticsearch exporter in front of it.
 */
import { join } from 'node:path';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { type Collector, startCollector } from './collector.ts';
import { serverDirectory } from './recipes.ts';
import { freePort, type ServerProcess, startServer } from './server-process.ts';

export interface ElasticDocument {
  readonly _id: string;
  readonly _index: string;
  readonly _source: Readonly<Record<string, unknown>>;
}

export interface Elasticsearch extends ServerProcess {
  readonly url: string;
  request(method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: object): Promise<unknown>;
  /** All documents of the data stream that match a query, up to 10,000. */
  search(query: object): Promise<ElasticDocument[]>;
}

/** The data stream that results from the layer `elastic` and the exporter's mode `otel`. */
export const dataStream = 'logs-databricks.audit.otel-default';

export async function startElasticsearch(): Promise<Elasticsearch> {
  const directory = serverDirectory('elasticsearch');
  const [port, transportPort, data] = [await freePort(), await freePort(), temporaryDirectory()];
  const home = join(directory, 'home');
  const url = `http://127.0.0.1:${port}`;
  const server = await startServer({
    command: 'java',
    arguments: [
      ...['-Xms256m', '-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'],
      ...[`-Djava.io.tmpdir=${data}`, `-Djna.library.path=${join(directory, 'native')}`],
      ...['--module-path', join(home, 'lib'), '--add-modules=ALL-MODULE-PATH', '-cp', join(directory, 'classes')],
      ...['EsNode', home, data, String(port), String(transportPort)],
    ],
    readyUrl: `${url}/_cluster/health?wait_for_status=yellow`,
  });
  const request: Elasticsearch['request'] = (method, path, body) => requestJson(url, method, path, body);
  await request('PUT', '/_index_template/databricks-audit', indexTemplate);
  return Object.assign(server, { url, request, search: (query: object) => search(request, query) });
}

/**
 * It responds once Elasticsearch has responded: setting `batcher.enabled` to any value makes the exporter synchronous. By default, it
 * gives up after two retries, and drops a document whose shard is not available yet.
 */
export function startElasticCollector({ url }: Elasticsearch): Promise<Collector> {
  const elasticsearch = {
    endpoint: url,
    mapping: { mode: 'otel' },
    logs_dynamic_id: { enabled: true },
    logs_dynamic_index: { enabled: true },
    batcher: { enabled: false },
    retry: { enabled: true, max_retries: 1_000, max_interval: '2s', retry_on_status: [429, 500, 502, 503, 504] },
  };
  return startCollector({ program: 'collector-elastic', exporters: { elasticsearch } });
}

/** Elasticsearch has a built-in one for `logs-*.otel-*`, but this node has no built-in templates. */
const indexTemplate = {
  index_patterns: ['logs-*.otel-*'],
  data_stream: {},
  priority: 500,
  template: {
    settings: { number_of_replicas: 0 },
    mappings: {
      properties: {
        attributes: { type: 'passthrough', dynamic: true, priority: 10 },
        resource: { properties: { attributes: { type: 'passthrough', dynamic: true, priority: 20 } } },
      },
      dynamic_templates: [
        { addresses: { path_match: ['attributes.source.ip', 'attributes.client.address'], mapping: { type: 'ip' } } },
        {
          maps: {
            path_match: ['attributes.*', 'resource.attributes.*'],
            match_mapping_type: 'object',
            mapping: { type: 'flattened' },
          },
        },
        { texts: { match_mapping_type: 'string', mapping: { type: 'keyword', ignore_above: 1024 } } },
      ],
    },
  },
};

async function search(request: Elasticsearch['request'], query: object): Promise<ElasticDocument[]> {
  await request('POST', `/${dataStream}/_refresh`);
  const answer = await request('POST', `/${dataStream}/_search`, { size: 10_000, query });
  return (answer as { readonly hits: { readonly hits: readonly ElasticDocument[] } }).hits.hits.slice();
}

async function requestJson(url: string, method: string, path: string, body: object | undefined): Promise<unknown> {
  const response = await fetch(`${url}${path}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return JSON.parse(text);
}
