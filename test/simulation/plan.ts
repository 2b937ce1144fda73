/**
 * What happens in one simulated history, as data: so that it can be kept in the corpus, and so that a failing one can be
 * made smaller by leaving steps out. `planOf` makes one from a seed.
 */
import { utcDate } from '../../src/runtime/clock.ts';
import { Chance } from './chance.ts';

export interface Plan {
  /** Decides what the steps leave open: how long each call takes, which of some requests a fault hits. */
  readonly seed: number;
  readonly settings: Settings;
  /** In the order of time. */
  readonly steps: readonly Step[];
}

export interface Settings {
  readonly batchRecords: number;
  readonly requestsInFlight: number;
  readonly pollIntervalMs: number;
  readonly lookbackDays: number;
  readonly sweepIntervalMs: number;
  /** Of the bodies that the bucket sends. */
  readonly chunkBytes: number;
  /** Keys on a page of a listing. */
  readonly pageKeys: number;
  /** With `content`, the same content has the same ETag, as in S3 without multipart uploads and without KMS. */
  readonly etags: 'content' | 'unique';
  /** `atomic` collectors store nothing of a request that they refuse; Loki stores the good records. */
  readonly refusal: 'atomic' | 'storesTheRest';
  /** The AWS SDK and its HTTP messages, or the calls of `S3Api` (ten times as fast). */
  readonly bucket: 'sdk' | 'calls';
}

/**
 * `atMs` counts from the start, here and below. A line is a name: the text of a line is made from it. Names that begin with
 * `p` make a record that the collector refuses, with `b` one that is too large for it, with `x` one that is no JSON.
 */
export type Step = Delivery | Fault | Death;

export type Delivery = { readonly kind: 'deliver'; readonly atMs: number; readonly key: string } & (
  | { readonly change: 'extend' | 'rewrite' | 'insert'; readonly lines: readonly string[]; readonly newline: boolean }
  | { readonly change: 'shrink'; readonly keep: number }
  | { readonly change: 'same' | 'reorder' }
  | { readonly change: 'delete' }
);

/** Something is wrong for a while. */
export type Fault = { readonly atMs: number; readonly forMs: number } & (
  | ({ readonly kind: 'collector' } & CollectorFault)
  | { readonly kind: 'bucket'; readonly fault: 'throttled' | 'failing' | 'denied' | 'cut' | 'stale' }
  | { readonly kind: 'disk'; readonly of: 'state' | 'letters' }
);

export type CollectorFault =
  | { readonly fault: 'status'; readonly status: number; readonly retryAfterS: number | undefined }
  | { readonly fault: 'refusesConnections' | 'cuts' | 'losesAnswers' | 'hangs' | 'slow' | 'partial' | 'mixed' };

/** The process ends, and another one begins later. */
export type Death = {
  readonly kind: 'death';
  readonly atMs: number;
  readonly downMs: number;
} & (
  | { readonly how: 'stop' }
  | {
      /** With `powerLoss`, what was written and not synchronised may be gone, and the last write may be torn. */
      readonly how: 'kill' | 'powerLoss';
      /** At the next call of this kind that ends, after so many of them. */
      readonly at: CallKind | 'any';
      readonly skip: number;
      /** How far the process gets with what it was told before it dies. */
      readonly microtasks: number;
      /** What becomes of requests that are on the wire. */
      readonly requestsArrive: boolean;
      /** The state is found empty or full of garbage by the next process. */
      readonly state: 'kept' | 'lost' | 'damaged';
    }
);

/** Calls that leave the process. */
export type CallKind = 'sleep' | 'list' | 'open' | 'read' | 'arrive' | 'answer' | 'letters' | 'commit';

export const startMs = Date.UTC(2026, 0, 31, 6);
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

export function planOf(seed: number): Plan {
  const chance = new Chance(`plan ${seed}`);
  const bucket = chance.happens(0.05) ? 'sdk' : 'calls';
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
    bucket,
  };
  const story = new Story(chance, durationMs, pollIntervalMs);
  const steps = [...story.deliveries(), ...story.faults(), ...story.deaths()];
  return { seed, settings, steps: steps.toSorted((left, right) => left.atMs - right.atMs) };
}

class Story {
  readonly #chance: Chance;
  readonly #durationMs: number;
  readonly #pollIntervalMs: number;
  #lineCount = 0;

