/**
 * The agent and an independent S3 server.
 */
import { Readable } from 'node:stream';
import { PutBucketVersioningCommand } from '@aws-sdk/client-s3';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Environment } from '../../support/agent-process.ts';
import { expectNothingLost, repeatedUids } from '../../support/deliveries.ts';
import { auditLines, type DeliveryPlace, deliveryKey, s3Place } from '../../support/delivery-place.ts';
import { type OtlpReceiver, startOtlpReceiver } from '../../support/otlp-receiver.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { runBuiltAgent, shipAll, startBuiltAgent } from './built-agent.ts';
import { startCollector } from './collector.ts';
import { enforcePolicy, type RealS3Server, startMoto } from './moto.ts';

describe('a bucket of moto', () => {
  it('is followed: only the added lines of overwritten objects are shipped', async () => {
    const { place, environment, receiver } = await scene(await startMoto());
    const [first, added] = [auditLines(20), auditLines(5, 20)];
    const deliveries = [first, [...first, ...added], [...added, ...first], [...first, ...added, ...auditLines(1, 99)]];
    const agent = startBuiltAgent(['run'], environment);
    const visits = () => agent.log.filter(({ msg, status }) => msg === 'Object visited' && status === 'settled').length;
    for (const [index, lines] of deliveries.entries()) {
      const visitsBefore = visits();
      // The compressed object shows that both are read byte for byte.
      await place.deliver(deliveryKey('1'), lines);
      await place.deliver(deliveryKey('2', 'auditlogs_2.json.gz'), auditLines(3 * (index + 1), 1_000));
      await agent.until('both were read completely', () => visits() >= visitsBefore + 2, 60_000);
    }
    expect((await agent.stop()).code).toBe(0);
    const wanted = [...first, ...added, ...auditLines(1, 99), ...auditLines(12, 1_000)];
    expectNothingLost(receiver, wanted);
    expect(receiver.accepted).toHaveLength(wanted.length);
    expect(repeatedUids(receiver)).toEqual([]);
  });
});

describe('a bucket of moto with versions', () => {
  it('may be versioned: the current version counts, and a deleted object has no effect', async () => {
    const server = await startMoto();
    const { place, environment, receiver, bucket } = await scene(server);
    const VersioningConfiguration = { Status: 'Enabled' } as const;
    await server.client.send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration }));
    await place.deliver(deliveryKey('1'), auditLines(4));
    await place.deliver(deliveryKey('2'), auditLines(4, 100));
    await shipAll(environment);
    await place.deliver(deliveryKey('1'), auditLines(6));
    await server.delete(bucket, deliveryKey('2'));
    await shipAll(environment);
    await place.deliver(deliveryKey('2'), auditLines(5, 100));
    await shipAll(environment);
    expect(receiver.accepted.map(({ body }) => body).toSorted()).toEqual(
      [...auditLines(6), ...auditLines(5, 100)].toSorted(),
    );
  });
});

describe('a bucket of moto that enforces permissions', () => {
  const bucketArn = 'arn:aws:s3:::audit';
  const list = { Effect: 'Allow', Action: 's3:ListBucket', Resource: bucketArn };
  const get = { Effect: 'Allow', Action: 's3:GetObject', Resource: `${bucketArn}/*` };

  it('requires s3:ListBucket and s3:GetObject, and nothing else', async () => {
    const { environment, receiver } = await sceneWithPolicy([list, get]);
    const checked = await runBuiltAgent(['check'], environment);
    expect(checked.code, checked.stdout).toBe(0);
    await shipAll(environment);
    expect(receiver.accepted).toHaveLength(4);
  });

  it.each([
    ['s3:ListBucket', [get]],
    ['s3:GetObject', [list]],
  ])('is diagnosed by check if %s is missing, and nothing is lost', async (action, statements) => {
    const { environment, receiver } = await sceneWithPolicy(statements);
    const checked = await runBuiltAgent(['check'], environment);
    expect(checked.code).toBe(1);
    expect(checked.stdout).toContain(`Allow ${action} on ${bucketArn}`);
    const shipped = await runBuiltAgent(['ship'], environment);
    expect(shipped.code).not.toBe(0);
    expect(receiver.accepted).toHaveLength(0);
  });

  async function sceneWithPolicy(statements: readonly object[]): Promise<Scene> {
    const server = await startMoto();
    const made = await scene(server, 'audit');
    await made.place.deliver(deliveryKey(), auditLines(4));
    const identity = await enforcePolicy(server, statements);
    return { ...made, environment: { ...made.environment, ...identity } };
  }
});

describe('a large bucket of moto', () => {
  it('is listed in pages, and thousands of objects are shipped once', async () => {
    const { place, environment, receiver } = await scene(await startMoto());
    const lines = auditLines(2_100);
    await inTurns(lines.entries(), 16, async ([index, line]) => {
      await place.deliver(deliveryKey(String(index % 2), `auditlogs_${index}.json`), [line]);
    });
    await shipAll(environment);
    const { stderr } = await runBuiltAgent(['ship'], environment);
    expect(stderr).toContain('2,100 objects unchanged');
    expectNothingLost(receiver, lines);
    expect(receiver.accepted).toHaveLength(lines.length);
  });

  it('may contain an object of 1 GiB: it is shipped, and after an overwrite the added line', async () => {
    const lineBytes = 4_096;
    const lineCount = 2 ** 30 / lineBytes;
    const server = await startMoto();
    const collector = await startCollector({ exporters: { nop: {} } });
    const arrivedCount = () => collector.metric('otelcol_receiver_accepted_log_records');
    const { environment, bucket } = await scene(server);
    const withCollector = { ...environment, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url };
    for (const count of [lineCount, lineCount + 1]) {
      const body = Readable.from(longLines(count, lineBytes), { objectMode: false });
      await server.putStream(bucket, deliveryKey(), body, count * lineBytes);
      await shipAll(withCollector);
      expect(await arrivedCount()).toBe(count);
    }
  }, 1_800_000);
});

interface Scene {
  readonly bucket: string;
  readonly place: DeliveryPlace;
  readonly environment: Environment;
  readonly receiver: OtlpReceiver;
}

async function scene(server: RealS3Server, bucket?: string): Promise<Scene> {
  const place = await s3Place(server, bucket);
  const receiver = await startOtlpReceiver();
  onTestFinished(() => receiver.close());
  const environment = {
    ...place.environment,
    DATABRICKS_AUDIT_SOURCE: place.source,
    DATABRICKS_AUDIT_STATE: temporaryDirectory(),
    DATABRICKS_AUDIT_LOOKBACK: '36500d',
    OTEL_LOG_LEVEL: 'debug',
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
  };
  return { bucket: place.source.slice('s3://'.length), place, environment, receiver };
}

/** Lines of exactly this length, including line feeds. */
function* longLines(count: number, lineBytes: number): Generator<Buffer> {
  for (let index = 0; index < count; index++) {
    const [line = ''] = auditLines(1, index, { requestParams: { padding: '' } });
    const padding = 'x'.repeat(lineBytes - line.length - 1);
    yield Buffer.from(`${line.slice(0, -'"}}'.length)}${padding}"}}\n`);
  }
}

/** At most `width` at a time. */
async function inTurns<Item>(
  items: Iterable<Item>,
  width: number,
  action: (item: Item) => Promise<void>,
): Promise<void> {
  const iterator = Iterator.from(items);
  const worker = async () => {
    for (const item of iterator) await action(item);
  };
  await Promise.all(Array.from({ length: width }, worker));
}
