/**
 * The worker's side: visits the objects that it is handed, and has the main thread do what there is one of in the process.
 */
import type { AnnouncementId, LineIndex, Settlement, ShippingState } from '../../contracts/delivery-state.ts';
import type { Observer } from '../../contracts/observer.ts';
import type { FaultDesk } from '../../export/index.ts';
import { isAgentError } from '../../model/agent-error.ts';
import type { DeliveredObject } from '../../model/object.ts';
import type { ObjectShipper } from '../../pipeline/object-shipper.ts';
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
  toPlainEnd,
  type Visit,
} from './messages.ts';

/** What the worker has of its own. */
export interface WorkerParts {
  readonly hashSecret: Uint8Array;
  createShipper(state: ShippingState): Pick<ObjectShipper, 'ship'>;
  createLineIndex(): LineIndex;
  /** As `DeliveredObject.open`. */
  open(object: Visit['object'], signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
  close(): Promise<void>;
}

export class MainThread {
  readonly #port: Port<ToWorker>;
  readonly #stopping = new AbortController();
  readonly #abandon = new AbortController();
  readonly #stops = new Map<number, AbortController>();
  readonly #questions = new Map<number, PromiseWithResolvers<void>>();
  #questionCount = 0;
  #announcementCount = 0;

  constructor(port: Port<ToWorker>) {
    this.#port = port;
  }

  /** Aborted when what waits for its next attempt is to be given up. */
  get stopping(): AbortSignal {
    return this.#stopping.signal;
  }

  /** Aborted when requests on the wire are to be given up. */
  get abandon(): AbortSignal {
    return this.#abandon.signal;
  }

  /** Visits what it is handed from now on. */
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

  readonly desk: FaultDesk = {
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
        // What it rejects with ends this thread, and with it the agent.
        void this.#ship(message.visit, parts);
        break;
      case 'stop':
        this.#stops.get(message.visitId)?.abort(new Error('stopped'));
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

  async #ship(visit: Visit, parts: WorkerParts): Promise<void> {
    const { visitId, object } = visit;
    const stop = new AbortController();
    this.#stops.set(visitId, stop);
    try {
      const shipper = parts.createShipper(this.#stateOf(visit, parts));
      const end = await shipper.ship({ ...object, open: (signal) => this.#open(visit, signal, parts) }, stop.signal);
      this.#post({ kind: 'ended', visitId, end: toPlainEnd(end) });
    } catch (error) {
      const isOver = [stop.signal, this.stopping, this.abandon].some(({ aborted }) => aborted);
      if (isOver) this.#post({ kind: 'stopped', visitId });
      else if (isAgentError(error)) this.#post({ kind: 'failed', visitId, error: toPlain(error) });
      else throw error;
    } finally {
      this.#stops.delete(visitId);
    }
  }

  async #open(
    { visitId, object }: Visit,
    signal: AbortSignal,
    parts: WorkerParts,
  ): ReturnType<DeliveredObject['open']> {
    const bytes = await parts.open(object, signal);
    this.#post({ kind: 'opened', visitId });
    return bytes;
  }

  /**
   * The state, as far as it is about the object of the visit: reads what came along with the visit, and has the main thread write.
   * Messages keep their order, so a flush covers what was changed before it.
   */
  #stateOf(visit: Visit, { hashSecret, createLineIndex }: WorkerParts): ShippingState {
    const { visitId } = visit;
    let { known, announcements, settledLineHashes } = visit;
    return {
      hashSecret,
      createLineIndex,
      find: () => known,
      announcements: () => announcements,
      settledLineHashes: () => [settledLineHashes],
      announce: (_, { observedAtMs, occurrenceHashes }) => {
        const name = ++this.#announcementCount as AnnouncementId;
        const hashes = occurrenceHashes.slice();
        const announcement = { observedAtMs, occurrenceHashes: hashes };
        this.#post({ kind: 'announce', visitId, name, announcement }, [hashes.buffer]);
        return name;
      },
      settle: (_, settlement: Settlement) => {
        const lineHashes = settlement.lineHashes.slice();
        this.#post({ kind: 'settle', visitId, settlement: { ...settlement, lineHashes } }, [lineHashes.buffer]);
      },
      finish: (_, __, end, stillAnnounced) => this.#post({ kind: 'finish', visitId, end, stillAnnounced }),
      forget: () => {
        [known, announcements, settledLineHashes] = [undefined, [], new Int32Array()];
        this.#post({ kind: 'forget', visitId });
      },
      flush: (signal) => this.#ask({ kind: 'flush' }, signal),
    };
  }

  async #ask(asked: Asked, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const questionId = ++this.#questionCount;
    const answered = Promise.withResolvers<void>();
    this.#questions.set(questionId, answered);
    this.#post({ questionId, ...asked });
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
