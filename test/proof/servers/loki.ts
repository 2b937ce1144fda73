/**
 * A real Loki, with all of its components in one process.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { serverDirectory } from './recipes.ts';
import { freePort, type ServerProcess, startServer } from './server-process.ts';

export interface LokiEntry {
  readonly timeUnixNano: string;
  readonly line: string;
  /** Stream labels and structured metadata. */
  readonly labels: Readonly<Record<string, string>>;
}

export interface Loki extends ServerProcess {
  readonly url: string;
  /** For OTEL_EXPORTER_OTLP_ENDPOINT and a Collector's `otlp_http`. */
  readonly otlpUrl: string;
  /** All entries that a LogQL query returns, in order of time. */
  query(logql: string, range?: TimeRange): Promise<LokiEntry[]>;
  /** Restarts it with other settings, on the same data. */
  restartWith(limits: Settings, ingester?: Settings): Promise<void>;
}

/** Loki searches every day of it, so it is as short as the test allows. */
export interface TimeRange {
  readonly from: Date;
  readonly to: Date;
}

/** The time range of `auditLines`, and of the sample delivery except for one old object. */
const januaryAndFebruary: TimeRange = { from: new Date('2026-01-01'), to: new Date('2026-03-01') };

type Settings = Readonly<Record<string, unknown>>;

/** What docs/backends.md recommends for a first start with days or years of backfill. */
export const recommendedLimits = {
  reject_old_samples: false,
  shard_streams: { enabled: true, time_sharding_enabled: true, desired_rate: '100GB' },
  per_stream_rate_limit: '100MB',
  per_stream_rate_limit_burst: '200MB',
};

/**
 * What it recommends after a first start without those settings: records stay in the same streams, so repeats of what was already
 * stored are recognised.
 */
export const recommendedAfterwards = {
  limits: { reject_old_samples: false, shard_streams: { enabled: false } },
  ingester: { max_chunk_age: '8760h' },
};

/**
 * @param limits `limits_config`, in addition to Loki's defaults.
 * @param parts such as `ruler`, beside what every test needs.
 */
export async function startLoki(limits: Settings = {}, parts: Settings = {}): Promise<Loki> {
  const data = temporaryDirectory();
  const [port, grpcPort] = [await freePort(), await freePort()];
  const configFile = join(data, 'loki.yaml');
  const configure = (newLimits: Settings, ingester: Settings = {}) =>
    writeFileSync(configFile, stringify({ ...configuration(data, port, grpcPort, newLimits, ingester), ...parts }));
  configure(limits);
  const url = `http://127.0.0.1:${port}`;
  const server = await startServer({
    command: join(serverDirectory('loki'), 'loki'),
    arguments: [`-config.file=${configFile}`],
    readyUrl: `${url}/ready`,
  });
  return Object.assign(server, {
    url,
    otlpUrl: `${url}/otlp`,
    query: query.bind(undefined, url),
    async restartWith(newLimits: Settings, ingester?: Settings) {
      await server.stop();
      configure(newLimits, ingester);
      await server.start();
    },
  });
}

function configuration(data: string, port: number, grpcPort: number, limits: Settings, ingester: Settings) {
  const ring = { kvstore: { store: 'inmemory' } };
  return {
    auth_enabled: false,
    server: {
      http_listen_address: '127.0.0.1',
      http_listen_port: port,
      grpc_listen_address: '127.0.0.1',
      grpc_listen_port: grpcPort,
      log_level: 'warn',
    },
    common: {
      instance_addr: '127.0.0.1',
      path_prefix: data,
      replication_factor: 1,
      ring,
      storage: { filesystem: { chunks_directory: join(data, 'chunks'), rules_directory: join(data, 'rules') } },
    },
    schema_config: {
      configs: [
        {
          from: '2015-01-01',
          store: 'tsdb',
          object_store: 'filesystem',
          schema: 'v13',
          index: { prefix: 'index_', period: '24h' },
        },
      ],
    },
    // With one process for everything, records older than 2h41m are not found until their chunk is flushed.
    ingester: {
      query_store_max_look_back_period: '87600h',
      lifecycler: { min_ready_duration: '0s', final_sleep: '0s' },
      ...ingester,
    },
    querier: { query_ingesters_within: 0 },
    query_range: { cache_results: false },
    query_scheduler: { use_scheduler_ring: false },
    frontend: { encoding: 'protobuf' },
    // So that one query of a test returns everything.
    limits_config: {
      max_entries_limit_per_query: 1_000_000,
      max_query_length: 0,
      max_query_lookback: 0,
      split_queries_by_interval: 0,
      ...limits,
    },
    analytics: { reporting_enabled: false },
  };
}

async function query(url: string, logql: string, range = januaryAndFebruary): Promise<LokiEntry[]> {
  const parameters = new URLSearchParams({
    query: logql,
    start: range.from.toISOString(),
    end: range.to.toISOString(),
    limit: '1000000',
    direction: 'forward',
  });
  const response = await fetch(`${url}/loki/api/v1/query_range?${parameters}`);
  if (!response.ok) throw new Error(`Loki answered ${response.status} to ${logql}: ${await response.text()}`);
  const { data } = (await response.json()) as QueryAnswer;
  return data.result
    .flatMap(({ stream, values }) => values.map(([timeUnixNano, line]) => ({ timeUnixNano, line, labels: stream })))
    .toSorted((one, other) => Number(BigInt(one.timeUnixNano) - BigInt(other.timeUnixNano)));
}

interface QueryAnswer {
  readonly data: {
    readonly result: readonly {
      readonly stream: Readonly<Record<string, string>>;
      readonly values: readonly (readonly [string, string])[];
    }[];
  };
}
