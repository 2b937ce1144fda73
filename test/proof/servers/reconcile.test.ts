/**
 * `reconcile --against` a real Loki and a real Elasticsearch: compares the backend with what was accepted, and sends again what it
 * has lost.
 */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Environment } from '../../support/agent-process.ts';
import { auditLines, deliveryKey, directoryPlace } from '../../support/delivery-place.ts';
import { startOtlpReceiver } from '../../support/otlp-receiver.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { runBuiltAgent, shipAll } from './built-agent.ts';
import { dataStream, startElasticCollector, startElasticsearch } from './elasticsearch.ts';
import { recommendedLimits, startLoki } from './loki.ts';

interface Backend {
  readonly environment: Environment;
  readonly against: string;
  /** Everything that it stores, in a fixed order. */
  contents(): Promise<readonly unknown[]>;
  /** The backend, or its replacement, after it has lost records that it had acknowledged. */
  lose(): Promise<Backend>;
}

const services = '{service_name="databricks"}';

async function loki(): Promise<Backend> {
  const server = await startLoki(recommendedLimits);
  const { url, otlpUrl } = server;
  return {
    contents: async () => (await server.query(services)).map((entry) => JSON.stringify(entry)).sort(),
    lose: loki, // All of them: an empty one takes its place.
    environment: { OTEL_EXPORTER_OTLP_ENDPOINT: otlpUrl, DATABRICKS_AUDIT_MAPPING: 'databricks-audit,loki' },
    against: `loki=${url}`,
  };
}

async function elasticsearch(): Promise<Backend> {
  const server = await startElasticsearch();
  const { url } = await startElasticCollector(server);
  const backend: Backend = {
    async contents() {
      const documents = await server.search({ match_all: {} });
      return documents.toSorted((one, other) => (one._id < other._id ? -1 : 1));
    },
    async lose() {
      const lost = (await server.search({ match_all: {} })).slice(0, 20);
      for (const { _index, _id } of lost) await server.request('DELETE', `/${_index}/_doc/${encodeURIComponent(_id)}`);
      await server.request('POST', `/${dataStream}/_refresh`);
      return backend;
    },
    environment: { OTEL_EXPORTER_OTLP_ENDPOINT: url, DATABRICKS_AUDIT_MAPPING: 'databricks-audit,elastic' },
    against: `elasticsearch=${server.url}/logs-*`,
  };
  return backend;
}

describe.each([
  { name: 'Loki', start: loki },
  { name: 'Elasticsearch', start: elasticsearch },
])('reconcile against a real $name', ({ start }) => {
  it('finds every accepted line, and names the first that the backend does not have', async () => {
    const backend = await start();
    const place = directoryPlace();
    const environment = {
      ...backend.environment,
      DATABRICKS_AUDIT_SOURCE: place.source,
      DATABRICKS_AUDIT_STATE: temporaryDirectory(),
    };
    const reconcile = () => runBuiltAgent(['reconcile', '--json', '--against', backend.against], environment);
    const lines = auditLines(40);
    await place.deliver(deliveryKey(), lines.slice(0, 30));
    await shipAll(environment);
    await expect.poll(async () => (await reconcile()).code, { timeout: 60_000 }).toBe(0);

    // Ten more lines are accepted by another receiver.
    const elsewhere = await startOtlpReceiver();
    await place.deliver(deliveryKey(), lines);
    await shipAll({ ...environment, OTEL_EXPORTER_OTLP_ENDPOINT: elsewhere.url });
    await elsewhere.close();
    const { code, stdout } = await reconcile();
    expect(code).toBe(1);
    const uid = createHash('sha256')
      .update(lines[30] ?? '')
      .digest('hex');
    expect(stdout).toContain(uid);
  });

  it('sends again what the backend lost, so that it holds the same records as before', async () => {
    const backend = await start();
    const place = directoryPlace();
    const settings = { DATABRICKS_AUDIT_SOURCE: place.source, DATABRICKS_AUDIT_STATE: temporaryDirectory() };
    const reconcile = (of: Backend, ...options: string[]) =>
      runBuiltAgent(['reconcile', '--json', '--against', of.against, ...options], { ...of.environment, ...settings });
    const lines = auditLines(40);
    await place.deliver(deliveryKey(), lines.slice(0, 25));
    await shipAll({ ...backend.environment, ...settings });
    // Overwritten and in another order, so that its lines have two observed times.
    await place.deliver(deliveryKey(), lines.toReversed());
    await shipAll({ ...backend.environment, ...settings });
    await expect.poll(async () => (await reconcile(backend)).code, { timeout: 60_000 }).toBe(0);
    const before = await backend.contents();
    expect(before).toHaveLength(40);

    const robbed = await backend.lose();
    const { code, stdout } = await reconcile(robbed);
    expect(code).toBe(1);
    const { missingInBackendCount } = JSON.parse(stdout).totals;
    expect(missingInBackendCount).toBeGreaterThanOrEqual(20);
    const repaired = await reconcile(robbed, '--repair');
    expect(JSON.parse(repaired.stdout).totals).toMatchObject({
      resentCount: missingInBackendCount,
      resentDifferentlyCount: 0,
      missingInBackendCount: 0,
    });
    expect(repaired.code).toBe(0);
    expect((await reconcile(robbed)).code).toBe(0);
    expect(await robbed.contents()).toEqual(before);
  });
});
