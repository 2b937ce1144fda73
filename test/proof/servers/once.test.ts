/**
 * Every line once in the backend: objects are overwritten while the agent, the Collector with its durable queue, and the backend are
 * repeatedly killed and restarted. At the end, the backend has exactly what is in the bucket.
 *
 * Loki guarantees less: it lost a whole request that it had acknowledged with 204 when it was killed 1.2 s later. A packet capture has
 * the request and the response, and no query finds its lines after the restart. No sender can know that, so the agent and the
 * Collector are held to what Loki acknowledged: every line, and no line twice. `reconcile --against loki` names what Loki lost.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { auditLines, deliveryKey, s3Place } from '../../support/delivery-place.ts';
import { startS3Server } from '../../support/s3-server.ts';
import { testSeed } from '../../support/seed.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { shipAll, startBuiltAgent } from './built-agent.ts';
import { durableQueue, startCollector } from './collector.ts';
import { startElasticCollector, startElasticsearch } from './elasticsearch.ts';
import { recommendedLimits, startLoki } from './loki.ts';
import { startRecordingProxy } from './recording-proxy.ts';
import type { ServerProcess } from './server-process.ts';

interface Backend {
  /** What else is killed besides agent and Collector. */
  readonly servers: readonly Pick<ServerProcess, 'kill' | 'start'>[];
  readonly otlpUrl: string;
  readonly mapping: string;
  /** @param wanted the lines in the bucket, sorted. */
  expectEachOnce(wanted: readonly string[]): Promise<void>;
}

it.each([
  { name: 'Loki', start: lokiBackend },
  { name: 'Elasticsearch', start: elasticBackend },
])(
  'every line is once in $name, whatever is killed',
  async ({ start }) => {
    const random = seededRandom();
    const backend = await start();
    const { extensions, sendingQueue } = durableQueue();
    // Without a time limit: by default, the Collector would drop what it accepted after five minutes.
    const retry = { initial_interval: '200ms', max_interval: '1s', max_elapsed_time: 0 };
    const otlp_http = { endpoint: backend.otlpUrl, sending_queue: sendingQueue, retry_on_failure: retry };
    const collector = await startCollector({ extensions, exporters: { otlp_http } });

    const queueSize = () => collector.metric('otelcol_exporter_queue_size');

    const s3 = await startS3Server();
    onTestFinished(() => s3.stop());
    const place = await s3Place(s3);
    const environment = {
      ...place.environment,
      DATABRICKS_AUDIT_SOURCE: place.source,
      DATABRICKS_AUDIT_STATE: temporaryDirectory(),
      DATABRICKS_AUDIT_LOOKBACK: '36500d',
      DATABRICKS_AUDIT_BATCH_RECORDS: '10',
      DATABRICKS_AUDIT_MAPPING: backend.mapping,
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    };

    let agent = startBuiltAgent(['run'], environment);
    const restarts = [
      async () => {
        await agent.kill();
        agent = startBuiltAgent(['run'], environment);
      },
      ...[collector, ...backend.servers].map((server) => async () => {
        await server.kill();
        await delay(500 * random());
        await server.start();
      }),
    ];

    const contents = new Map(
      ['1', '2'].flatMap((id) =>
        ['a', 'b'].map((name) => [deliveryKey(id, `auditlogs_${name}.json`), [] as readonly string[]] as const),
      ),
    );
    async function deliver(round: number): Promise<void> {
      for (const [index, [key, lines]] of [...contents].entries()) {
        const content = overwritten(lines, auditLines(40, 1_000 * index + 100 * round, { key }), index + round);
        contents.set(key, content);
        await place.deliver(key, content);
      }
    }

    for (let round = 0; round < 6; round += 2) {
      await deliver(round);
      for (const restart of shuffled(restarts, random)) {
        await delay(1_500 * random());
        await restart();
      }
      // The Collector dies with records that it accepted and could not pass on, and that the agent knows as accepted.
      await Promise.all(backend.servers.map((server) => server.kill()));
      await deliver(round + 1);
      await agent.until('the Collector holds records', async () => (await queueSize()) > 0, 60_000);
      await agent.stop();
      await collector.kill();
      await collector.start();
      agent = startBuiltAgent(['run'], environment);
      for (const server of backend.servers) await server.start();
    }
    await agent.kill();
    await shipAll(environment);
    await expect.poll(queueSize, { timeout: 120_000 }).toBe(0);
    const wanted = [...contents.values()].flat().toSorted();
    await backend.expectEachOnce(wanted);
  },
  1_800_000,
);

async function lokiBackend(): Promise<Backend> {
  const loki = await startLoki(recommendedLimits);
  const proxy = await startRecordingProxy(loki.otlpUrl);
  const server = {
    async kill() {
      await loki.kill();
      proxy.killed();
    },
    start: () => loki.start(),
  };
  const lines = async () => (await loki.query('{service_name="databricks"}')).map(({ line }) => line).toSorted();
  return {
    servers: [server],
    otlpUrl: proxy.url,
    mapping: 'databricks-audit,loki',
    async expectEachOnce(wanted) {
      expect([...proxy.acknowledged].toSorted()).toEqual(wanted);
      // It has everything that it acknowledged, unless it was killed after that.
      await expect.poll(async () => proxy.acknowledgedSinceKill.difference(new Set(await lines())).size).toBe(0);
      const found = await lines();
      const isFound = new Set(found);
      expect(found).toEqual(wanted.filter((line) => isFound.has(line)));
      console.log(`Loki has ${found.length} of ${wanted.length} lines that it acknowledged.`);
    },
  };
}

async function elasticBackend(): Promise<Backend> {
  const elasticsearch = await startElasticsearch();
  const exporter = await startElasticCollector(elasticsearch);
  const lines = async () => {
    const documents = await elasticsearch.search({ match_all: {} });
    return documents.map(({ _source }) => (_source.body as { readonly text: string }).text);
  };
  return {
    servers: [elasticsearch, exporter],
    otlpUrl: exporter.url,
    mapping: 'databricks-audit,elastic',
    async expectEachOnce(wanted) {
      await expect.poll(async () => new Set(await lines()).size).toBe(wanted.length);
      expect((await lines()).toSorted()).toEqual(wanted);
    },
  };
}

/** Nothing is ever removed, so the bucket at the end contains everything that was ever there. */
function overwritten(lines: readonly string[], added: readonly string[], way: number): readonly string[] {
  switch (way % 3) {
    case 0:
      return [...lines, ...added];
    case 1:
      return [...added, ...lines];
    default:
      return [...lines.toReversed(), ...added];
  }
}

/** Numbers from 0 to 1 that depend on the seed alone (mulberry32). */
function seededRandom(): () => number {
  let state = testSeed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  return items
    .map((item) => ({ item, order: random() }))
    .toSorted((one, other) => one.order - other.order)
    .map(({ item }) => item);
}
