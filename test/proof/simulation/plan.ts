/**
 * What happens in one simulated history, as data, so that it can be stored in the corpus, and so that a failing one can be minimised
 * by removing steps. `planOf` derives one from a seed.
 */
import { utcDate } from '../../../src/runtime/clock.ts';
import { Chance } from './chance.ts';

export interface Plan {
  /** Decides what the steps do not: how long each call takes, which of several requests a fault hits. */
  readonly seed: number;
  readonly settings: Settings;
  /** In order of time. */
  readonly steps: readonly Step[];
}

export interface Settings {
  readonly batchRecords: number;
  readonly requestsInFlight: number;
  readonly pollIntervalMs: number;
  readonly lookbackDays: number;
  readonly sweepIntervalMs: number;
  /** Chunk size of the bodies that the bucket sends. */
  readonly chunkBytes: number;
  /** Keys per page of a listing. */
  readonly pageKeys: number;
  /** With `content`, the same content has the same ETag, as in S3 without multipart uploads and without KMS. */
  readonly etags: 'content' | 'unique';
  /** `atomic` collectors store nothing of a request that they reject; Loki stores the good records. */
  readonly refusal: 'atomic' | 'storesTheRest';
  /** The AWS SDK and its HTTP messages, or the calls of `S3Api` (ten times as fast); or no bucket at all and a directory. */
  readonly bucket: 'sdk' | 'calls' | 'files';
  /** A queue has notifications of the bucket. */
  readonly queue?: boolean | undefined;
  /** Several processes that share a state; undefined for one with SQLite. */
  readonly replicas?: ReplicaSettings | undefined;
}

export interface ReplicaSettings {
  /** One for each replica: how far its clock is ahead. */
  readonly clocksAheadMs: readonly number[];
  readonly lookIntervalMs: number;
  /** The collector of one replica is down from the beginning to the end. `backend`: it answers, but accepts no records. */
  readonly brokenCollector?: { readonly replica: number; readonly fault: 'refusesConnections' | 'hangs' | 'backend' };
}

/**
 * `atMs` counts from the start, here and below. A line is a name, from which its text is derived. Names that start with `p` result
 * in a record that the collector rejects, with `b` in one that is too large for it, with `x` in one that is not JSON.
 */
export type Step = Delivery | Fault | Death | Stop;

export type Delivery = { readonly kind: 'deliver'; readonly atMs: number; readonly key: string } & (
  | {
      readonly change: 'extend' | 'rewrite' | 'insert';
      readonly lines: readonly string[];
      readonly newline: boolean;
      /** The file is written in place: a part of the addition, and the rest after a pause. */
      readonly torn?: { readonly atShare: number; readonly pauseMs: number } | undefined;
    }
  | { readonly change: 'shrink'; readonly keep: number }
  /** `restore`: as it was before the latest change. */
  | { readonly change: 'same' | 'reorder' | 'restore' }
  | { readonly change: 'delete' }
);

/** A temporary fault. */
export type Fault = { readonly atMs: number; readonly forMs: number } /** With `replica`, only its own collector. */ & (
  | ({ readonly kind: 'collector'; readonly replica?: number } & CollectorFault)
  | { readonly kind: 'bucket'; readonly fault: 'throttled' | 'failing' | 'denied' | 'cut' | 'stale' }
  | { readonly kind: 'disk'; readonly of: 'state' | 'letters' }
  | { readonly kind: 'store'; readonly fault: StoreFault }
  /** How far the clock of the machine is ahead; negative if it is behind. */
  | { readonly kind: 'clock'; readonly byMs: number }
);

/**
 * What the store of a shared state does. `losesAnswers`: with or without the write. `late`: a write takes effect much later.
 * `repeats`: the client's own retry, whose answer is that of the second attempt.
 */
export type StoreFault = 'losesAnswers' | 'late' | 'repeats' | 'throttled' | 'away' | 'mixed';

export type CollectorFault =
  | { readonly fault: 'status'; readonly status: number; readonly retryAfterS: number | undefined }
  | { readonly fault: 'refusesConnections' | 'cuts' | 'losesAnswers' | 'hangs' | 'slow' | 'partial' | 'mixed' };

/** A replica is stopped, as by SIGSTOP, and continues later. */
export interface Stop {
  readonly kind: 'stop';
  readonly atMs: number;
  readonly forMs: number;
  readonly replica: number;
}

