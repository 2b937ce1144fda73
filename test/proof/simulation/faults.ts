/**
 * What is wrong at the moment, by the plan.
 */
import type { Fault, Plan, StoreFault } from './plan.ts';
import { startMs } from './plan.ts';
import type { World } from './world.ts';

type CollectorFault = Extract<Fault, { kind: 'collector' }>;
type ClockFault = Extract<Fault, { kind: 'clock' }>;
type StoreStep = Extract<Fault, { kind: 'store' }>;
type BucketFault = Extract<Fault, { kind: 'bucket' }>;

export class Faults {
  readonly #world: World;
  readonly #faults: readonly Fault[];

  constructor(world: World, plan: Plan) {
    this.#world = world;
    this.#faults = plan.steps.flatMap((step) =>
      step.kind === 'deliver' || step.kind === 'death' || step.kind === 'stop' ? [] : [step],
    );
  }

  /** When the last fault ends. */
  get endMs(): number {
    return Math.max(startMs, ...this.#faults.map(({ atMs, forMs }) => startMs + atMs + forMs));
  }

  /** @param replica that sends; undefined if there is only one process. */
  collectorOf(replica: number | undefined): CollectorFault | undefined {
    return this.#active().findLast(
      (fault): fault is CollectorFault =>
        fault.kind === 'collector' && (fault.replica === undefined || fault.replica === replica),
    );
  }

  get store(): StoreFault | undefined {
    return this.#active().findLast((fault): fault is StoreStep => fault.kind === 'store')?.fault;
  }

  bucket(name: BucketFault['fault']): boolean {
    return this.#active().some((fault) => fault.kind === 'bucket' && fault.fault === name);
  }

  diskIsFull(of: 'state' | 'letters'): boolean {
    return this.diskWasFull(of, 0);
  }

  /** At some moment of the last so many milliseconds, or now. */
  diskWasFull(of: 'state' | 'letters', lastMs: number): boolean {
    const nowMs = this.#world.nowMs - startMs;
    return this.#faults.some(
      (fault) =>
        fault.kind === 'disk' && fault.of === of && fault.atMs <= nowMs && nowMs - lastMs < fault.atMs + fault.forMs,
    );
  }

  /** How far the clock of the machine is ahead. */
  get clockAheadMs(): number {
    return this.#active().findLast((fault): fault is ClockFault => fault.kind === 'clock')?.byMs ?? 0;
  }

  /** The latest time that the clock of the machine has shown. */
  get latestClockMs(): number {
    const { nowMs } = this.#world;
    const shown = this.#faults.flatMap((fault) => {
      const fromMs = startMs + fault.atMs;
      return fault.kind === 'clock' && fromMs <= nowMs ? Math.min(nowMs, fromMs + fault.forMs) + fault.byMs : [];
    });
    return Math.max(nowMs, ...shown);
  }

  /** True when nothing was in the way of shipping since then. A clock is not. */
  noneSince(sinceMs: number): boolean {
    return this.#faults.every(
      ({ kind, atMs, forMs }) =>
        kind === 'clock' || startMs + atMs + forMs < sinceMs || startMs + atMs > this.#world.nowMs,
    );
  }

  #active(): readonly Fault[] {
    const nowMs = this.#world.nowMs - startMs;
    return this.#faults.filter(({ atMs, forMs }) => atMs <= nowMs && nowMs < atMs + forMs);
  }
}
