/**
 * A queue of notifications that is harder than any real one: it loses, doubles, delays and reorders messages, forgets to hide what was
 * received, contains what is no notification, and fails before or after it has done what it was asked for. It judges each deletion.
 */
import { AgentError } from '../../../src/model/agent-error.ts';
import type { SqsApi } from '../../../src/sources/s3/notifications/sqs-client.ts';
import { eventBridgeEvent, s3Event, snsEnvelope, testEvent } from '../../support/notifications.ts';
import type { ModelBucket, Version } from './model-bucket.ts';
import type { ModelDisk } from './model-disk.ts';
import type { Oracle } from './oracle.ts';
import type { Life, World } from './world.ts';

interface Message {
  readonly number: number;
  readonly body: string;
  /** Undefined if it names no object. */
  readonly key: string | undefined;
  visibleAtMs: number;
  receiveCount: number;
}

interface Receipt {
  readonly message: Message;
  readonly atMs: number;
}

export interface ModelQueueParts {
  readonly world: World;
  readonly bucket: ModelBucket;
  readonly letters: ModelDisk;
  readonly oracle: Oracle;
  readonly bucketName: string;
  /** Longest wait for a message. Longer than that of SQS, so that weeks take fewer calls. */
  readonly waitMs: number;
  /** When the queue becomes well-behaved. */
  readonly untilMs: number;
}

const [lost, doubled, forgotten, failing] = [0.15, 0.15, 0.05, 0.03];

export class ModelQueue {
  deletedCount = 0;
  readonly #parts: ModelQueueParts;
  readonly #messages = new Set<Message>();
  readonly #receipts = new Map<string, Receipt>();
  #number = 0;