/** The process ends, and another one starts later. */
export type Death = {
  readonly kind: 'death';
  readonly replica?: number | undefined;
  readonly atMs: number;
  readonly downMs: number;
} & (
  | { readonly how: 'stop' }
  | {
      /** With `powerLoss`, what was written but not synced may be lost, and the last write may be torn. */
      readonly how: 'kill' | 'powerLoss';
      /** When this many calls of this kind are complete. */
      readonly at: CallKind | 'any';
      readonly skip: number;
      /** How many microtasks the process still runs after that call. */
      readonly microtasks: number;
      /** What happens to requests on the wire. */
      readonly requestsArrive: boolean;
      /** The next process finds the state empty or full of garbage. */
      readonly state: 'kept' | 'lost' | 'damaged';
    }
);

/** Calls that leave the process. */
export type CallKind =
  | 'queue'
  | 'sleep'
  | 'list'
  | 'open'
  | 'read'
  | 'arrive'
  | 'answer'
  | 'letters'
  | 'commit'
  | 'store';

export const startMs = Date.UTC(2026, 0, 31, 6);
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

export function planOf(seed: number): Plan {
  const chance = new Chance(`plan ${seed}`);
  const [pollIntervalMs, durationMs] = chance.pick([
    [minuteMs, 2 * hourMs],
    [5 * minuteMs, 10 * hourMs],
    [30 * minuteMs, 2 * dayMs],
    [hourMs, 4 * dayMs],
    [4 * hourMs, 14 * dayMs],
  ]);
  const settings: Settings = {
    batchRecords: chance.pick([1, 2, 3, 5, 8]),
    requestsInFlight: chance.pick([1, 2, 3, 4]),
    pollIntervalMs,
    lookbackDays: chance.pick([1, 2, 20]),
    sweepIntervalMs: pollIntervalMs * chance.pick([4, 10]),
    chunkBytes: chance.pick([37, 200, 1000, 10_000]),
    pageKeys: chance.pick([1, 3, 1000]),
    etags: chance.pick(['content', 'unique']),
    refusal: chance.pick(['atomic', 'storesTheRest']),
    bucket: chance.happens(0.02) ? 'sdk' : chance.pick(['calls', 'calls', 'files']),
    queue: new Chance(`queue ${seed}`).happens(0.5),
  };
  const steps = new Story(chance, durationMs, pollIntervalMs, settings.bucket === 'files').steps();
  return { seed, settings, steps: steps.toSorted((left, right) => left.atMs - right.atMs) };
}

/** Generates a history. Times are close together where it matters: around listings and deaths. */
class Story {
  readonly #chance: Chance;
  readonly #durationMs: number;
  readonly #pollIntervalMs: number;
  readonly #keys: readonly [string, ...string[]];
  readonly #hasBadRecords: boolean;
  readonly #isInPlace: boolean;
  #lineCount = 0;

  constructor(chance: Chance, durationMs: number, pollIntervalMs: number, isInPlace: boolean) {
    this.#chance = chance;
    this.#durationMs = durationMs;
    this.#pollIntervalMs = pollIntervalMs;
    this.#keys = [this.#key(0), ...Array.from({ length: chance.between(0, 4) }, (_, index) => this.#key(index + 1))];
    this.#hasBadRecords = chance.happens(0.3);
    this.#isInPlace = isInPlace;
  }

