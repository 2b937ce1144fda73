/**
 * Reads the body of a queue message. S3 events arrive in several shapes, which are told apart by content and never by configuration:
 *
 *     {"Records":[{"s3":{...}}]}                    from S3 directly, or through SNS with raw delivery
 *     {"Type":"Notification","Message":"..."}       the same in an SNS envelope; the text is one of the other shapes
 *     {"source":"aws.s3","detail-type":"..."}       from EventBridge
 *     {"Event":"s3:TestEvent"}                      sent when notifications are configured
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
 */
import { z } from 'zod';

/** An object that was written, or can be read again after it was restored from an archive. */
export interface Hint {
  readonly bucket: string;
  /** The key; then, if it differs, the text as it arrived, because some servers do not encode keys. */
  readonly keys: readonly string[];
  /** When the event occurred, by the clock of S3; undefined if the message does not say. */
  readonly eventTimeMs: number | undefined;
}

export type MessageContent =
  | { readonly kind: 'hints'; readonly hints: readonly Hint[] }
  | { readonly kind: 'test' | 'subscription' | 'removal' | 'other' | 'unknown' };

/** Never throws, whatever the body is. */
export function readMessage(body: string): MessageContent {
  return readText(body, envelopesMax);
}

/** EventBridge through SNS has one; more are not a notification. */
const envelopesMax = 2;

const s3Event = z.object({ Records: z.array(z.unknown()).min(1) });
const s3Record = z.object({
  eventVersion: z.string().optional(),
  eventName: z.string(),
  eventTime: z.string().optional().catch(undefined),
  s3: z.object({
    bucket: z.object({ name: z.string().min(1) }),
    object: z.object({ key: z.string().min(1) }),
  }),
});
const snsEnvelope = z.object({ Type: z.literal('Notification'), Message: z.string() });
const snsSubscription = z.object({ Type: z.enum(['SubscriptionConfirmation', 'UnsubscribeConfirmation']) });
const eventBridgeEvent = z.object({
  source: z.literal('aws.s3'),
  'detail-type': z.string(),
  time: z.string().optional().catch(undefined),
  detail: z.object({
    bucket: z.object({ name: z.string().min(1) }),
    object: z.object({ key: z.string().min(1) }),
  }),
});
const testEvent = z.object({ Event: z.literal('s3:TestEvent') });

function readText(text: string, envelopesLeft: number): MessageContent {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { kind: 'unknown' };
  }
  const event = s3Event.safeParse(value);
  if (event.success) return readRecords(event.data.Records);
  const bridged = eventBridgeEvent.safeParse(value);
  if (bridged.success) return readBridged(bridged.data);
  const envelope = snsEnvelope.safeParse(value);
  if (envelope.success && envelopesLeft > 0) return readText(envelope.data.Message, envelopesLeft - 1);
  if (snsSubscription.safeParse(value).success) return { kind: 'subscription' };
  return { kind: testEvent.safeParse(value).success ? 'test' : 'unknown' };
}

/** One of several records that is unknown makes the message unknown only if no other record is a hint. */
function readRecords(records: readonly unknown[]): MessageContent {
  const contents = records.map(readRecord);
  const hints = contents.flatMap((content) => ('bucket' in content ? [content] : []));
  if (hints.length > 0) return { kind: 'hints', hints };
  const kinds = contents.flatMap((content) => ('kind' in content ? [content.kind] : []));
  return { kind: kinds.find((kind) => kind === 'unknown') ?? kinds[0] ?? 'unknown' };
}

type NotAHint = { readonly kind: 'removal' | 'other' | 'unknown' };

function readRecord(value: unknown): Hint | NotAHint {
  const parsed = s3Record.safeParse(value);
  if (!parsed.success) return { kind: 'unknown' };
  const { eventVersion = '2.1', eventName, eventTime, s3 } = parsed.data;
  // AWS asks to compare the major version for equality and to ignore the minor one.
  if (!/^2(\.|$)/.test(eventVersion)) return { kind: 'unknown' };
  // MinIO writes `s3:ObjectCreated:Put`, AWS without the prefix.
  const name = eventName.replace(/^s3:/, '');
  if (/^(ObjectRemoved|LifecycleExpiration):/.test(name)) return { kind: 'removal' };
  if (!name.startsWith('ObjectCreated:') && name !== 'ObjectRestore:Completed') return { kind: 'other' };
  const { key } = s3.object;
  return { bucket: s3.bucket.name, keys: [...new Set([decodeKey(key), key])], eventTimeMs: timeOf(eventTime) };
}

function readBridged({
  'detail-type': type,
  time,
  detail: { bucket, object },
}: z.infer<typeof eventBridgeEvent>): MessageContent {
  if (type === 'Object Deleted') return { kind: 'removal' };
  if (type !== 'Object Created' && type !== 'Object Restore Completed') return { kind: 'other' };
  // EventBridge does not encode keys.
  return { kind: 'hints', hints: [{ bucket: bucket.name, keys: [object.key], eventTimeMs: timeOf(time) }] };
}

/** S3 encodes keys as HTML forms are: a plus sign is a space. What is not encoded like that is returned as it is. */
function decodeKey(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}

function timeOf(text: string | undefined): number | undefined {
  const timeMs = Date.parse(text ?? '');
  return Number.isNaN(timeMs) ? undefined : timeMs;
}
