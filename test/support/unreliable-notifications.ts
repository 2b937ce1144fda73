/**
 * Notifications as they may arrive: some are lost, doubled, or so late that newer ones come first; each has another shape, and among them
 * is what does not concern the agent. Which ones is decided by counting, so each run has the same. Deletions are judged: a message
 * may go only when the version that it reported has been delivered.
 */
import { eventBridgeEvent, type Notified, s3Event, snsEnvelope, testEvent } from './notifications.ts';
import type { S3Server } from './s3-server.ts';
import { type SqsQueue, startQueue } from './sqs-queue.ts';

export interface UnreliableNotificationsParts {
  readonly s3: Pick<S3Server, 'environment'>;
  readonly bucket: string;
  /** The longest time that a message is hidden from other receivers. */
  readonly hiddenMaxS: number;
  /** True if the collector has all of these lines. */
  readonly isDelivered: (lines: readonly string[]) => boolean;
}

export interface UnreliableNotifications {
  readonly queue: SqsQueue;
  /** Objects whose message was deleted before their lines were delivered. */
  readonly deletedTooEarly: ReadonlySet<string>;
  /** The object was written with these lines, in addition to or instead of others in another order. */
  wrote(key: string, lines: readonly string[]): Promise<void>;
  /** Sends what is late. */
  end(): Promise<void>;
}

const shapes: readonly ((notified: Notified) => string)[] = [
  (notified) => s3Event(notified),
  (notified) => snsEnvelope(s3Event(notified)),
  eventBridgeEvent,
];
const isLost = (number: number) => number % 7 === 3;
const isLate = (number: number) => number % 5 === 2;
const isDoubled = (number: number) => number % 4 === 1;
/** More messages than there are objects, so that a late message comes after one of a newer version. */
const lateMax = 3;

export async function startUnreliableNotifications({
  s3,
  bucket,
  hiddenMaxS,
  isDelivered,
}: UnreliableNotificationsParts): Promise<UnreliableNotifications> {
  const reported = new Map<string, { readonly key: string; readonly lines: readonly string[] }>();
  const late: string[] = [];
  const deletedTooEarly = new Set<string>();
  const queue = await startQueue(s3, {
    hiddenMaxS,
    onDelete(bodies) {
      for (const { key, lines } of bodies.flatMap((body) => reported.get(body) ?? [])) {
        if (!isDelivered(lines)) deletedTooEarly.add(key);
      }
    },
  });
  for (const body of unrelated(bucket)) await queue.send(body);
  let number = 0;
  return {
    queue,
    deletedTooEarly,
    async wrote(key, lines) {
      number++;
      if (isLost(number)) return;
      const body = shapeOf(number)({ bucket, key, eventTime: eventTimeOf(number) });
      reported.set(body, { key, lines });
      if (isLate(number)) late.push(body);
      else for (let copy = 0; copy < (isDoubled(number) ? 2 : 1); copy++) await queue.send(body);
      for (const body of late.splice(0, late.length - lateMax)) await queue.send(body);
    },
    async end() {
      for (const body of late.splice(0)) await queue.send(body);
    },
  };
}

function shapeOf(number: number): (notified: Notified) => string {
  return shapes[number % shapes.length] ?? s3Event;
}

/** Different for each, so that no two messages have the same text. */
function eventTimeOf(number: number): string {
  return new Date(Date.UTC(2026, 0, 31) + 1000 * number).toISOString();
}

function unrelated(bucket: string): readonly string[] {
  const key = 'workspaceId=1/date=2026-01-31/auditlogs_1.json';
  return [
    testEvent,
    'no notification',
    '{"Records": [{"s3": "no object"}]}',
    s3Event({ bucket: `not-${bucket}`, key }),
    s3Event({ bucket, key: 'outside/of/the/layout' }),
    s3Event({ bucket, key, eventName: 'ObjectRemoved:Delete' }),
  ];
}