  steps(): Step[] {
    const chance = this.#chance;
    const times = <Made>(count: number, make: () => Made) => Array.from({ length: count }, make);
    return [
      this.#delivery(0),
      ...times(chance.between(1, 10), () => this.#delivery(this.#time())),
      ...times(chance.between(0, 5), () => this.#fault(this.#time())),
      ...times(chance.between(0, 3), () => this.#death(this.#time(), this.#downMs())),
      ...times(chance.between(0, 3), () => this.#deathAmidDeliveries(this.#time())).flat(),
    ];
  }

  /** An object is delivered, the process that ships it dies, and the object is overwritten before the next one starts. */
  #deathAmidDeliveries(atMs: number): Step[] {
    const chance = this.#chance;
    const key = chance.pick(this.#keys);
    const pollMs = this.#pollIntervalMs;
    const death = this.#death(atMs, Math.round(pollMs * (0.5 + chance.next())));
    return [this.#delivery(atMs, key), death, this.#delivery(atMs + chance.between(pollMs, 1.5 * pollMs), key)];
  }

  #delivery(atMs: number, key = this.#chance.pick(this.#keys)): Delivery {
    const chance = this.#chance;
    const at = { kind: 'deliver' as const, atMs, key };
    const change = chance.pick([
      'extend',
      'extend',
      'extend',
      'same',
      'rewrite',
      'insert',
      'reorder',
      'shrink',
      'restore',
      'delete',
    ]);
    if (change === 'shrink') return { ...at, change, keep: chance.between(0, 12) };
    if (change === 'same' || change === 'reorder' || change === 'restore') return { ...at, change };
    if (change === 'delete') return { ...at, change };
    const lines = this.#lines();
    // Without lines and newline, it would remove the last newline, so the object would shrink.
    const content = { lines, newline: lines.length === 0 || chance.happens(0.9) };
    const isTorn = this.#isInPlace && change === 'extend' && !key.endsWith('.gz') && chance.happens(0.5);
    return { ...at, change, ...content, ...(isTorn ? { torn: this.#torn() } : {}) };
  }

  /** Around the time after which a file counts as unchanged. */
  #torn(): { atShare: number; pauseMs: number } {
    const chance = this.#chance;
    const pollMs = this.#pollIntervalMs;
    const pauseMs = chance.pick([100, chance.between(1000, pollMs), chance.between(pollMs, 4 * pollMs), 8 * pollMs]);
    return { atShare: chance.next(), pauseMs };
  }

  #fault(atMs: number): Fault {
    const chance = this.#chance;
    const at = { atMs, forMs: this.#faultDurationMs() };
    switch (chance.pick(['collector', 'collector', 'collector', 'bucket', 'bucket', 'disk', 'clock'])) {
      case 'collector':
        return { kind: 'collector', ...at, ...this.#collectorFault() };
      case 'bucket':
        return { kind: 'bucket', ...at, fault: chance.pick(['throttled', 'failing', 'denied', 'cut', 'stale']) };
      case 'disk':
        return { kind: 'disk', ...at, of: chance.pick(['state', 'letters']) };
      case 'clock':
        return {
          kind: 'clock',
          ...at,
          byMs: chance.pick([-1, 1]) * chance.pick([minuteMs, hourMs, dayMs, 10 * dayMs]),
        };
    }
  }

  #collectorFault(): CollectorFault {
    const chance = this.#chance;
    const fault = chance.pick([
      'status',
      'refusesConnections',
      'cuts',
      'losesAnswers',
      'hangs',
      'slow',
      'partial',
      'mixed',
    ]);
    if (fault !== 'status') return { fault };
    return {
      fault,
      status: chance.pick([429, 429, 500, 502, 503, 503, 504, 401, 403, 404, 408]),
      retryAfterS: chance.happens(0.5) ? chance.pick([1, 30, 300]) : undefined,
    };
  }

  #death(atMs: number, downMs: number): Death {
    const chance = this.#chance;
    const at = { kind: 'death' as const, atMs, downMs };
    if (chance.happens(0.1)) return { ...at, how: 'stop' };
    return {
      ...at,
      how: chance.pick(['kill', 'powerLoss']),
      at: chance.pick([
        'any',
        'list',
        'open',
        'read',
        'arrive',
        'arrive',
        'answer',
        'answer',
        'letters',
        'commit',
        'commit',
      ]),
      skip: chance.pick([0, 0, 0, 1, 2, 5]),
      microtasks: chance.pick([0, 0, 1, 2, 3, 5, 8, 13, 30]),
      requestsArrive: chance.happens(0.5),
      state: chance.happens(0.03) ? chance.pick(['lost', 'damaged']) : 'kept',
    };
  }

  #time(): number {
    const chance = this.#chance;
    const atMs = Math.floor(chance.next() * this.#durationMs);
    if (chance.happens(0.5)) return atMs;
    return atMs - (atMs % this.#pollIntervalMs) + chance.between(0, 6000);
  }

  /** An outage of days is thousands of attempts, so there are few of them. */
  #faultDurationMs(): number {
    const chance = this.#chance;
    if (chance.happens(0.02)) return chance.between(dayMs, 3 * dayMs);
    return chance.pick([
      chance.between(1000, minuteMs),
      chance.between(minuteMs, 20 * minuteMs),
      chance.between(minuteMs, 2 * hourMs),
    ]);
  }

  #downMs(): number {
    const chance = this.#chance;
    return chance.pick([1000, 1000, chance.between(1000, minuteMs), chance.between(minuteMs, 3 * hourMs)]);
  }

  #key(index: number): string {
    const chance = this.#chance;
    const dayOfRun = Math.floor((chance.next() * this.#durationMs) / dayMs);
    const date = utcDate(startMs + dayOfRun * dayMs, chance.pick([0, 0, 0, 1, 3, 6]));
    const ending = chance.happens(0.3) ? 'json.gz' : 'json';
    return `audit/workspaceId=${chance.between(0, 2)}/date=${date}/auditlogs_${index}.${ending}`;
  }

  #lines(): string[] {
    const chance = this.#chance;
    const count = chance.pick([chance.between(0, 3), chance.between(1, 12), chance.between(10, 40)]);
    return Array.from({ length: count }, () => {
      // Equal lines in one object are two events.
      if (chance.happens(0.15)) return `${chance.between(0, 2)}`;
      const name = `${100 + this.#lineCount++}`;
      return this.#hasBadRecords && chance.happens(0.1) ? `${chance.pick(['p', 'b', 'x'])}${name}` : name;
    });
  }
}
