/**
 * The main thread, as a worker sees it: hands out visits, and does for the worker what the process does only once (the state,
 * the dead letters, the outage log, observers).
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
  type Asked,
  fromPlain,
  type Port,
  type ToMain,
  type ToWorker,
  toPlain,
  toPlainOutcome,
  type Visit,
} from './messages.ts';

/** What the worker has of its own. */
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
  readonly #questions = new Map<number, PromiseWithResolvers<void>>();
  #questionCount = 0;
  #announcementCount = 0;

  constructor(port: Port<ToWorker>) {
    this.#port = port;
  }

  /** Aborted when batches that wait for their next attempt have to be given up. */
  get stopping(): AbortSignal {
    return this.#stopping.signal;
  }

  /** Aborted when requests in flight have to be given up. */
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
      write: (jsonLines, reason, signal) => this.#ask({ kind: 'writeDeadLetters', jsonLines, reason }, signal),
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
        this.#takeAnswer(message.questionId, message.error && fromPlain(message.error));
        break;
      case 'givenUp':
        this.#takeAnswer(message.questionId, new Error('given up'));
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

  /** The claim that the main thread holds: reads what came with the visit, and has the main thread write. */
  #claimOf({ visitId, known, announcements, settledLineHashes }: Visit, lost: AbortSignal): Claim {
    return {
      known,
      announcements,
      lost,
      async *settledLineHashes() {
        yield settledLineHashes;
      },
      announce: ({ observedAtMs, lineHashes, occurrences }) => {
        const name = ++this.#announcementCount as AnnouncementId;
        const announcement = { observedAtMs, lineHashes: lineHashes.slice(), occurrences: occurrences.slice() };
        const transfer = [announcement.lineHashes.buffer, announcement.occurrences.buffer];
        this.#post({ kind: 'announce', visitId, name, announcement }, transfer);
        return name;
      },
      settle: (settlement: Settlement) => {
        const lineHashes = settlement.lineHashes.slice();
        this.#post({ kind: 'settle', visitId, settlement: { ...settlement, lineHashes } }, [lineHashes.buffer]);
      },
      finish: (version, end, stillAnnounced) => this.#post({ kind: 'finish', visitId, version, end, stillAnnounced }),
      forget: () => this.#post({ kind: 'forget', visitId }),
      // Messages keep their order, so a flush covers the changes before it.
      flush: (signal) => this.#ask({ kind: 'flush', visitId }, signal),
      release: async () => {}, // The main thread releases its claim when the visit has ended.
    };
  }

  async #ask(asked: Asked, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const questionId = ++this.#questionCount;
    const answered = Promise.withResolvers<void>();
    this.#questions.set(questionId, answered);
    this.#post({ questionId, asked });
    await untilAborted(answered.promise, signal);
  }

  #takeAnswer(questionId: number, error: Error | undefined): void {
    const answered = this.#questions.get(questionId);
    this.#questions.delete(questionId);
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
