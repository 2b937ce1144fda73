/**
 * The collector: accepts, rejects, loses responses, is down. It never acknowledges a record that it did not store.
 */
import type { HttpResponse, OtlpTransport } from '../../../src/export/index.ts';
import { encodeResponse, type ReceivedRecord, receivedRecords } from '../../support/otlp-receiver.ts';
import type { Faults } from './faults.ts';
import { isPoison, recordBytesMax } from './line-text.ts';
import type { CollectorFault, Settings } from './plan.ts';
import type { Life, World } from './world.ts';

/** The agent's OTEL_EXPORTER_OTLP_TIMEOUT. */
export const requestTimeoutMs = 10_000;
const statusCodes = [429, 503, 500] as const;

export interface SentRequest {
  readonly number: number;
  readonly life: Life;
  readonly records: readonly ReceivedRecord[];
}

/** Receives what the collector accepts and acknowledges; the oracle implements it. */
export interface CollectorListener {
  sent(request: SentRequest): void;
  stored(records: readonly ReceivedRecord[]): void;
  /** The sender received a 200. */
  acknowledged(request: SentRequest, acceptedCount: number): void;
}

type Verdict = { readonly stores: readonly ReceivedRecord[] } & (
  | { readonly answer: HttpResponse; readonly takesMs?: number }
  | { readonly breaks: string }
  | { readonly hangs: true }
);

export class ModelCollector {
  readonly #world: World;
  readonly #faults: Faults;
  readonly #settings: Settings;
  readonly #listener: CollectorListener;
  readonly #onTheWire = new Set<SentRequest>();
  requestCount = 0;
  /** Of all requests; some are empty. */
  recordCount = 0;

  constructor(world: World, faults: Faults, settings: Settings, listener: CollectorListener) {
    this.#world = world;
    this.#faults = faults;
    this.#settings = settings;
    this.#listener = listener;
  }

  of(life: Life): OtlpTransport {
    return {
      exchange: (body, signal) => this.#post(body, life, signal),
      close: async () => {},
    };
  }

  /** The sender died: what it had sent may or may not arrive. */
  senderDied(requestsArrive: boolean, life?: Life): void {
    for (const request of this.#onTheWire) {
      if (life !== undefined && request.life !== life) continue;
      if (requestsArrive) this.#listener.stored(this.#verdict(request).stores);
      this.#onTheWire.delete(request);
    }
  }

