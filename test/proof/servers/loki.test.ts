/**
 * The agent and a real Loki, directly and behind a Collector: typical LogQL queries on audit logs find their events.
 */
import { describe, expect, it } from 'vitest';
import type { Environment } from '../../support/agent-process.ts';
import { auditLines, deliveryKey, directoryPlace } from '../../support/delivery-place.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { runBuiltAgent, sampleDelivery, shipAll } from './built-agent.ts';
import { startCollector } from './collector.ts';
import { type Loki, type LokiEntry, recommendedLimits, startLoki } from './loki.ts';
import { type SampleRecord, sampleRecordsWhere } from './sample-records.ts';

const questions: readonly (readonly [string, string, (record: SampleRecord) => boolean])[] = [
  [
    'of a workspace',
    '{service_instance_id="2345678901234567"}',
    ({ workspaceId }) => workspaceId === '2345678901234567',
  ],
  ['of the account level', '{service_instance_id="0"}', ({ workspaceId }) => workspaceId === '0'],
  [
    'of a user',
    '{service_name="databricks"} | user_email="analyst@example.com"',
    ({ email }) => email === 'analyst@example.com',
  ],
  [
    'of a service principal',
    '{service_name="databricks"} | databricks_principal_type="service_principal"',
    ({ email = '' }) => /^[0-9a-f-]{36}$/.test(email),
  ],
  [
    'of an action',
    '{service_name="databricks"} | databricks_audit_action_name="login"',
    ({ action }) => action === 'login',
  ],
  ['that failed', '{service_name="databricks"} | http_response_status_code >= 400', ({ status = 0 }) => status >= 400],
  [
    'from a network',
    '{service_name="databricks"} | client_address = ip("203.0.113.0/24")',
    ({ address = '' }) => address.startsWith('203.0.113.'),
  ],
  [
    'with a parameter',
    '{service_name="databricks"} | databricks_request_params_scope="etl"',
    ({ params }) => params.scope === 'etl',
  ],
];

describe.each([
  { name: 'directly', way: async (loki: Loki) => loki.otlpUrl },
  {
    name: 'behind a Collector',
    way: async (loki: Loki) => (await startCollector({ exporters: { otlp_http: { endpoint: loki.otlpUrl } } })).url,
  },
])('a real Loki, $name', ({ way }) => {
  it('finds the events of the sample delivery with typical queries', async () => {
    const loki = await startLoki(recommendedLimits);
    await shipAll({ ...lokiEnvironment(await way(loki)), DATABRICKS_AUDIT_SOURCE: sampleDelivery });
    await expect.poll(() => loki.query('{service_name="databricks"}'), { timeout: 60_000 }).toHaveLength(13);
    const firstYear = { from: new Date('2018-01-01'), to: new Date('2018-02-01') };
    expect(await loki.query('{service_name="databricks"}', firstYear)).toHaveLength(2);
    for (const [title, logql, matches] of questions) {
      const wanted = sampleRecordsWhere((record) => record.year === 2026 && matches(record)).map(
        ({ requestId }) => requestId,
      );
      expect(wanted.length, title).toBeGreaterThan(0);
      expect(requestIds(await loki.query(logql)), title).toEqual(wanted.toSorted());
    }
  });

  it('has every field of a record, and the event name', async () => {
    const loki = await startLoki(recommendedLimits);
    const place = directoryPlace();
    const params = '{"a.b":1,"a_b":2,"a":{"b":9007199254740993},"list":[1,"x"],"truncated":"no"}';
    const [line = ''] = auditLines(1, 0, {
      requestParams: '…',
      sourceIPAddress: '203.0.113.7:4711',
      userAgent: 'curl/8',
      userIdentity: { email: 'analyst@example.com' },
      response: { statusCode: 403, errorMessage: 'no' },
    });
    const delivered = line.replace('"…"', params);
    await place.deliver(deliveryKey(), [delivered, 'not JSON']);
    await shipAll({ ...lokiEnvironment(await way(loki)), DATABRICKS_AUDIT_SOURCE: place.source });
    await expect.poll(() => loki.query('{service_name="databricks"}'), { timeout: 60_000 }).toHaveLength(2);
    const [entry] = await loki.query('{service_name="databricks"} | event_name="databricks.audit"');
    expect(entry).toMatchInlineSnapshot(`
      {
        "labels": {
          "__time_shard__": "1769817600_1769821200",
          "client_address": "203.0.113.7",
          "client_port": "4711",
          "databricks_audit_action_name": "start",
          "databricks_audit_outcome": "denied",
          "databricks_audit_service_name": "clusters",
          "databricks_audit_version": "2.0",
          "databricks_error_message": "no",
          "databricks_principal_name": "analyst@example.com",
          "databricks_principal_type": "user",
          "databricks_request_id": "request-0",
          "databricks_request_params_a_b": "1",
          "databricks_request_params_a_b_2": "2",
          "databricks_request_params_a_b_3": "9007199254740993",
          "databricks_request_params_list": "[1,"x"]",
          "databricks_request_params_truncated": "no",
          "databricks_workspace_id": "1",
          "detected_level": "warn",
          "encoding_format": "databricks.audit",
          "error_type": "403",
          "event_name": "databricks.audit",
          "http_response_status_code": "403",
          "log_file_name": "auditlogs_1.json",
          "log_record_uid": "f3307ad53d67a90b7ffb3ac9b81cde49445bc979bad6201e121d7d6709c30c93",
          "observed_timestamp": "1769821200000000000",
          "scope_name": "databricks-audit-otel",
          "scope_version": "4",
          "service_instance_id": "1",
          "service_name": "databricks",
          "severity_number": "13",
          "severity_text": "WARN",
          "user_agent_original": "curl/8",
          "user_email": "analyst@example.com",
        },
        "line": "{"version":"2.0","timestamp":1769817600000,"workspaceId":"1","serviceName":"clusters","actionName":"start","requestId":"request-0","requestParams":{"a.b":1,"a_b":2,"a":{"b":9007199254740993},"list":[1,"x"],"truncated":"no"},"sourceIPAddress":"203.0.113.7:4711","userAgent":"curl/8","userIdentity":{"email":"analyst@example.com"},"response":{"statusCode":403,"errorMessage":"no"}}",
        "timeUnixNano": "1769817600000000000",
      }
    `);
    const unparsed = await loki.query('{service_name="databricks"} | event_name="databricks.audit.unparsed"');
    expect(unparsed).toMatchObject([{ line: 'not JSON', labels: { databricks_audit_unparsed_reason: 'not JSON' } }]);
  });
});

describe('a real Loki', () => {
  it('passes check, to which it responds with 422', async () => {
    const loki = await startLoki();
    const { code, stdout } = await runBuiltAgent(['check'], {
      ...lokiEnvironment(loki.otlpUrl),
      DATABRICKS_AUDIT_SOURCE: sampleDelivery,
    });
    expect(stdout).toContain('it rejects an empty request (HTTP 422');
    expect(code).toBe(0);
  });
});

function lokiEnvironment(endpoint: string): Environment {
  return {
    DATABRICKS_AUDIT_STATE: temporaryDirectory(),
    DATABRICKS_AUDIT_MAPPING: 'databricks-audit,loki',
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
  };
}

function requestIds(entries: readonly LokiEntry[]): string[] {
  return entries.map(({ labels }) => labels.databricks_request_id ?? '').toSorted();
}
