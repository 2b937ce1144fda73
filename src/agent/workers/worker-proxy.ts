/**
 * A worker, as the main thread sees it: a visitor that ships objects on another thread. What the process does only once
 * (the state, the dead letters, the outage log, observers) is done here on the worker's behalf.
 */
import assert from 'node:assert';
import type { AnnouncementId, Claim, LineHashes } from '../../contracts/delivery-state.ts';
import type { Observer } from '../../contracts/observer.ts';
import type { VisitOutcome } from '../../contracts/visit-outcome.ts';
import type { FailureReporter } from '../../export/index.ts';
import { isAgentError } from '../../model/agent-error.ts';
import type { DeliveredObject } from '../../model/object.ts';
import type { Visitor } from '../../pipeline/object-shipper.ts';
import type { Logger } from '../../runtime/logger.ts';
import {
  type Asked,
  fromPlain,
  fromPlainOutcome,
  type OfVisit,
  type Port,
  type Question,
  type Report,
  type ToMain,
  type ToWorker,
  toPlain,
} from './messages.ts';

export interface MainServices {
  readonly failures: FailureReporter;
  /** Keys the hashes of lines, for the worker. */
  readonly hashSecret: Uint8Array;
  /** Ends waiting for the next attempt. */
  readonly stopping: AbortSignal;
  /** Ends requests in flight. */
  readonly abandon: AbortSignal;
  readonly observe: Observer;
  readonly logger: Logger;
}

interface OpenVisit {
  readonly object: DeliveredObject;
  readonly claim: Claim;
  readonly signal: AbortSignal;
  readonly ended: PromiseWithResolvers<VisitOutcome>;
  /** The ids of the claim, by the names that the worker gave its announcements. */
  readonly announcementIds: Map<AnnouncementId, AnnouncementId>;
}

export class WorkerProxy implements Visitor {
  readonly #port: Port<ToMain>;
  readonly #services: MainServices;
  readonly #visits = new Map<number, OpenVisit>();
  #visitCount = 0;
  #failure: { readonly error: unknown } | undefined;
  readonly #closed = Promise.withResolvers<void>();