  constructor(parts: ModelQueueParts) {
    this.#parts = parts;
    this.#add(testEvent, undefined, 0);
    this.#add('no notification', undefined, 0);
    this.#add(
      s3Event({ bucket: 'another-bucket', key: 'workspaceId=1/date=2026-01-31/auditlogs_1.json' }),
      undefined,
      0,
    );
  }

  get messageCount(): number {
    return this.#messages.size;
  }

  /** The object was written, or removed. */
  changed(key: string, eventName: 'ObjectCreated:Put' | 'ObjectRemoved:Delete'): void {
    if (this.#happens('notification lost', lost)) return;
    const isRemoval = eventName === 'ObjectRemoved:Delete';
    const copies = this.#happens('notification doubled', doubled) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      const chance = this.#parts.world.chance('notification delay');
      const delayMs = chance.pick([100, 1000 + 59_000 * chance.next(), 1000, 1_800_000 * chance.next()]);
      this.#add(this.#bodyOf(key, eventName), isRemoval ? undefined : key, delayMs);
    }
  }

  api(life: Life): SqsApi {
    return {
      receive: async ({ countMax, visibilityTimeoutS }, signal) => {
        await this.#call(life, this.#waitMs(), signal);
        this.#fail('receive');
        return this.#visible(countMax).map((message) => {
          const isHidden = !this.#happens('message not hidden', forgotten);
          if (isHidden) message.visibleAtMs = this.#nowMs + visibilityTimeoutS * 1000;
          message.receiveCount++;
          const receiptHandle = `${message.number}/${message.receiveCount}`;
          this.#receipts.set(receiptHandle, { message, atMs: this.#nowMs });
          this.#parts.world.note(`message ${receiptHandle} received: ${message.key}`);
          return { body: message.body, receiptHandle, receiveCount: message.receiveCount };
        });
      },
      delete: async (handles, signal) => {
        await this.#call(life, 0, signal);
        this.#fail('delete');
        for (const handle of handles) this.#delete(handle);
        this.#fail('answer to delete');
      },
      hide: async (handles, seconds, signal) => {
        await this.#call(life, 0, signal);
        this.#fail('hide');
        for (const handle of handles) {
          const receipt = this.#receipts.get(handle);
          if (receipt !== undefined) receipt.message.visibleAtMs = this.#nowMs + seconds * 1000;
        }
      },
      close: async () => {},
    };
  }

  /** Everything was deleted, some time after the last fault. */
  expectEmpty(): void {
    const { oracle } = this.#parts;
    if (this.#messages.size === 0) return;
    const left = [...this.#messages].map(({ key, receiveCount }) => `${key} (received ${receiveCount} times)`);
    oracle.problems.push(`messages are left in the queue: ${left.join(', ')}`);
  }

  #delete(handle: string): void {
    const receipt = this.#receipts.get(handle);
    if (receipt === undefined || !this.#messages.delete(receipt.message)) return;
    this.deletedCount++;
    this.#parts.world.note(`message ${handle} deleted`);
    const { key } = receipt.message;
    if (key !== undefined && !this.#isAnswered(key, receipt.atMs)) {
      this.#parts.oracle.problems.push(`message ${handle} was deleted, and ${key} was neither settled nor gone`);
    }
  }

  /** A version that was there after the receipt has been delivered, or there was none. */
  #isAnswered(key: string, receivedMs: number): boolean {
    const { bucket, oracle, letters } = this.#parts;
    oracle.noteDeadLetters(letters.contents);
    const versions = bucket.versions(key).filter(({ untilMs }) => untilMs > receivedMs);
    return wasGone(versions, receivedMs) || versions.some((version) => oracle.isDelivered(version));
  }

  #add(body: string, key: string | undefined, delayMs: number): void {
    const visibleAtMs = this.#nowMs + delayMs;
    this.#messages.add({ number: ++this.#number, body, key, visibleAtMs, receiveCount: 0 });
  }

  #bodyOf(key: string, eventName: string): string {
    const notified = { bucket: this.#parts.bucketName, key, eventTime: new Date(this.#nowMs).toISOString() };
    const bridged = eventName === 'ObjectCreated:Put' ? 'Object Created' : 'Object Deleted';
    return this.#parts.world
      .chance('shape of a notification')
      .pick([
        s3Event({ ...notified, eventName }),
        snsEnvelope(s3Event({ ...notified, eventName })),
        eventBridgeEvent({ ...notified, eventName: bridged }),
      ]);
  }

  /** In any order. */
  #visible(countMax: number): Message[] {
    const chance = this.#parts.world.chance('order of messages');
    return [...this.#messages]
      .filter(({ visibleAtMs }) => visibleAtMs <= this.#nowMs)
      .map((message) => [message, chance.next()] as const)
      .toSorted(([, one], [, other]) => one - other)
      .slice(0, countMax)
      .map(([message]) => message);
  }

  /** Until the next message is visible; at most the longest wait. */
  #waitMs(): number {
    const visibleAtMs = [...this.#messages].map((message) => message.visibleAtMs);
    return Math.max(0, Math.min(this.#parts.waitMs, ...visibleAtMs.map((atMs) => atMs - this.#nowMs)));
  }

  async #call(life: Life, waitMs: number, signal: AbortSignal): Promise<void> {
    await this.#parts.world.call(life, 'queue', waitMs + this.#parts.world.latencyMs('queue'), signal);
  }

  #fail(what: string): void {
    if (this.#happens(`queue fails: ${what}`, failing)) throw new AgentError('ERR_QUEUE_READ', `simulated: ${what}`);
  }

  #happens(what: string, probability: number): boolean {
    return this.#nowMs < this.#parts.untilMs && this.#parts.world.chance(what).happens(probability);
  }

  get #nowMs(): number {
    return this.#parts.world.nowMs;
  }
}

/** @param versions those that existed after this time, oldest first. */
function wasGone(versions: readonly Version[], sinceMs: number): boolean {
  const [first] = versions;
  if (first === undefined || first.fromMs > sinceMs) return true;
  const last = versions.at(-1);
  if (last !== undefined && last.untilMs < Number.POSITIVE_INFINITY) return true;
  return versions.some(({ untilMs }, index) => {
    const next = versions[index + 1];
    return next !== undefined && next.fromMs > untilMs;
  });
}
