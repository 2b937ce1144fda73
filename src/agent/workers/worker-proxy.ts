/**
 * A worker as seen by the main thread: a visitor that ships objects on another thread. Uses the parts that exist once per
 * process (the state, dead letters, the outage log, observers) on behalf of the worker.
 */
import assert from 'node:assert';
import type { AnnouncementId, Claim } from '../../contracts/delivery-state.ts';
import type { Observer } from '../../contracts/observer.ts';
import type { VisitOutcome } from '../../contracts/visit-outcome.ts';
import type { FailureReporter } from '../../export/index.ts';
import { isAgentError, isFatal } from '../../model/agent-error.ts';
import type { DeliveredObject } from '../../model/object.ts';
import type { Visitor } from '../../pipeline/object-shipper.ts';
import { concatenated } from '../../runtime/concatenated.ts';
import type { Logger } from '../../runtime/logger.ts';
import {
  fromPlain,
  fromPlainOutcome,
  type MainRequest,
  type MainRequestMessage,
  type Port,
  type Report,
  type ToMain,
  type ToWorker,
  toPlain,
  type VisitMessage,
} from './messages.ts';

export interface MainServices {
  readonly failures: FailureReporter;
  /** Keys the line hashes; passed to the worker. */
  readonly hashSecret: Uint8Array;
  /** Abandons batches that are waiting for their next attempt. */
  readonly stopping: AbortSignal;
  /** Abandons requests in flight. */
  readonly abandon: AbortSignal;
  readonly observe: Observer;
  readonly logger: Logger;
}

interface OpenVisit {
  readonly object: DeliveredObject;
  readonly claim: Claim;
  readonly signal: AbortSignal;
  readonly ended: PromiseWithResolvers<VisitOutcome>;
  /** The ids of the claim, by the ids that the worker assigned. */
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

  /** Total size of the objects being visited, plus one per object. */
  get load(): number {
    return [...this.#visits.values()].reduce((sum, { object }) => sum + object.version.sizeBytes + 1, 0);
  }

  async visit(object: DeliveredObject, claim: Claim, signal: AbortSignal): Promise<VisitOutcome> {
    signal.throwIfAborted();
    if (this.#failure !== undefined) throw this.#failure.error;
    const visitId = ++this.#visitCount;
    const ended = Promise.withResolvers<VisitOutcome>();
    // Counts towards the load at once, before the hashes are read.
    this.#visits.set(visitId, { object, claim, signal, ended, announcementIds: new Map() });
    const stop = () => this.#post({ kind: 'stop', visitId });
    const lose = () => this.#post({ kind: 'lost', visitId });
    try {
      try {
        await this.#begin(visitId, object, claim);
      } catch (error) {
        signal.throwIfAborted();
        if (claim.lost.aborted) return { status: 'elsewhere' };
        if (isFatal(error) || !isAgentError(error)) throw error;
        return { status: 'released', error };
      }
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
    // One array, which can be transferred to another thread without copying.
    const settledLineHashes = concatenated(await Array.fromAsync(claim.settledLineHashes()));
    if (this.#failure !== undefined) throw this.#failure.error;
    const { known, announcements } = claim;
    const canBeLost = claim.confirm !== undefined;
    const content = { known, announcements, settledLineHashes, canBeLost };
    const visit = { visitId, object: { origin, version, growing }, ...content };
    this.#post({ kind: 'visit', visit }, [settledLineHashes.buffer]);
  }

  /** The worker has exited, or had a fatal error. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    for (const { ended } of this.#visits.values()) {
      ended.promise.catch(() => {}); // A visit that has not started yet throws the error itself.
      ended.reject(this.#failure.error);
    }
    this.#closed.resolve();
  }

  /** Resolves when the worker has closed everything or has exited. Call it when all visits are done. */
  async close(): Promise<void> {
    this.#post({ kind: 'close' });
    await this.#closed.promise;
  }

  #take(message: ToMain): void {
    if (this.#failure !== undefined) return;
    if ('visitId' in message) this.#takeVisitMessage(message, this.#openVisit(message.visitId));
    else if ('requestId' in message) void this.#answer(message);
    else if (message.kind === 'closed') this.#closed.resolve();
    else this.#forward(message);
  }

  #takeVisitMessage(message: VisitMessage, { claim, signal, ended, announcementIds }: OpenVisit): void {
    switch (message.kind) {
      case 'announce':
        announcementIds.set(message.announcementId, claim.announce(message.announcement));
        break;
      case 'settle': {
        const { announcementId: workersId } = message.settlement;
        const announcementId = workersId === undefined ? undefined : announcementIds.get(workersId);
        claim.settle({ ...message.settlement, announcementId });
        break;
      }
      case 'finish':
        claim.finish(message.version, message.end, message.stillAnnounced, message.fault);
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

  async #answer({ requestId, request }: MainRequestMessage): Promise<void> {
    const { stopping, abandon } = this.#services;
    const claim = 'visitId' in request ? this.#openVisit(request.visitId).claim : undefined;
    try {
      await this.#perform(request, claim);
      this.#post({ kind: 'answer', requestId, error: undefined });
    } catch (error) {
      if (isAgentError(error)) this.#post({ kind: 'answer', requestId, error: toPlain(error) });
      else if (stopping.aborted || abandon.aborted || claim?.lost.aborted) this.#post({ kind: 'abandoned', requestId });
      else this.fail(error);
    }
  }

  async #perform(request: MainRequest, claim: Claim | undefined): Promise<void> {
    const { failures, abandon } = this.#services;
    switch (request.kind) {
      case 'flush':
        await claim?.flush(abandon);
        break;
      case 'confirm':
        await claim?.confirm?.(abandon);
        break;
      case 'writeDeadLetters':
        await failures.deadLetters.write(request.jsonLines, request.reason, abandon);
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
    assert(visit !== undefined, 'a worker sends no message about a visit after its end');
    return visit;
  }

  #post(message: ToWorker, transfer: ArrayBuffer[] = []): void {
    this.#port.postMessage(message, transfer);
  }
}