  constructor(chance: Chance, durationMs: number, pollIntervalMs: number) {
    this.#chance = chance;
    this.#durationMs = durationMs;
    this.#pollIntervalMs = pollIntervalMs;
  }

  deliveries(): Delivery[] {
    const chance = this.#chance;
    const keys = Array.from({ length: chance.between(1, 5) }, (_, index) => this.#key(index)) as [string, ...string[]];
    const hasBadRecords = chance.happens(0.3);
    return Array.from({ length: chance.between(2, 14) }, (_, index) => {
      const at = { kind: 'deliver' as const, atMs: index === 0 ? 0 : this.#time(), key: chance.pick(keys) };
      const change = chance.pick([
        'extend',
        'extend',
        'extend',
        'same',
        'rewrite',
        'insert',
        'reorder',
        'shrink',
        'delete',
      ]);
      if (change === 'shrink') return { ...at, change, keep: chance.between(0, 12) };
      if (change === 'same' || change === 'reorder') return { ...at, change };
      if (change === 'delete') return { ...at, change };
      return { ...at, change, lines: this.#lines(hasBadRecords), newline: chance.happens(0.9) };
    });
  }

  faults(): Fault[] {
    const chance = this.#chance;
    return Array.from({ length: chance.between(0, 6) }, (): Fault => {
      const at = { atMs: this.#time(), forMs: this.#faultDurationMs() };
      switch (chance.pick(['collector', 'collector', 'collector', 'bucket', 'bucket', 'disk'])) {
        case 'collector':
          return { kind: 'collector', ...at, ...this.#collectorFault() };
        case 'bucket':
          return { kind: 'bucket', ...at, fault: chance.pick(['throttled', 'failing', 'denied', 'cut', 'stale']) };
        default:
          return { kind: 'disk', ...at, of: chance.pick(['state', 'letters']) };
      }
    });
  }

  deaths(): Death[] {
    const chance = this.#chance;
    return Array.from({ length: chance.between(0, 6) }, (): Death => {
      const at = { kind: 'death' as const, atMs: this.#time(), downMs: this.#downMs() };
      if (chance.happens(0.15)) return { ...at, how: 'stop' };
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
    });
  }

  /** Mostly right after something was delivered or before it is looked at: the interesting moments are close together. */
  #time(): number {
    const { next } = { next: this.#chance.next() };
    const polls = Math.floor((next * this.#durationMs) / this.#pollIntervalMs);
    return this.#chance.happens(0.5)
      ? polls * this.#pollIntervalMs + this.#chance.between(-3000, 3000) + 3000
      : Math.floor(next * this.#durationMs);
  }

  #faultDurationMs(): number {
    const chance = this.#chance;
    return chance.pick([
      chance.between(1000, 60_000),
      chance.between(minuteMs, 30 * minuteMs),
      chance.between(hourMs, 4 * hourMs),
      chance.happens(0.2) ? chance.between(dayMs, 3 * dayMs) : chance.between(minuteMs, 2 * hourMs),
    ]);
  }

  #downMs(): number {
    const chance = this.#chance;
    return chance.pick([1000, 1000, chance.between(1000, 60_000), chance.between(minuteMs, 3 * hourMs)]);
  }

  #collectorFault(): CollectorFault {
    const chance = this.#chance;
    const fault = chance.pick([
      'status',
      'status',
      'refusesConnections',
      'cuts',
      'losesAnswers',
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

  #key(index: number): string {
    const chance = this.#chance;
    const dayOfRun = Math.floor((chance.next() * this.#durationMs) / dayMs);
    const date = utcDate(startMs + dayOfRun * dayMs, chance.pick([0, 0, 0, 1, 3, 6]));
    const ending = chance.happens(0.3) ? 'json.gz' : 'json';
    return `audit/workspaceId=${chance.between(0, 2)}/date=${date}/auditlogs_${index}.${ending}`;
  }

  #lines(hasBadRecords: boolean): string[] {
    const chance = this.#chance;
    const count = chance.pick([chance.between(0, 3), chance.between(1, 12), chance.between(10, 40)]);
    return Array.from({ length: count }, () => {
      // Equal lines in one object are two events.
      if (chance.happens(0.15)) return `${chance.between(0, 2)}`;
      const name = `${100 + this.#lineCount++}`;
      return hasBadRecords && chance.happens(0.1) ? `${chance.pick(['p', 'b', 'x'])}${name}` : name;
    });
  }
}
