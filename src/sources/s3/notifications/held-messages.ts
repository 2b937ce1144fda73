/**
 * Messages that were received and have not ended. SQS offers a message to others once its visibility timeout lapses, so all of them are
 * extended together until they end.
 */
import { reached } from '../../../contracts/step.ts';
import type { AgentError } from '../../../model/agent-error.ts';
import { isAgentError } from '../../../model/agent-error.ts';
import type { Clock } from '../../../runtime/clock.ts';
import { batchMax, type SqsApi, type SqsMessage } from './sqs-client.ts';

export const visibilityTimeoutS = 60;
/** Two lost extensions in a row must not make a message visible. */
const extensionIntervalMs = 20_000;
/** SQS extends a message up to 12 hours after its receipt. */
const extensionsMax = (12 * 3_600_000) / extensionIntervalMs - 10;
/** Docker sends SIGKILL ten seconds after SIGTERM, and requests in flight may have taken eight. */
const closeTimeoutMs = 1_500;

export interface HeldMessagesParts {
  readonly sqs: SqsApi;
  readonly clock: Clock;
  /** Receives errors of extensions, deletions and returns. None of them loses anything: the message comes again. */
  readonly onError: (error: AgentError) => void;
}

export class HeldMessages {
  readonly #parts: HeldMessagesParts;
  /** With the number of their extensions. */
  readonly #held = new Map<SqsMessage, number>();
  readonly #calls = new Set<Promise<void>>();
  readonly #closing = new AbortController();
  #isExtending = false;

  constructor(parts: HeldMessagesParts) {
    this.#parts = parts;
  }

  hold(messages: readonly SqsMessage[]): void {
    for (const message of messages) this.#held.set(message, 0);
    if (messages.length > 0 && !this.#isExtending) void this.#extend();
  }

  /** Everything that the messages name has ended durably. */
  delete(messages: readonly SqsMessage[], objectId?: string): void {
    this.#end(messages, async (handles, signal) => {
      await this.#parts.sqs.delete(handles, signal);
      reached('message deleted', objectId);
    });
  }

  /** The message comes again after this time. */
  giveBack(message: SqsMessage, afterS: number): void {
    this.#end([message], (handles, signal) => this.#parts.sqs.hide(handles, afterS, signal));
  }

  /** Waits for calls in flight, then makes what is still held visible at once. */
  async close(): Promise<void> {
    const timeout = new AbortController();
    const timer = this.#parts.clock.sleep(closeTimeoutMs, timeout.signal).then(
      () => this.#closing.abort(new Error('closing the queue took too long')),
      () => {}, // It was closed first.
    );
    await Promise.allSettled([...this.#calls]);
    this.#end([...this.#held.keys()], (handles, signal) => this.#parts.sqs.hide(handles, 0, signal));
    await Promise.allSettled([...this.#calls]);
    timeout.abort();
    await timer;
    this.#closing.abort();
  }

  #end(
    messages: readonly SqsMessage[],
    call: (handles: readonly string[], signal: AbortSignal) => Promise<void>,
  ): void {
    for (const message of messages) this.#held.delete(message);
    for (const handles of inBatches(messages)) this.#track(call(handles, this.#closing.signal));
  }

  #track(call: Promise<void>): void {
    const tracked = call.catch((error: unknown) => this.#report(error)).finally(() => this.#calls.delete(tracked));
    this.#calls.add(tracked);
  }

  async #extend(): Promise<void> {
    this.#isExtending = true;
    const { clock, sqs } = this.#parts;
    const { signal } = this.#closing;
    while (this.#held.size > 0) {
      const isClosing = await clock.sleep(extensionIntervalMs, signal).then(
        () => false,
        () => true,
      );
      if (isClosing) break;
      const extended = [...this.#held].filter(([, extensions]) => extensions < extensionsMax);
      for (const [message, extensions] of extended) this.#held.set(message, extensions + 1);
      const calls = inBatches(extended.map(([message]) => message)).map((handles) =>
        sqs.hide(handles, visibilityTimeoutS, signal).catch((error: unknown) => this.#report(error)),
      );
      await Promise.all(calls);
    }
    this.#isExtending = false;
  }

  #report(error: unknown): void {
    if (this.#closing.signal.aborted) return;
    if (!isAgentError(error)) throw error;
    this.#parts.onError(error);
  }
}

function inBatches(messages: readonly SqsMessage[]): (readonly string[])[] {
  const batches: string[][] = [];
  for (let at = 0; at < messages.length; at += batchMax) {
    batches.push(messages.slice(at, at + batchMax).map(({ receiptHandle }) => receiptHandle));
  }
  return batches;
}
