/**
 * Delivery locations, so that the same tests run against a directory and a bucket, with a matching environment for the agent.
 */
import { mkdirSync, renameSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { onTestFinished } from 'vitest';
import type { Environment } from './agent-process.ts';
import type { AzureServer } from './object-servers/azure-server.ts';
import type { GcsServer } from './object-servers/gcs-server.ts';
import { type OtlpReceiver, type OtlpReceiverOptions, startOtlpReceiver } from './otlp-receiver.ts';
import type { S3Server } from './s3-server.ts';
import { temporaryDirectory } from './temporary-directory.ts';

export interface DeliveryPlace {
  /** A value for DATABRICKS_AUDIT_SOURCE. */
  readonly source: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Creates or overwrites an object atomically; compresses it if the key ends in `.gz`. */
  deliver(key: string, lines: readonly string[]): Promise<void>;
}

/** A delivery location, a collector, and the environment of an agent that ships from one to the other. */
export interface DeliveryScene {
  readonly place: DeliveryPlace;
  readonly receiver: OtlpReceiver;
  readonly stateDirectory: string;
  readonly environment: Environment;
}

/** Small limits, so that a few lines make several batches and requests. */
export const smallBatches = { records: 3, inFlight: 2 };

export async function deliveryScene(place: DeliveryPlace, more: Environment = {}): Promise<DeliveryScene> {
  const receiver = await receiverForTest();
  const stateDirectory = temporaryDirectory();
  const environment = {
    ...place.environment,
    DATABRICKS_AUDIT_SOURCE: place.source,
    DATABRICKS_AUDIT_STATE: stateDirectory,
    // Test dates are fixed. Beyond the look-back the state forgets lines, and a rewritten object would be shipped again.
    DATABRICKS_AUDIT_LOOKBACK: '36500d',
    DATABRICKS_AUDIT_BATCH_RECORDS: String(smallBatches.records),
    DATABRICKS_AUDIT_MAX_IN_FLIGHT: String(smallBatches.inFlight),
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    ...more,
  };
  return { place, receiver, stateDirectory, environment };
}

/** A scene with one object of twelve lines in a directory. */
export async function directoryScene(more: Environment = {}): Promise<DeliveryScene & { lines: readonly string[] }> {
  const place = directoryPlace();
  const lines = auditLines(12);
  await place.deliver(deliveryKey(), lines);
  return { ...(await deliveryScene(place, more)), lines };
}

/** A collector that is closed after the test. */
export async function receiverForTest(options: OtlpReceiverOptions = {}): Promise<OtlpReceiver> {
  const receiver = await startOtlpReceiver(options);
  onTestFinished(() => receiver.close());
  return receiver;
}

/** Objects appear by rename. Each has its own modification time, one hour after the previous one's. */
export function directoryPlace(): DeliveryPlace {
  const root = temporaryDirectory();
  let modifiedAtS = Date.parse('2026-01-31T00:00:00Z') / 1000;
  return {
    source: root,
    environment: {},
    async deliver(key, lines) {
      const path = join(root, key);
      const temporary = join(root, `.${modifiedAtS}.tmp`);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(temporary, contentOf(key, lines));
      modifiedAtS += 3600;
      utimesSync(temporary, modifiedAtS, modifiedAtS);
      renameSync(temporary, path);
    },
  };
}

let bucketCount = 0;

export async function s3Place(
  server: Pick<S3Server, 'createBucket' | 'put' | 'environment'>,
  bucket = `audit-delivery-${++bucketCount}`,
): Promise<DeliveryPlace> {
  await server.createBucket(bucket);
  await server.createBucket(letterBucketOf(bucket));
  return {
    source: `s3://${bucket}`,
    environment: server.environment,
    async deliver(key, lines) {
      await server.put(bucket, key, contentOf(key, lines));
    },
  };
}

/** The bucket for dead letters beside a bucket of deliveries, for agents that share a state. */
export function letterBucketOf(bucket: string): string {
  return `${bucket}-letters`;
}

let containerCount = 0;

/** A bucket or container of an object server. */
export function objectStorePlace(
  { store, environment }: Pick<AzureServer | GcsServer, 'store' | 'environment'>,
  scheme: 'az' | 'gs',
): DeliveryPlace {
  const container = `audit-delivery-${++containerCount}`;
  store.create(container);
  return {
    source: `${scheme}://${container}`,
    environment,
    deliver: async (key, lines) => store.put(container, key, contentOf(key, lines)),
  };
}

/** The bytes of an object with these lines; compressed if the key ends in `.gz`. */
export function contentOf(key: string, lines: readonly string[]): Buffer {
  const text = Buffer.from(lines.map((line) => `${line}\n`).join(''));
  return key.endsWith('.gz') ? gzipSync(text) : text;
}

/** A key in Databricks' layout. */
export function deliveryKey(workspaceId = '1', name = 'auditlogs_1.json', date = '2026-01-31'): string {
  return `workspaceId=${workspaceId}/date=${date}/${name}`;
}

/** Distinct records in order: `auditLines(3)` are the first three, `auditLines(2, 3)` the next two. */
export function auditLines(count: number, from = 0, more: object = {}): string[] {
  return Array.from({ length: count }, (_, index) =>
    JSON.stringify({
      version: '2.0',
      timestamp: 1_769_817_600_000 + from + index,
      workspaceId: '1',
      serviceName: 'clusters',
      actionName: 'start',
      requestId: `request-${from + index}`,
      ...more,
    }),
  );
}
