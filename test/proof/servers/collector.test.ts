/**
 * The agent and a real Collector: the Collector writes exactly what the agent sent.
 */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Environment } from '../../support/agent-process.ts';
import { type OtlpLogsRequest, plainAttributes, plainValue, recordsOf } from '../../support/otlp-decode.ts';
import { answers, startOtlpReceiver } from '../../support/otlp-receiver.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { runBuiltAgent, sampleDelivery, shipAll, startBuiltAgent } from './built-agent.ts';
import { type Collector, startCollector } from './collector.ts';

const sampleRecordCount = 15;

describe('a real Collector', () => {
  it.each([
    ['http/protobuf', 'none'],
    ['http/protobuf', 'gzip'],
    ['http/protobuf', 'zstd'],
    ['http/json', 'none'],
    ['http/json', 'gzip'],
    ['grpc', 'none'],
    ['grpc', 'gzip'],
  ])('gets every field of every record (%s, %s)', async (protocol, compression) => {
    const { collector, arrived } = await startWritingCollector();
    await shipAll({
      ...sampleEnvironment(),
      OTEL_EXPORTER_OTLP_ENDPOINT: protocol === 'grpc' ? collector.grpcUrl : collector.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
      OTEL_EXPORTER_OTLP_COMPRESSION: compression,
    });
    const records = await arrived(sampleRecordCount);
    expect(records).toEqual(await recordsOnTheConsole());
    const scheduledRun = records.find(({ fields }) => String(fields.body).includes('9007199254740993'));
    expect(scheduledRun).toMatchInlineSnapshot(
      { fields: { observedTimeUnixNano: expect.any(String) } },
      `
      {
        "attributes": {
          "databricks.audit.action.name": "runNow",
          "databricks.audit.level": "WORKSPACE_LEVEL",
          "databricks.audit.max_log_message_length": 16384n,
          "databricks.audit.outcome": "success",
          "databricks.audit.service.name": "jobs",
          "databricks.audit.version": "2.0",
          "databricks.principal.name": "System-User",
          "databricks.principal.type": "system",
          "databricks.request.params": {
            "jobTriggerType": "cron",
            "job_id": 9007199254740993n,
            "runId": "771",
          },
          "databricks.request_id": "ServiceMain-8a1c2b3e07ea",
          "databricks.response.result": "{"run_id":771}",
          "databricks.shard.name": "oregon",
          "http.response.status_code": 200n,
          "log.file.name": "auditlogs_a41f.json",
          "log.record.uid": "45899e61a4d3b737897e1ef19c422e6ef84cc8f6560607f4409eaca5a39dc21f",
          "user.name": "System-User",
        },
        "fields": {
          "body": "{"version":"2.0","auditLevel":"WORKSPACE_LEVEL","timestamp":1769764800000,"orgId":1234567890123456,"workspaceId":"1234567890123456","shardName":"oregon","accountId":"11111111-2222-3333-4444-555555555555","sourceIPAddress":null,"userAgent":null,"sessionId":null,"userIdentity":{"email":"System-User","subjectName":null},"serviceName":"jobs","actionName":"runNow","requestId":"ServiceMain-8a1c2b3e07ea","requestParams":{"job_id":9007199254740993,"jobTriggerType":"cron","runId":"771"},"response":{"statusCode":200,"result":"{\\"run_id\\":771}"},"MAX_LOG_MESSAGE_LENGTH":16384}",
          "eventName": "databricks.audit",
          "observedTimeUnixNano": Any<String>,
          "severityNumber": 9,
          "severityText": "INFO",
          "timeUnixNano": "1769764800000000000",
        },
        "resource": {
          "databricks.account.id": "11111111-2222-3333-4444-555555555555",
          "databricks.workspace.id": "1234567890123456",
          "service.instance.id": "1234567890123456",
          "service.name": "databricks",
        },
        "scope": {
          "attributes": {
            "encoding.format": "databricks.audit",
          },
          "name": "databricks-audit-otel",
          "version": "4",
        },
      }
    `,
    );
  });

  it('gets records with OTEL_RESOURCE_ATTRIBUTES on them', async () => {
    const { collector, arrived } = await startWritingCollector();
    await shipAll({
      ...sampleEnvironment(),
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=production',
      OTEL_SERVICE_NAME: 'databricks-emea',
    });
    for (const { resource } of await arrived(sampleRecordCount)) {
      expect(resource).toMatchObject({
        'deployment.environment.name': 'production',
        'service.name': 'databricks-emea',
      });
    }
  });

  it('reads dead-letter files directly: each record is the one that was rejected', async () => {
    const receiver = await startOtlpReceiver();
    onTestFinished(() => receiver.close());
    receiver.answerWhen(({ records }) => records.length > 0, answers.status(400, 'not today'));
    const deadLetters = temporaryDirectory();
    const { code } = await runBuiltAgent(['ship'], {
      ...sampleEnvironment(),
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      DATABRICKS_AUDIT_DEAD_LETTERS: deadLetters,
    });
    expect(code).toBe(1);

    const { collector, arrived } = await startWritingCollector();
    const letters = globSync(join(deadLetters, '*.jsonl')).flatMap(readLines);
    expect(letters).toHaveLength(sampleRecordCount);
    for (const letter of letters) {
      expect(JSON.parse(letter)).toMatchObject({ deadLetter: { version: 2, protocol: 'http', code: 400 } });
      const headers = { 'content-type': 'application/json' };
      const answer = await fetch(`${collector.url}/v1/logs`, { method: 'POST', headers, body: letter });
      expect(await answer.json()).toEqual({ partialSuccess: {} });
    }
    expect(await arrived(sampleRecordCount)).toEqual(await recordsOnTheConsole());
  });

  it('passes check, and check says what to do if it is down', async () => {
    const { collector } = await startWritingCollector();
    const environment = { ...sampleEnvironment(), OTEL_EXPORTER_OTLP_ENDPOINT: collector.url };
    const up = await runBuiltAgent(['check'], environment);
    expect(up.stdout).toContain(`${collector.url}/v1/logs accepts OTLP logs`);
    expect(up.code).toBe(0);
    await collector.kill();
    const down = await runBuiltAgent(['check'], environment);
    expect(down.stdout).toContain('Check that the collector is running');
    expect(down.code).toBe(1);
  });

  it('passes check over gRPC, and check recognises a port of the other protocol', async () => {
    const { collector } = await startWritingCollector();
    const check = (protocol: string, url: string) =>
      runBuiltAgent(['check'], {
        ...sampleEnvironment(),
        OTEL_EXPORTER_OTLP_ENDPOINT: url,
        OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
      });
    const up = await check('grpc', collector.grpcUrl);
    expect(up.stdout).toContain(`${collector.grpcUrl} accepts OTLP logs`);
    expect(up.code).toBe(0);
    const httpToGrpc = await check('http/protobuf', collector.grpcUrl);
    expect(httpToGrpc.stdout).toContain('OTEL_EXPORTER_OTLP_PROTOCOL=grpc');
    expect(httpToGrpc.code).toBe(1);
    const grpcToHttp = await check('grpc', collector.url);
    expect(grpcToHttp.stdout).toContain('OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf');
    expect(grpcToHttp.code).toBe(1);
  });

  it('that stops and starts again gets every record over gRPC, although the agent is killed meanwhile', async () => {
    const path = join(temporaryDirectory(), 'arrived.jsonl');
    // Without `append`, the exporter would empty the file when it starts again.
    const collector = await startCollector({ exporters: { file: { path, flush_interval: '100ms', append: true } } });
    await collector.stop();
    const environment = {
      ...sampleEnvironment(),
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.grpcUrl,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
      DATABRICKS_AUDIT_BATCH_RECORDS: '1',
      DATABRICKS_AUDIT_HTTP: 'off',
    };
    const uids = () => new Set(plainRecords(readLines(path)).map(uidOf));
    const outage = 'Collector does not accept records; shipping pauses, nothing is lost';

    const killed = startBuiltAgent(['run'], environment);
    await killed.logged(outage);
    await killed.kill();
    const agent = startBuiltAgent(['run'], environment);
    await agent.logged(outage);
    await collector.start();
    await agent.until('the first records have arrived', () => uids().size > 0);
    await collector.stop();
    await collector.start();
    await agent.until('every record has arrived', () => uids().size === sampleRecordCount);
    await agent.kill();
    expect(uids()).toEqual(new Set((await recordsOnTheConsole()).map(uidOf)));
  });
});