  constructor(port: Port<ToMain>, services: MainServices) {
    this.#port = port;
    this.#services = services;
    port.on('message', (message: ToMain) => this.#take(message));
    const { stopping, abandon } = services;
    stopping.addEventListener('abort', () => this.#post({ kind: 'stopping' }), { once: true });
    abandon.addEventListener('abort', () => this.#post({ kind: 'abandon' }), { once: true });
  }

  /** Bytes of the objects being visited, and something for each. */
  get load(): number {
    return [...this.#visits.values()].reduce((sum, { object }) => sum + object.version.sizeBytes + 1, 0);
  }

  async visit(object: DeliveredObject, claim: Claim, signal: AbortSignal): Promise<VisitOutcome> {
    signal.throwIfAborted();
    if (this.#failure !== undefined) throw this.#failure.error;
    const visitId = ++this.#visitCount;
    const ended = Promise.withResolvers<VisitOutcome>();
    // Counts for the load at once, before the hashes are read.
    this.#visits.set(visitId, { object, claim, signal, ended, announcementIds: new Map() });
    const stop = () => this.#post({ kind: 'stop', visitId });
    const lose = () => this.#post({ kind: 'lost', visitId });
    try {
      await this.#begin(visitId, object, claim);
      signal.addEventListener('abort', stop, { once: true });
      claim.lost.addEventListener('abort', lose, { once: true });
      if (signal.aborted) stop();
      if (claim.lost.aborted) lose();
      return await ended.promise;
    } finally {
      signal.removeEventListener('abort', stop);
      claim.lost.removeEventListener('abort', lose);
      this.#visits.delete(visitId);
    }
  }

  async #begin(visitId: number, { origin, version, growing }: DeliveredObject, claim: Claim): Promise<void> {
    const settledLineHashes = await joined(claim.settledLineHashes());
    if (this.#failure !== undefined) throw this.#failure.error;
    const { known, announcements } = claim;
    const visit = { visitId, object: { origin, version, growing }, known, announcements, settledLineHashes };
    this.#post({ kind: 'visit', visit }, [settledLineHashes.buffer]);
  }

  /** The worker is gone, or met an error that nothing can continue after. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    for (const { ended } of this.#visits.values()) {
      ended.promise.catch(() => {}); // A visit that has not begun yet throws the error itself.
      ended.reject(this.#failure.error);
    }
    this.#closed.resolve();
  }

  /** Resolves when the worker has closed everything, or is gone. Call it when all visits have ended. */
  async close(): Promise<void> {
    this.#post({ kind: 'close' });
    await this.#closed.promise;
  }

  #take(message: ToMain): void {
    if (this.#failure !== undefined) return;
    if ('visitId' in message) this.#takeOfVisit(message, this.#openVisit(message.visitId));
    else if ('questionId' in message) void this.#answer(message);
    else if (message.kind === 'closed') this.#closed.resolve();
    else this.#forward(message);
  }

  #takeOfVisit(message: OfVisit, { claim, signal, ended, announcementIds }: OpenVisit): void {
    switch (message.kind) {
      case 'announce':
        announcementIds.set(message.name, claim.announce(message.announcement));
        break;
      case 'settle': {
        const { announcementId: name } = message.settlement;
        const announcementId = name === undefined ? undefined : announcementIds.get(name);
        claim.settle({ ...message.settlement, announcementId });
        break;
      }
      case 'finish':
        claim.finish(message.version, message.end, message.stillAnnounced);
        break;
      case 'forget':
        claim.forget();
        break;
      case 'ended':
        ended.resolve(fromPlainOutcome(message.outcome));
        break;
      case 'failed':
        ended.reject(fromPlain(message.error));
        break;
      case 'stopped':
        ended.reject(signal.aborted ? signal.reason : this.#services.abandon.reason);
        break;
    }
  }

  async #answer({ questionId, asked }: Question): Promise<void> {
    const { stopping, abandon } = this.#services;
    const claim = asked.kind === 'flush' ? this.#openVisit(asked.visitId).claim : undefined;
    try {
      await this.#do(asked, claim);
      this.#post({ kind: 'answer', questionId, error: undefined });
    } catch (error) {
      if (isAgentError(error)) this.#post({ kind: 'answer', questionId, error: toPlain(error) });
      else if (stopping.aborted || abandon.aborted || claim?.lost.aborted) this.#post({ kind: 'givenUp', questionId });
      else this.fail(error);
    }
  }

  async #do(asked: Asked, claim: Claim | undefined): Promise<void> {
    const { failures, abandon } = this.#services;
    switch (asked.kind) {
      case 'flush':
        await claim?.flush(abandon);
        break;
      case 'writeDeadLetters':
        await failures.deadLetters.write(asked.jsonLines, asked.reason, abandon);
        break;
    }
  }

  #forward(report: Report): void {
    const { failures, observe, logger } = this.#services;
    switch (report.kind) {
      case 'event':
        observe(report.event);
        break;
      case 'log':
        logger[report.level](report.fields, report.message);
        break;
      case 'sampledLog':
        failures.log.write(report.level, report.fields, report.message, report.variant);
        break;
      case 'attemptFailed':
        failures.outages.failed({ ...report.attempt, error: fromPlain(report.attempt.error) });
        break;
      case 'collectorAnswered':
        failures.outages.answered();
        break;
    }
  }

  #openVisit(visitId: number): OpenVisit {
    const visit = this.#visits.get(visitId);
    assert(visit !== undefined, 'a worker sends nothing about a visit after its end');
    return visit;
  }

  #post(message: ToWorker, transfer: ArrayBuffer[] = []): void {
    this.#port.postMessage(message, transfer);
  }
}

/** In one piece, which can be transferred to another thread without a copy. */
async function joined(parts: AsyncIterable<LineHashes>): Promise<Int32Array<ArrayBuffer>> {
  const hashes: LineHashes[] = [];
  for await (const part of parts) hashes.push(part);
  const all = new Int32Array(hashes.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of hashes) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
