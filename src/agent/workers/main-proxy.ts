/**
 * The main thread as seen by a worker: assigns visits, and provides the parts that exist once per process (the state, dead
 * letters, the outage log, observers).
 */
import type { AnnouncementId, Claim, Settlement } from '../../contracts/delivery-state.ts';
import type { Observer } from '../../contracts/observer.ts';
import type { FailureReporter } from '../../export/index.ts';
import { isAgentError } from '../../model/agent-error.ts';
import type { ObjectContent } from '../../model/object.ts';
import type { Visitor } from '../../pipeline/object-shipper.ts';
import type { Logger } from '../../runtime/logger.ts';
import { plainFields } from '../../runtime/plain-fields.ts';
import { untilAborted } from '../../runtime/until-aborted.ts';
import {
  fromPlain,
  type MainRequest,
  type Port,
  type ToMain,
  type ToWorker,
  toPlain,
  toPlainOutcome,
  type Visit,
} from './messages.ts';

/** The parts that each worker has itself. */
export interface WorkerParts {
  readonly visitor: Visitor;
  /** As `DeliveredObject.open`. */
  open(object: Visit['object'], signal: AbortSignal): Promise<ObjectContent>;
  close(): Promise<void>;
}

export class MainProxy {
  readonly #port: Port<ToWorker>;
  readonly #stopping = new AbortController();
  readonly #abandon = new AbortController();
  readonly #visits = new Map<number, { readonly stop: AbortController; readonly lost: AbortController }>();
  readonly #requests = new Map<number, PromiseWithResolvers<void>>();
  #requestCount = 0;
  #announcementCount = 0;

  constructor(port: Port<ToWorker>) {
    this.#port = port;
  }

  /** Aborts when batches that are waiting for their next attempt must be abandoned. */
  get stopping(): AbortSignal {
    return this.#stopping.signal;
  }

  /** Aborts when requests in flight must be abandoned. */
  get abandon(): AbortSignal {
    return this.#abandon.signal;
  }

  /** Accepts visits from now on. */
  serve(parts: WorkerParts): void {
    this.#port.on('message', (message: ToWorker) => this.#take(message, parts));
  }

  readonly observe: Observer = (event) => this.#post({ kind: 'event', event });

  readonly logger: Logger = {
    debug: (fields, message) => this.#log('debug', fields, message),
    info: (fields, message) => this.#log('info', fields, message),
    warn: (fields, message) => this.#log('warn', fields, message),
    error: (fields, message) => this.#log('error', fields, message),
  };

  readonly failures: FailureReporter = {
    outages: {
      failed: (attempt) =>
        this.#post({ kind: 'attemptFailed', attempt: { ...attempt, error: toPlain(attempt.error) } }),
      answered: () => this.#post({ kind: 'collectorAnswered' }),
    },
    deadLetters: {
      write: (jsonLines, reason, signal) => this.#request({ kind: 'writeDeadLetters', jsonLines, reason }, signal),
      close: async () => {},
    },
    log: {
      write: (level, fields, message, variant) =>
        this.#post({ kind: 'sampledLog', level, fields: plainFields(fields), message, variant }),
    },
  };

  #take(message: ToWorker, parts: WorkerParts): void {
    switch (message.kind) {
      case 'visit':
        // An unexpected error ends this thread, and with it the agent.
        void this.#visit(message.visit, parts);
        break;
      case 'stop':
        this.#visits.get(message.visitId)?.stop.abort(new Error('stopped'));
        break;
      case 'lost':
        this.#visits.get(message.visitId)?.lost.abort(new Error('the claim is lost'));
        break;
      case 'stopping':
        this.#stopping.abort(new Error('stopping'));
        break;
      case 'abandon':
        this.#abandon.abort(new Error('abandoned'));
        break;
      case 'answer':
        this.#takeAnswer(message.requestId, message.error && fromPlain(message.error));
        break;
      case 'abandoned':
        this.#takeAnswer(message.requestId, new Error('abandoned'));
        break;
      case 'close':
        void parts.close().then(() => this.#post({ kind: 'closed' }));
        break;
    }
  }

  async #visit(visit: Visit, parts: WorkerParts): Promise<void> {
    const { visitId, object } = visit;
    const [stop, lost] = [new AbortController(), new AbortController()];
    this.#visits.set(visitId, { stop, lost });
    try {
      const delivered = { ...object, open: (signal: AbortSignal) => parts.open(object, signal) };
      const outcome = await parts.visitor.visit(delivered, this.#claimOf(visit, lost.signal), stop.signal);
      this.#post({ kind: 'ended', visitId, outcome: toPlainOutcome(outcome) });
    } catch (error) {
      const isStopping = [stop.signal, this.stopping, this.abandon].some(({ aborted }) => aborted);
      if (isStopping) this.#post({ kind: 'stopped', visitId });
      else if (isAgentError(error)) this.#post({ kind: 'failed', visitId, error: toPlain(error) });
      else throw error;
    } finally {
      this.#visits.delete(visitId);
    }
  }

  /** Stands in for the claim that the main thread holds: reads what came with the visit, and sends changes to the main thread. */
  #claimOf({ visitId, known, announcements, settledLineHashes, canBeLost }: Visit, lost: AbortSignal): Claim {
    return {
      known,
      announcements,
      lost,
      async *settledLineHashes() {
        yield settledLineHashes;
      },
      announce: ({ observedAtMs, lineHashes, occurrences }) => {
        const announcementId = ++this.#announcementCount as AnnouncementId;
        const announcement = { observedAtMs, lineHashes: lineHashes.slice(), occurrences: occurrences.slice() };
        const transfer = [announcement.lineHashes.buffer, announcement.occurrences.buffer];
        this.#post({ kind: 'announce', visitId, announcementId, announcement }, transfer);
        return announcementId;
      },
      settle: (settlement: Settlement) => {
        const lineHashes = settlement.lineHashes.slice();
        this.#post({ kind: 'settle', visitId, settlement: { ...settlement, lineHashes } }, [lineHashes.buffer]);
      },
      finish: (version, end, stillAnnounced, fault) =>
        this.#post({ kind: 'finish', visitId, version, end, stillAnnounced, fault }),
      forget: () => this.#post({ kind: 'forget', visitId }),
      // Messages keep their order, so a flush covers the changes before it.
      flush: (signal) => this.#request({ kind: 'flush', visitId }, signal),
      confirm: canBeLost ? (signal) => this.#request({ kind: 'confirm', visitId }, signal) : undefined,
      release: async () => {}, // The main thread releases its claim after the visit.
    };
  }

  async #request(request: MainRequest, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const requestId = ++this.#requestCount;
    const answered = Promise.withResolvers<void>();
    this.#requests.set(requestId, answered);
    this.#post({ requestId, request });
    await untilAborted(answered.promise, signal);
  }

  #takeAnswer(requestId: number, error: Error | undefined): void {
    const answered = this.#requests.get(requestId);
    this.#requests.delete(requestId);
    if (error === undefined) answered?.resolve();
    else answered?.reject(error);
  }

  #log(level: keyof Logger, fields: object, message: string): void {
    this.#post({ kind: 'log', level, fields: plainFields(fields), message });
  }

  #post(message: ToMain, transfer: ArrayBuffer[] = []): void {
    this.#port.postMessage(message, transfer);
  }
}
