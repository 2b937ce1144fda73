/**
 * Notifications the whole way, from the PUT to the record: moto and MiniStack send what S3, SNS and EventBridge send. And dead letters in
 * their buckets.
 */
import {
  ListObjectsV2Command,
  type NotificationConfiguration,
  PutBucketNotificationConfigurationCommand,
} from '@aws-sdk/client-s3';
import { CreateQueueCommand, GetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Environment } from '../../support/agent-process.ts';
import { expectNothingLost, repeatedUids } from '../../support/deliveries.ts';
import { auditLines, deliveryKey, s3Place } from '../../support/delivery-place.ts';
import { answers, startOtlpReceiver } from '../../support/otlp-receiver.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { runBuiltAgent, startBuiltAgent } from './built-agent.ts';
import { startMiniStack } from './ministack.ts';
import { enforcePolicy, type RealS3Server, startMoto } from './moto.ts';

const region = 'us-east-1';

interface ServerKind {
  readonly name: string;
  readonly start: () => Promise<RealS3Server>;
  readonly account: string;
}
const moto: ServerKind = { name: 'moto', start: startMoto, account: '123456789012' };
const miniStack: ServerKind = { name: 'MiniStack', start: startMiniStack, account: '000000000000' };
const servers = [moto, miniStack];

type Wiring = (wired: Wired) => Promise<void>;
interface Wired {
  readonly server: RealS3Server;
  readonly bucket: string;
  readonly queueArn: string;
  readonly topicArn: string;
}
const wirings: readonly (readonly [string, Wiring])[] = [
  [
    'from S3',
    (wired) =>
      notify(wired, {
        QueueConfigurations: [{ QueueArn: wired.queueArn, Events: ['s3:ObjectCreated:*', 's3:ObjectRemoved:*'] }],
      }),
  ],
  ['through SNS', (wired) => throughSns(wired, false)],
  ['through SNS with raw delivery', (wired) => throughSns(wired, true)],
  ['from EventBridge', throughEventBridge],
];

