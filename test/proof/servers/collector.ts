/**
 * A real OpenTelemetry Collector with one pipeline: OTLP over HTTP and gRPC to the exporters that a test gives it.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { serverDirectory } from './recipes.ts';
import { freePort, type ServerProcess, startServer } from './server-process.ts';

/** Its responses to a GET, without and with authentication. */
const methodNotAllowed = 405;
const unauthorized = 401;

export interface CollectorParts {
  /** `collector-elastic` is older, and has the Elasticsearch exporter. */
  readonly program?: 'collector' | 'collector-elastic';
  /** By name in the configuration, like the others. */
  readonly exporters: Readonly<Record<string, unknown>>;
  readonly extensions?: Readonly<Record<string, unknown>>;
  /** What its receiver asks of requests, and its path for logs. */
  readonly receiver?: { readonly auth?: { readonly authenticator: string }; readonly logs_url_path?: string };
}

export interface Collector extends ServerProcess {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly url: string;
  /** The same for gRPC. */
  readonly grpcUrl: string;
  /** One of its own metrics, such as `otelcol_exporter_queue_size`: the sum over all exporters. */
  metric(name: string): Promise<number>;
}

export async function startCollector({
  program = 'collector',
  exporters,
  extensions = {},
  receiver = {},
}: CollectorParts): Promise<Collector> {
  const configFile = join(temporaryDirectory(), 'collector.yaml');
  const [port, grpcPort, metricsPort] = [await freePort(), await freePort(), await freePort()];
  const prometheus = { host: '127.0.0.1', port: metricsPort };
  const configuration = {
    receivers: {
      otlp: {
        protocols: {
          http: { endpoint: `127.0.0.1:${port}`, ...receiver },
          grpc: { endpoint: `127.0.0.1:${grpcPort}` },
        },
      },
    },
    exporters,
    extensions,
    service: {
      telemetry: { metrics: { readers: [{ pull: { exporter: { prometheus } } }] } },
      extensions: Object.keys(extensions),
      pipelines: { logs: { receivers: ['otlp'], exporters: Object.keys(exporters) } },
    },
  };
  writeFileSync(configFile, stringify(configuration));
  const metricsUrl = `http://127.0.0.1:${metricsPort}/metrics`;
  const server = await startServer({
    command: join(serverDirectory(program), 'otelcol'),
    arguments: ['--config', configFile],
    // Its receiver starts after all exporters and their queues; its metrics are available before.
    readyUrl: `http://127.0.0.1:${port}${receiver.logs_url_path ?? '/v1/logs'}`,
    readyStatus: receiver.auth === undefined ? methodNotAllowed : unauthorized,
  });
  return Object.assign(server, {
    url: `http://127.0.0.1:${port}`,
    grpcUrl: `http://127.0.0.1:${grpcPort}`,
    metric: (name: string) => readMetric(metricsUrl, name),
  });
}

/** What a durable queue requires: the extension, and the exporter setting that refers to it. */
export function durableQueue(): { extensions: Readonly<Record<string, unknown>>; sendingQueue: object } {
  const directory = temporaryDirectory();
  return {
    extensions: { file_storage: { directory } },
    sendingQueue: { enabled: true, storage: 'file_storage', queue_size: 10_000, num_consumers: 2 },
  };
}

/** The sum over all of a metric's series. */
export async function readMetric(url: string, name: string): Promise<number> {
  const text = await (await fetch(url)).text();
  const samples = text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  return samples.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}