/** A record for comparison: attributes by name, without what OTLP/JSON omits or writes empty. */
interface PlainRecord {
  readonly resource: Readonly<Record<string, unknown>>;
  readonly scope: {
    readonly name: string;
    readonly version: string | undefined;
    readonly attributes: Readonly<Record<string, unknown>>;
  };
  readonly fields: Readonly<Record<string, unknown>>;
  readonly attributes: Readonly<Record<string, unknown>>;
}

function sampleEnvironment(): Environment {
  return { DATABRICKS_AUDIT_SOURCE: sampleDelivery, DATABRICKS_AUDIT_STATE: temporaryDirectory() };
}

async function recordsOnTheConsole(): Promise<PlainRecord[]> {
  const { stdout } = await runBuiltAgent(['ship'], { ...sampleEnvironment(), OTEL_LOGS_EXPORTER: 'console' });
  return plainRecords(stdout.trimEnd().split('\n'));
}

async function startWritingCollector(): Promise<{
  readonly collector: Collector;
  arrived(count: number): Promise<PlainRecord[]>;
}> {
  const path = join(temporaryDirectory(), 'arrived.jsonl');
  const collector = await startCollector({ exporters: { file: { path, flush_interval: '100ms' } } });
  return {
    collector,
    async arrived(count) {
      await expect.poll(() => plainRecords(readLines(path)), { timeout: 60_000 }).toHaveLength(count);
      return plainRecords(readLines(path));
    },
  };
}

function readLines(path: string): string[] {
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];
}

/** In an order that does not depend on the order of requests. */
function plainRecords(requests: readonly string[]): PlainRecord[] {
  return requests
    .flatMap((text) => recordsOf(JSON.parse(text) as OtlpLogsRequest))
    .map(({ record: { attributes, body, ...fields }, resource, scope }) => ({
      resource: plainAttributes(resource.attributes),
      scope: { name: scope.name, version: scope.version, attributes: plainAttributes(scope.attributes ?? []) },
      fields: { ...fields, body: body === undefined ? undefined : plainValue(body) },
      attributes: plainAttributes(attributes),
    }))
    .toSorted((one, other) => compareText(uidOf(one), uidOf(other)));
}

function uidOf({ attributes }: PlainRecord): string {
  return String(attributes['log.record.uid']);
}

function compareText(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
