/**
 * Notifications of S3 in each of the shapes in which they arrive in a queue.
 */
export interface Notified {
  readonly bucket: string;
  readonly key: string;
  /** `ObjectCreated:Put` by default. */
  readonly eventName?: string;
  readonly eventTime?: string;
}

const eventTimeDefault = '2026-03-10T12:00:00.000Z';

/** As AWS encodes keys in S3 events: as in an HTML form, except for the slash. */
export function encodeKey(key: string): string {
  return encodeURIComponent(key)
    .replaceAll('%20', '+')
    .replaceAll('%2F', '/')
    .replaceAll(/[!'()]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
}

export function s3Record({ bucket, key, eventName = 'ObjectCreated:Put', eventTime = eventTimeDefault }: Notified) {
  return {
    eventVersion: '2.1',
    eventSource: 'aws:s3',
    awsRegion: 'eu-west-1',
    eventTime,
    eventName,
    s3: {
      s3SchemaVersion: '1.0',
      configurationId: 'deliveries',
      bucket: { name: bucket, ownerIdentity: { principalId: 'A' }, arn: `arn:aws:s3:::${bucket}` },
      object: {
        key: encodeKey(key),
        size: 1024,
        eTag: 'd41d8cd98f00b204e9800998ecf8427e',
        sequencer: '0055AED6DCD90281E5',
      },
    },
  };
}

/** From S3 directly, or through SNS with raw delivery. */
export function s3Event(...notified: readonly Notified[]): string {
  return JSON.stringify({ Records: notified.map(s3Record) });
}

export function snsEnvelope(message: string): string {
  return JSON.stringify({
    Type: 'Notification',
    MessageId: '22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324',
    TopicArn: 'arn:aws:sns:eu-west-1:123456789012:deliveries',
    Subject: 'Amazon S3 Notification',
    Message: message,
    Timestamp: eventTimeDefault,
    SignatureVersion: '1',
    Signature: 'EXAMPLE',
  });
}

export function eventBridgeEvent({
  bucket,
  key,
  eventName = 'Object Created',
  eventTime = eventTimeDefault,
}: Notified): string {
  return JSON.stringify({
    version: '0',
    id: '17793124-05d4-b198-2fde-7ededc63b103',
    'detail-type': eventName,
    source: 'aws.s3',
    account: '123456789012',
    time: eventTime,
    region: 'eu-west-1',
    resources: [`arn:aws:s3:::${bucket}`],
    detail: {
      version: '0',
      bucket: { name: bucket },
      object: { key, size: 5, etag: 'b1946ac92492d2347c6235b4d2611184', sequencer: '00617F08299329D189' },
      'request-id': 'N4N7GDK58NMKJ12R',
      reason: 'PutObject',
    },
  });
}

export const testEvent = JSON.stringify({
  Service: 'Amazon S3',
  Event: 's3:TestEvent',
  Time: eventTimeDefault,
  Bucket: 'audit',
  RequestId: '5582815E1AEA5ADF',
  HostId: '8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR+YstdA6Knx4Ip8EXAMPLE',
});

export const subscriptionConfirmation = JSON.stringify({
  Type: 'SubscriptionConfirmation',
  MessageId: '165545c9-2a5c-472c-8df2-7ff2be2b3b1b',
  Token: 'TOKEN-EXAMPLE',
  TopicArn: 'arn:aws:sns:eu-west-1:123456789012:deliveries',
  Message: 'You have chosen to subscribe to the topic.',
  SubscribeURL: 'https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=TOKEN-EXAMPLE',
});