  async #post(body: Uint8Array, life: Life, signal: AbortSignal): Promise<HttpResponse> {
    if (!life.alive) return await forever();
    const records = receivedRecords(body, false);
    if (records === undefined) throw new Error('the agent sent what is no OTLP request');
    const request = { number: this.requestCount++, life, records };
    this.recordCount += records.length;
    this.#listener.sent(request);
    this.#world.note(`request ${request.number}: ${records.map(({ uid = '' }) => uid.slice(0, 4)).join(' ')}`);
    const deadline = new AbortController();
    const ended = new AbortController();
    this.#world.call(life, 'sleep', requestTimeoutMs, ended.signal).then(
      () => deadline.abort(new DOMException('took too long', 'TimeoutError')),
      () => {},
    );
    try {
      return await this.#exchange(request, AbortSignal.any([signal, deadline.signal]));
    } finally {
      ended.abort('answered');
      if (life.alive) this.#onTheWire.delete(request);
    }
  }

  async #exchange(request: SentRequest, signal: AbortSignal): Promise<HttpResponse> {
    const world = this.#world;
    const { life } = request;
    this.#onTheWire.add(request);
    await world.call(life, 'arrive', world.latencyMs('arrive'), signal);
    if (!life.alive) return await forever();
    this.#onTheWire.delete(request);
    const verdict = this.#verdict(request);
    this.#listener.stored(verdict.stores);
    if ('hangs' in verdict) return await world.call(life, 'answer', 10 * requestTimeoutMs, signal).then(forever);
    const takesMs = 'takesMs' in verdict ? (verdict.takesMs ?? 0) : 0;
    await world.call(life, 'answer', takesMs + world.latencyMs('answer'), signal);
    if (!life.alive) return await forever();
    if ('breaks' in verdict) throw Object.assign(new Error(verdict.breaks), { code: verdict.breaks });
    if (verdict.answer.status === 200) this.#listener.acknowledged(request, verdict.stores.length);
    world.note(`answer to ${request.number}: ${verdict.answer.status}`);
    return verdict.answer;
  }

  #verdict({ life, records }: SentRequest): Verdict {
    const fault = this.#brokenFault(life, records) ?? this.#faults.collectorOf(life.replica);
    const refused = fault === undefined ? undefined : this.#faultVerdict(fault, records);
    if (refused !== undefined) return refused;
    if (records.some(isTooLarge)) return { stores: [], answer: answer(413) };
    const good = records.filter(({ body = '' }) => !isPoison(body));
    if (good.length === records.length) return { stores: records, answer: answer(200) };
    return { stores: this.#settings.refusal === 'atomic' ? [] : good, answer: answer(400) };
  }

  #brokenFault({ replica }: Life, records: readonly ReceivedRecord[]): CollectorFault | undefined {
    const broken = this.#settings.replicas?.brokenCollector;
    if (broken === undefined || broken.replica !== replica) return undefined;
    if (broken.fault !== 'backend') return { fault: broken.fault };
    return records.length === 0 ? undefined : { fault: 'status', status: 503, retryAfterS: undefined };
  }

  #faultVerdict(fault: CollectorFault, records: readonly ReceivedRecord[]): Verdict | undefined {
    const chance = this.#world.chance('collector');
    switch (fault.fault) {
      case 'status':
        return {
          stores: [],
          answer: answer(
            fault.status,
            fault.retryAfterS === undefined ? {} : { 'retry-after': `${fault.retryAfterS}` },
          ),
        };
      case 'refusesConnections':
        return { stores: [], breaks: 'ECONNREFUSED' };
      case 'cuts':
        return { stores: [], breaks: 'ECONNRESET' };
      case 'losesAnswers':
        return chance.happens(0.5) ? { stores: this.#wellFormed(records), breaks: 'ECONNRESET' } : undefined;
      case 'hangs':
        return { stores: chance.happens(0.5) ? this.#wellFormed(records) : [], hangs: true };
      case 'slow':
        return this.#slow(records, 2 * requestTimeoutMs * chance.next());
      case 'partial':
        return this.#partial(records);
      case 'mixed':
        return this.#faultVerdict(this.#anyFault(), records);
    }
  }

  #slow(records: readonly ReceivedRecord[], takesMs: number): Verdict | undefined {
    const stores = this.#wellFormed(records);
    return stores.length === records.length ? { stores, answer: answer(200), takesMs } : undefined;
  }

  #partial(records: readonly ReceivedRecord[]): Verdict | undefined {
    const chance = this.#world.chance('collector');
    if (chance.happens(0.5) || this.#wellFormed(records).length < records.length) return undefined;
    const rejectedCount = chance.between(1, records.length);
    const stores = records.slice(0, records.length - rejectedCount);
    const body = encodeResponse(rejectedCount, 'quota');
    return { stores, answer: { protocol: 'http', status: 200, headers: protobufType, body } };
  }

  #wellFormed(records: readonly ReceivedRecord[]): readonly ReceivedRecord[] {
    return records.filter((record) => !isPoison(record.body ?? '') && !isTooLarge(record));
  }

  #anyFault(): CollectorFault {
    const chance = this.#world.chance('collector');
    const fault = chance.pick(['status', 'refusesConnections', 'cuts', 'losesAnswers', 'hangs', 'slow', 'partial']);
    if (fault !== 'status') return { fault };
    return { fault, status: chance.pick(statusCodes), retryAfterS: undefined };
  }
}

const protobufType = { 'content-type': 'application/x-protobuf' };

function answer(status: number, headers: Record<string, string> = {}): HttpResponse {
  return { protocol: 'http', status, headers, body: new Uint8Array(0) };
}

function isTooLarge({ body = '' }: ReceivedRecord): boolean {
  return body.length > recordBytesMax;
}

/** What a dead process waits for. */
function forever(): Promise<never> {
  return new Promise(() => {});
}
