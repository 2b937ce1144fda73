/**
 * Turns the messages of an SQS queue into candidates.
 *
 * A message ends once all objects that it names have ended, and is deleted only then. An object has ended when a visit whose HEAD request
 * came after the receipt of the message found it settled or gone: S3 reads are strongly consistent and the event follows the write, so
 * that HEAD shows the version of the message or a newer one. Nothing else in the message matters, so neither do order, size, ETag or
 * sequencer.
 */
import type {
  NotificationOutcome,
  NotificationQueue,
  NotifiedCandidate,
  ReceiveRequest,
} from '../../../contracts/notifications.ts';
import { type NotificationEnded, type Observer, toFault } from '../../../contracts/observer.ts';
import type { DateRange } from '../../../contracts/source.ts';
import { reached } from '../../../contracts/step.ts';
import type { VisitOutcome } from '../../../contracts/visit-outcome.ts';
import { AgentError, isAgentError } from '../../../model/agent-error.ts';
import type { Clock } from '../../../runtime/clock.ts';
import type { Logger } from '../../../runtime/logger.ts';
import { printable } from '../../../runtime/printable.ts';
import { SampledLog } from '../../../runtime/sampled-log.ts';
import type { S3Api, S3ListedObject } from '../client.ts';
import { deliveredObject } from '../delivered-object.ts';
import type { S3Location } from '../location.ts';
import { HeldMessages, visibilityTimeoutS } from './held-messages.ts';
import { keysWithin } from './hinted-keys.ts';
import type { QueueLocation } from './location.ts';
import { type Hint, readMessage } from './message.ts';
import { batchMax, type SqsApi, type SqsMessage } from './sqs-client.ts';

export interface SqsNotificationsParts {
  readonly sqs: SqsApi;
  readonly s3: S3Api;
  /** All S3 sources. */
  readonly locations: readonly S3Location[];
  readonly observe: Observer;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The longest poll of SQS. */
const waitS = 20;
/** After this time another process that holds an object has ended its visit, or is considered dead. */
const elsewhereS = 30;
const releasedInitialS = 30;
const releasedMaxS = 15 * 60;

export class SqsNotifications implements NotificationQueue {
  readonly name: string;
  readonly #parts: SqsNotificationsParts;
  readonly #held: HeldMessages;
  readonly #log: SampledLog;

