/**
 * The agent, a Collector with the Elasticsearch exporter, and a real Elasticsearch: typical queries on audit logs find their events
 * in the data stream.
 */
import { expect, it } from 'vitest';
import { auditLines, deliveryKey, directoryPlace } from '../../support/delivery-place.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { sampleDelivery, shipAll } from './built-agent.ts';
import { dataStream, type ElasticDocument, startElasticCollector, startElasticsearch } from './elasticsearch.ts';
import { type SampleRecord, sampleRecordsWhere } from './sample-records.ts';

const questions: readonly (readonly [string, object, (record: SampleRecord) => boolean])[] = [
  ['of a user', { term: { 'user.email': 'analyst@example.com' } }, ({ email }) => email === 'analyst@example.com'],
  ['from an address', { term: { 'client.address': '203.0.113.10' } }, ({ address }) => address === '203.0.113.10'],
  [
    'from a network',
    { term: { 'source.ip': '203.0.113.0/24' } },
    ({ address = '' }) => address.startsWith('203.0.113.'),
  ],
  ['with a status', { range: { 'http.response.status_code': { gte: 400 } } }, ({ status = 0 }) => status >= 400],
  ['with a parameter', { term: { 'databricks.request.params.scope': 'etl' } }, ({ params }) => params.scope === 'etl'],
  [
    'of a workspace',
    { term: { 'databricks.workspace.id': '2345678901234567' } },
    ({ workspaceId }) => workspaceId === '2345678901234567',
  ],
  ['of an action', { term: { 'event.action': 'login' } }, ({ action }) => action === 'login'],
  [
    'of authentication',
    { term: { 'event.category': 'authentication' } },
    ({ action }) => /^(login|logout|tokenLogin|IpAccessDenied|samlLogin)$/.test(action),
  ],
  [
    'that failed',
    { term: { 'event.outcome': 'failure' } },
    ({ status = 0, error }) => status >= 400 || error !== undefined,
  ],
];

it('a real Elasticsearch finds the events of the sample delivery with typical queries', async () => {
  const elasticsearch = await startElasticsearch();
  await ship(sampleDelivery, (await startElasticCollector(elasticsearch)).url);
  expect(await elasticsearch.search({ match_all: {} })).toHaveLength(15);
  for (const [title, query, matches] of questions) {
    const wanted = sampleRecordsWhere(matches).map(({ requestId }) => requestId);
    expect(wanted.length, title).toBeGreaterThan(0);
    expect((await elasticsearch.search(query)).map(requestIdOf).toSorted(), title).toEqual(wanted.toSorted());
  }
});

it('a real Elasticsearch has every field of a record, with the uid of the line as id', async () => {
  const elasticsearch = await startElasticsearch();
  const place = directoryPlace();
  const record = {
    requestParams: { scope: 'etl', nested: { key: 1 } },
    sourceIPAddress: '203.0.113.7:4711',
    userIdentity: { email: 'analyst@example.com' },
    response: { statusCode: 403, errorMessage: 'no' },
  };
  await place.deliver(deliveryKey(), auditLines(1, 0, record));
  await ship(place.source, (await startElasticCollector(elasticsearch)).url);
  const [document] = await elasticsearch.search({ match_all: {} });
  // The name of the index contains today's date.
  expect(document).toMatchInlineSnapshot(
    { _index: expect.stringContaining(dataStream) },
    `
    {
      "_id": "c33e13da69d75aa9779942a81b4105b445c26880bc4f4094f0d87781502e3ca7",
      "_index": StringContaining "logs-databricks.audit.otel-default",
      "_score": 1,
      "_source": {
        "@timestamp": "1769817600000.0",
        "attributes": {
          "client.address": "203.0.113.7",
          "client.port": 4711,
          "databricks.audit.action.name": "start",
          "databricks.audit.outcome": "denied",
          "databricks.audit.service.name": "clusters",
          "databricks.audit.version": "2.0",
          "databricks.error.message": "no",
          "databricks.principal.name": "analyst@example.com",
          "databricks.principal.type": "user",
          "databricks.request.params": {
            "nested": {
              "key": 1,
            },
            "scope": "etl",
          },
          "databricks.request_id": "request-0",
          "error.type": "403",
          "event.action": "start",
          "event.outcome": "failure",
          "event.provider": "clusters",
          "http.response.status_code": 403,
          "log.file.name": "auditlogs_1.json",
          "log.record.uid": "c33e13da69d75aa9779942a81b4105b445c26880bc4f4094f0d87781502e3ca7",
          "source.ip": "203.0.113.7",
          "user.email": "analyst@example.com",
        },
        "body": {
          "text": "{"version":"2.0","timestamp":1769817600000,"workspaceId":"1","serviceName":"clusters","actionName":"start","requestId":"request-0","requestParams":{"scope":"etl","nested":{"key":1}},"sourceIPAddress":"203.0.113.7:4711","userIdentity":{"email":"analyst@example.com"},"response":{"statusCode":403,"errorMessage":"no"}}",
        },
        "data_stream": {
          "dataset": "databricks.audit.otel",
          "namespace": "default",
          "type": "logs",
        },
        "event_name": "databricks.audit",
        "observed_timestamp": "1769821200000.0",
        "resource": {
          "attributes": {
            "databricks.workspace.id": "1",
            "service.instance.id": "1",
            "service.name": "databricks",
          },
          "schema_url": "https://opentelemetry.io/schemas/1.44.0",
        },
        "scope": {
          "attributes": {
            "elastic.mapping.mode": "otel",
            "encoding.format": "databricks.audit",
          },
          "name": "databricks-audit-otel",
          "schema_url": "https://opentelemetry.io/schemas/1.44.0",
          "version": "4",
        },
        "severity_number": 13,
        "severity_text": "WARN",
      },
    }
  `,
  );
});

async function ship(source: string, endpoint: string): Promise<void> {
  await shipAll({
    DATABRICKS_AUDIT_SOURCE: source,
    DATABRICKS_AUDIT_STATE: temporaryDirectory(),
    DATABRICKS_AUDIT_MAPPING: 'databricks-audit,elastic',
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
  });
}

function requestIdOf({ _source }: ElasticDocument): unknown {
  const attributes = _source.attributes as Readonly<Record<string, unknown>>;
  return attributes['databricks.request_id'];
}