describe.each(servers)('a bucket of $name with a queue', (kind) => {
  it.each(wirings)('ships what notifications %s name, and leaves the queue empty', async (_, wire) => {
    const { wired, place, environment, receiver, messageCount } = await scene(kind);
    await wire(wired);
    const agent = startBuiltAgent(['run'], environment);
    await agent.until('the sweep has ended, after which only notifications find objects', async () =>
      agent.log.some(({ msg }) => msg === 'Waiting for the first delivery'),
    );
    const key = deliveryKey('1', 'auditlogs 1+ü%.json');
    const [first, more] = [auditLines(5), auditLines(7)];
    for (const lines of [first, more]) {
      await place.deliver(key, lines);
      await agent.until('they arrived', () => receiver.accepted.length >= lines.length, 60_000);
    }
    await wired.server.delete(wired.bucket, key);
    await agent.until('the queue is empty', async () => (await messageCount()) === 0, 60_000);
    const { code, log } = await agent.stop();
    expect(code).toBe(0);
    expectNothingLost(receiver, more);
    expect(repeatedUids(receiver)).toEqual([]);
    expect(log.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('gives messages back when it stops, and the next process ends them', async () => {
    const { wired, place, environment, receiver, visibleCount, messageCount } = await scene(kind);
    const agent = startBuiltAgent(['run'], environment);
    await agent.logged('Waiting for the first delivery');
    receiver.answerWhen(() => true, answers.status(503));
    await notify(wired, { QueueConfigurations: [{ QueueArn: wired.queueArn, Events: ['s3:ObjectCreated:*'] }] });
    // As many as the agent works on at once, so it does not poll meanwhile. Both servers would give the messages to a poll that was aborted.
    const keys = Array.from({ length: 6 }, (_, index) => deliveryKey('1', `auditlogs_${index}.json`));
    for (const [index, key] of keys.entries()) await place.deliver(key, auditLines(1, index));
    const heldCount = async () => (await messageCount()) - (await visibleCount());
    await agent.until('it holds all of them', async () => (await heldCount()) === keys.length, 60_000);
    await agent.until('one is refused', () => receiver.requests.length > 0, 60_000);
    expect((await agent.stop()).code).toBe(0);
    expect(await visibleCount()).toBe(keys.length);
    receiver.acceptAgain();
    const next = startBuiltAgent(['run'], environment);
    await next.until('the queue is empty', async () => (await messageCount()) === 0, 150_000);
    await next.stop();
    expectNothingLost(receiver, auditLines(keys.length));
    expect(repeatedUids(receiver)).toEqual([]);
  });
});

// Of moto only: a user of MiniStack received messages although its policy denied it.
describe('check with a queue of moto that enforces permissions', () => {
  const s3Statement = { Effect: 'Allow', Action: ['s3:ListBucket', 's3:GetObject'], Resource: '*' };
  const needed = ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:ChangeMessageVisibility'];

  it.each([...needed, undefined])('names %s if it is missing', async (missing) => {
    const { wired, place, environment, receiver } = await scene(moto);
    await place.deliver(deliveryKey(), auditLines(1));
    expect(receiver.accepted).toHaveLength(0);
    const actions = needed.filter((action) => action !== missing);
    const identity = await enforcePolicy(wired.server, [
      s3Statement,
      { Effect: 'Allow', Action: actions, Resource: wired.queueArn },
    ]);
    const { code, stdout } = await runBuiltAgent(['check'], { ...environment, ...identity });
    expect(code, stdout).toBe(missing === undefined ? 0 : 1);
    expect(stdout).toContain(
      missing === undefined ? 'can be followed' : `Allow ${missing} on arn:aws:sqs:*:${moto.account}:deliveries`,
    );
    if (missing === undefined) expect(stdout).toContain('not checked (requires sqs:GetQueueAttributes)');
  });
});

describe.each(servers)('dead letters in a bucket of $name', (kind) => {
  it('are written, counted, checked and replayed once, by two replays at the same time', async () => {
    const { wired, place, environment, receiver } = await scene(kind);
    const { server } = wired;
    await server.createBucket('letters');
    const withLetters = {
      ...environment,
      DATABRICKS_AUDIT_DEAD_LETTERS: 's3://letters/audit',
      DATABRICKS_AUDIT_BATCH_RECORDS: '2',
    };
    await place.deliver(deliveryKey(), auditLines(12));
    const refuse = receiver.answerWhen(
      ({ records }) => records.some(({ body = '' }) => /request-(3|8|11)"/.test(body)),
      answers.status(400, 'too long'),
    );
    expect((await runBuiltAgent(['ship'], withLetters)).code).toBe(1);
    expect(receiver.accepted).toHaveLength(9);
    expect((await runBuiltAgent(['check'], withLetters)).stdout).toContain(
      'dead letters can be kept in s3://letters/audit',
    );
    expect((await runBuiltAgent(['status'], withLetters)).stdout).toMatch(/HTTP 400 +3 +HTTP 400: too long/);
    refuse();
    const replays = await Promise.all([1, 2].map(() => runBuiltAgent(['replay', '--json'], withLetters)));
    const results = replays.map(({ stdout }) => JSON.parse(stdout));
    expect(results[0].acceptedCount + results[1].acceptedCount).toBe(3);
    expectNothingLost(receiver, auditLines(12));
    expect(repeatedUids(receiver)).toEqual([]);
    expect(receiver.accepted).toHaveLength(12);
    const left = await server.client.send(new ListObjectsV2Command({ Bucket: 'letters' }));
    expect(left.Contents ?? []).toEqual([]);
  });
});

async function scene({ start, account }: ServerKind) {
  const server = await start();
  const bucket = 'audit';
  const place = await s3Place(server, bucket);
  const receiver = await startOtlpReceiver();
  onTestFinished(() => receiver.close());
  const client = new SQSClient({
    endpoint: server.url,
    region,
    credentials: { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' },
  });
  onTestFinished(() => client.destroy());
  const { QueueUrl = '' } = await client.send(new CreateQueueCommand({ QueueName: 'deliveries' }));
  const attributes = async () =>
    (await client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }))).Attributes ?? {};
  const environment: Environment = {
    ...place.environment,
    AWS_ENDPOINT_URL_SQS: server.url,
    DATABRICKS_AUDIT_SOURCE: place.source,
    DATABRICKS_AUDIT_QUEUE: QueueUrl,
    DATABRICKS_AUDIT_STATE: temporaryDirectory(),
    DATABRICKS_AUDIT_LOOKBACK: '36500d',
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
  };
  return {
    wired: {
      server,
      bucket,
      queueArn: `arn:aws:sqs:${region}:${account}:deliveries`,
      topicArn: `arn:aws:sns:${region}:${account}:deliveries`,
    },
    place,
    receiver,
    environment,
    visibleCount: async () => Number((await attributes()).ApproximateNumberOfMessages),
    async messageCount() {
      const { ApproximateNumberOfMessages, ApproximateNumberOfMessagesNotVisible } = await attributes();
      return Number(ApproximateNumberOfMessages) + Number(ApproximateNumberOfMessagesNotVisible);
    },
  };
}

async function notify({ server, bucket: Bucket }: Wired, to: NotificationConfiguration): Promise<void> {
  await server.client.send(new PutBucketNotificationConfigurationCommand({ Bucket, NotificationConfiguration: to }));
}

async function throughSns(wired: Wired, isRaw: boolean): Promise<void> {
  const { server, queueArn, topicArn } = wired;
  await query(server, 'sns', { Action: 'CreateTopic', Name: 'deliveries' });
  await query(server, 'sns', {
    Action: 'Subscribe',
    TopicArn: topicArn,
    Protocol: 'sqs',
    Endpoint: queueArn,
    'Attributes.entry.1.key': 'RawMessageDelivery',
    'Attributes.entry.1.value': String(isRaw),
  });
  await notify(wired, { TopicConfigurations: [{ TopicArn: topicArn, Events: ['s3:ObjectCreated:*'] }] });
}

async function throughEventBridge(wired: Wired): Promise<void> {
  const { server, queueArn } = wired;
  const call = (target: string, body: object) =>
    send(server.url, 'events', JSON.stringify(body), {
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': `AWSEvents.${target}`,
    });
  await call('PutRule', { Name: 'deliveries', EventPattern: JSON.stringify({ source: ['aws.s3'] }) });
  await call('PutTargets', { Rule: 'deliveries', Targets: [{ Id: 'queue', Arn: queueArn }] });
  await notify(wired, { EventBridgeConfiguration: {} });
}

function query({ url }: RealS3Server, service: string, parameters: Readonly<Record<string, string>>): Promise<void> {
  const body = new URLSearchParams({ Version: '2010-03-31', ...parameters }).toString();
  return send(url, service, body, { 'content-type': 'application/x-www-form-urlencoded' });
}

/** Both take the service of a request from its signature, but do not verify that until permissions are enforced. */
async function send(
  url: string,
  service: string,
  body: string,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  const authorization = `AWS4-HMAC-SHA256 Credential=AKIA/20260101/${region}/${service}/aws4_request, SignedHeaders=host, Signature=0`;
  const response = await fetch(url, { method: 'POST', body, headers: { ...headers, authorization } });
  if (!response.ok) throw new Error(`${service} answered ${response.status}: ${await response.text()}`);
}