  constructor(queue: QueueLocation, parts: SqsNotificationsParts) {
    this.name = printable(queue.url);
    this.#parts = parts;
    this.#log = new SampledLog(parts.clock, parts.logger);
    this.#held = new HeldMessages({
      sqs: parts.sqs,
      clock: parts.clock,
      onError: (err) => {
        parts.observe({ kind: 'faultMet', fault: toFault(err) });
        this.#log.write('warn', { err }, 'A message could not be deleted or kept; it comes again, and nothing is lost');
      },
    });
  }

  async receive({ countMax, dates, signal, onFault }: ReceiveRequest): Promise<readonly NotifiedCandidate[]> {
    const { sqs } = this.#parts;
    const request = { countMax: Math.min(countMax, batchMax), waitS, visibilityTimeoutS };
    const messages = await sqs.receive(request, signal);
    this.#held.hold(messages);
    if (messages.length > 0) reached('message received');
    const hinted = new Map<string, HintedObject>();
    for (const message of messages) this.#sort(message, dates, hinted);
    const looks = [...hinted.values()].map((object) => this.#look(object, signal, onFault));
    return (await Promise.all(looks)).flatMap((candidate) => candidate ?? []);
  }

  async close(): Promise<void> {
    await this.#held.close();
    await Promise.all([this.#parts.sqs.close(), this.#parts.s3.close()]);
  }

  /** Ends a message without hints at once; otherwise adds its objects, so that messages for one object are answered by one look. */
  #sort(message: SqsMessage, dates: DateRange, hinted: Map<string, HintedObject>): void {
    const content = readMessage(message.body);
    if (content.kind !== 'hints') {
      if (content.kind === 'subscription' || content.kind === 'unknown') this.#reportMessage(content.kind, message);
      this.#end(message, endOf(content.kind));
      return;
    }
    const objects = content.hints.flatMap((hint) => this.#objectOf(hint, dates) ?? []);
    if (objects.length === 0) {
      this.#end(message, endOf('outside'));
      return;
    }
    const open = new OpenMessage(message, objects.length, (ended) => this.#endAll(ended));
    for (const object of objects) {
      const id = JSON.stringify([object.location.name, object.keys]);
      const known = hinted.get(id) ?? object;
      known.messages.push({ open, eventTimeMs: object.eventTimeMs });
      hinted.set(id, known);
    }
  }

  #objectOf(hint: Hint, dates: DateRange): HintedObject | undefined {
    for (const location of this.#parts.locations) {
      const keys = keysWithin(location, hint, dates);
      if (keys.length > 0) return { location, keys, eventTimeMs: hint.eventTimeMs, messages: [] };
    }
    return undefined;
  }

  /** Resolves to undefined if there is nothing to visit: the object is gone, or cannot be looked at now. */
  async #look(
    { location, keys, messages }: HintedObject,
    signal: AbortSignal,
    onFault: (fault: AgentError) => void,
  ): Promise<NotifiedCandidate | undefined> {
    const source = location.name;
    const nowMs = this.#parts.clock.nowMs();
    const settle = (outcome: NotificationOutcome) => {
      for (const { open, eventTimeMs } of messages) {
        const lagMs = eventTimeMs === undefined ? undefined : Math.max(0, nowMs - eventTimeMs);
        open.settle({ outcome, source, lagMs });
      }
    };
    try {
      const found = await this.#find(location.bucket, keys, signal);
      if (found === undefined) {
        settle('gone');
        return undefined;
      }
      const object = deliveredObject(location, found, this.#parts.s3);
      return { source, object, settle: (outcome) => settle(outcomeOf(outcome)) };
    } catch (error) {
      signal.throwIfAborted();
      if (!isAgentError(error)) throw error;
      onFault(error);
      settle('released');
      return undefined;
    }
  }

  async #find(bucket: string, keys: readonly string[], signal: AbortSignal): Promise<S3ListedObject | undefined> {
    for (const key of keys) {
      const found = await this.#parts.s3.head({ bucket, key }, signal);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #endAll({ message, ends }: EndedMessage): void {
    const worst = ends.toSorted((one, other) => severity.indexOf(other.outcome) - severity.indexOf(one.outcome))[0];
    if (worst !== undefined) this.#end(message, worst);
  }

  #end(message: SqsMessage, { outcome, source, lagMs }: MessageEnd): void {
    if (outcome === 'released') this.#held.giveBack(message, releasedAfterS(message.receiveCount));
    else if (outcome === 'elsewhere') this.#held.giveBack(message, elsewhereS);
    else this.#held.delete([message]);
    this.#parts.observe({ kind: 'notificationEnded', outcome, source, lagMs });
  }

  #reportMessage(kind: 'subscription' | 'unknown', { body }: SqsMessage): void {
    const reason =
      kind === 'unknown'
        ? 'it is no notification of S3, SNS or EventBridge'
        : 'SNS asks to confirm a subscription, so the topic does not send notifications yet';
    const err = new AgentError('ERR_QUEUE_MESSAGE', `Deleted a message of ${this.name}: ${reason}`, {
      hint:
        kind === 'unknown'
          ? 'Use a queue of its own for the agent. Nothing is lost: listings find what notifications miss.'
          : 'Confirm the subscription: the owner of the queue has to subscribe it to the topic, or open its SubscribeURL.',
    });
    this.#parts.observe({ kind: 'faultMet', fault: toFault(err) });
    // The URL of a subscription contains a token.
    const beginning = kind === 'unknown' ? { beginning: printable(body, 100) } : {};
    this.#log.write(kind === 'unknown' ? 'warn' : 'error', { err, ...beginning }, 'Message is no notification', kind);
  }
}

interface HintedObject {
  readonly location: S3Location;
  /** Looked at in this order until one exists. */
  readonly keys: readonly string[];
  readonly eventTimeMs: number | undefined;
  readonly messages: { readonly open: OpenMessage; readonly eventTimeMs: number | undefined }[];
}

type MessageEnd = Omit<NotificationEnded, 'kind'>;

/** Of a message that names no object of ours. */
function endOf(outcome: NotificationOutcome): MessageEnd {
  return { outcome, source: undefined, lagMs: undefined };
}

interface EndedMessage {
  readonly message: SqsMessage;
  readonly ends: readonly MessageEnd[];
}

/** A message whose objects have not all ended. */
class OpenMessage {
  readonly #message: SqsMessage;
  readonly #objectCount: number;
  readonly #ends: MessageEnd[] = [];
  readonly #onEnd: (ended: EndedMessage) => void;

  constructor(message: SqsMessage, objectCount: number, onEnd: (ended: EndedMessage) => void) {
    this.#message = message;
    this.#objectCount = objectCount;
    this.#onEnd = onEnd;
  }

  settle(end: MessageEnd): void {
    this.#ends.push(end);
    if (this.#ends.length === this.#objectCount) this.#onEnd({ message: this.#message, ends: this.#ends });
  }
}

/** A message with several objects ends like the last of them in this list. */
const severity: readonly NotificationOutcome[] = ['gone', 'unchanged', 'settled', 'damaged', 'elsewhere', 'released'];

function outcomeOf({ status }: VisitOutcome): NotificationOutcome {
  return status === 'growing' ? 'released' : status;
}

/** So that an object that cannot be read for a while does not cost a request every second. */
function releasedAfterS(receiveCount: number): number {
  return Math.min(releasedMaxS, releasedInitialS * 2 ** Math.min(receiveCount - 1, 10));
}
