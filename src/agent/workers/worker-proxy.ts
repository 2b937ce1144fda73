/**
 * The main thread's side of one worker: hands it the objects to visit, and does for it what there is one of in the process, which
 * is to write the state and the dead letters, and to tell those who watch.
 */
import assert from 'node:assert';
import type { AnnouncementId, LineHashes, ShippingState } from '../../contracts/delivery-state.ts';
import type { Observer } from '../../contracts/observer.ts';
import type { FaultDesk } from '../../export/index.ts';
import { isAgentError } from '../../model/agent-error.ts';
import type { DeliveredObject } from '../../model/object.ts';
import type { ObjectEnd } from '../../pipeline/object-end.ts';
import type { Logger } from '../../runtime/logger.ts';
import {
  type Asked,
  fromPlain,
  fromPlainEnd,
  type OfVisit,
  type Port,
  type Question,
  type Told,
  type ToMain,
  type ToWorker,
  toPlain,
} from './messages.ts';

export interface MainServices {
  readonly state: ShippingState;
  readonly desk: FaultDesk;
  /** Ends waiting for the next attempt. */
  readonly stopping: AbortSignal;
  /** Ends requests on the wire. */
  readonly abandon: AbortSignal;
  readonly observe: Observer;
  readonly logger: Logger;
}

interface OpenVisit {
  readonly object: DeliveredObject;
  readonly signal: AbortSignal;
  readonly ended: PromiseWithResolvers<ObjectEnd>;
  /** What the state calls the announcements of this visit. */
  readonly announcementIds: Map<AnnouncementId, AnnouncementId>;
}

export class Visits {
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

  /** As `ObjectShipper.ship`. */
  async ship(object: DeliveredObject, signal: AbortSignal): Promise<ObjectEnd> {
    signal.throwIfAborted();
    if (this.#failure !== undefined) throw this.#failure.error;
    const { state } = this.#services;
    const { origin, version, growing } = object;
    const visitId = ++this.#visitCount;
    const settledLineHashes = joined([...state.settledLineHashes(origin.id)]);
    const visit = {
      visitId,
      object: { origin, version, growing },
      known: state.find(origin.id),
      announcements: [...state.announcements(origin.id)],
      settledLineHashes,
    };
    const ended = Promise.withResolvers<ObjectEnd>();
    this.#visits.set(visitId, { object, signal, ended, announcementIds: new Map() });
    this.#post({ kind: 'visit', visit }, [settledLineHashes.buffer]);
    const stop = () => this.#post({ kind: 'stop', visitId });
    signal.addEventListener('abort', stop, { once: true });
    try {
      return await ended.promise;
    } finally {
      signal.removeEventListener('abort', stop);
      this.#visits.delete(visitId);
    }
  }

  /** The worker is gone, or nobody can go on from what happened. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    for (const { ended } of this.#visits.values()) ended.reject(this.#failure.error);
    this.#closed.resolve();
  }

  /** Resolves when the worker has closed everything, or is gone. Call it when all visits have ended. */
  async close(): Promise<void> {
    this.#post({ kind: 'close' });
    await this.#closed.promise;
  }

  #take(message: ToMain): void {
    if (this.#failure !== undefined) return;
    if ('visitId' in message) this.#takeOfVisit(message, this.#visit(message.visitId));
    else if ('questionId' in message) void this.#answer(message);
    else if (message.kind === 'closed') this.#closed.resolve();
    else this.#tell(message);
  }

  #takeOfVisit(message: OfVisit, { object, signal, ended, announcementIds }: OpenVisit): void {
    const { state, abandon } = this.#services;
    const { origin, version } = object;
    switch (message.kind) {
      case 'opened':
        object.onOpened?.();
        break;
      case 'announce':
        announcementIds.set(message.name, state.announce(origin, message.announcement));
        break;
      case 'settle': {
        const { announcementId: name } = message.settlement;
        const announcementId = name === undefined ? undefined : announcementIds.get(name);
        state.settle(origin, { ...message.settlement, announcementId });
        break;
      }
      case 'finish':
        state.finish(origin, version, message.end, message.stillAnnounced);
        break;
      case 'forget':
        state.forget(origin.id);
        break;
      case 'ended':
        ended.resolve(fromPlainEnd(message.end));
        break;
      case 'failed':
        ended.reject(fromPlain(message.error));
        break;
      case 'stopped':
        ended.reject(signal.aborted ? signal.reason : abandon.reason);
        break;
    }
  }

  async #answer({ questionId, ...asked }: Question): Promise<void> {
    const { stopping, abandon } = this.#services;
    try {
      await this.#do(asked);
      this.#post({ kind: 'answer', questionId, error: undefined });
    } catch (error) {
      if (isAgentError(error)) this.#post({ kind: 'answer', questionId, error: toPlain(error) });
      else if (stopping.aborted || abandon.aborted) this.#post({ kind: 'givenUp', questionId });
      else this.fail(error);
    }
  }

  #do(asked: Asked): Promise<void> {
    const { state, desk, abandon } = this.#services;
    switch (asked.kind) {
      case 'flush':
        return state.flush(abandon);
      case 'writeDeadLetters':
        return desk.deadLetters.write(asked.jsonLines, asked.reason, abandon);
    }
  }

  #tell(told: Told): void {
    const { desk, observe, logger } = this.#services;
    switch (told.kind) {
      case 'event':
        observe(told.event);
        break;
      case 'log':
        logger[told.level](told.fields, told.message);
        break;
      case 'sampledLog':
        desk.log.write(told.level, told.fields, told.message, told.variant);
        break;
      case 'attemptFailed':
        desk.outages.failed({ ...told.attempt, error: fromPlain(told.attempt.error) });
        break;
      case 'collectorAnswered':
        desk.outages.answered();
        break;
    }
  }

  #visit(visitId: number): OpenVisit {
    const visit = this.#visits.get(visitId);
    assert(visit !== undefined, 'a visit that has ended is not heard of any more');
    return visit;
  }

  #post(message: ToWorker, transfer: ArrayBuffer[] = []): void {
    this.#port.postMessage(message, transfer);
  }
}

/** All in one piece, which changes threads without being copied. */
function joined(rows: readonly LineHashes[]): Int32Array<ArrayBuffer> {
  const all = new Int32Array(rows.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const row of rows) {
    all.set(row, at);
    at += row.length;
  }
  return all;
}
