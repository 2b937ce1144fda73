/**
 * `reconcile --against` a real Loki and a real Elasticsearch: compares the backend with what was accepted.
 */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Environment } from '../../support/agent-process.ts';
import { auditLines, deliveryKey, directoryPlace } from '../../support/delivery-place.ts';
import { startOtlpReceiver } from '../../support/otlp-receiver.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { runBuiltAgent, shipAll } from './built-agent.ts';
import { startElasticCollector, startElasticsearch } from './elasticsearch.ts';
import { recommendedLimits, startLoki } from './loki.ts';

interface Backend {
  readonly environment: Environment;
  readonly against: string;
}

async function loki(): Promise<Backend> {
  const { url, otlpUrl } = await startLoki(recommendedLimits);
  return {
    environment: { OTEL_EXPORTER_OTLP_ENDPOINT: otlpUrl, DATABRICKS_AUDIT_MAPPING: 'databricks-audit,loki' },
    against: `loki=${url}`,
  };
}

async function elasticsearch(): Promise<Backend> {
  const server = await startElasticsearch();
  const { url } = await startElasticCollector(server);
  return {
    environment: { OTEL_EXPORTER_OTLP_ENDPOINT: url, DATABRICKS_AUDIT_MAPPING: 'databricks-audit,elastic' },
    against: `elasticsearch=${server.url}/logs-*`,
  };
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
});
