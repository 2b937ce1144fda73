/**
 * Lists the sources and ships the candidates that they offer, in the order explained in
 * docs/decisions/0003-order-of-shipping.md: within each workspace, the dates of the lookback window, oldest first; in
 * parallel, with separate limits, older dates (a backfill, then the sweeps), so that years of history never delay today.
 * Queues of notifications offer candidates between the polls (notified-visits.ts).
 */
import type { DeliveryState } from '../contracts/delivery-state.ts';
import type { NotificationQueue } from '../contracts/notifications.ts';
import { type Observer, toFault } from '../contracts/observer.ts';
import { type DateRange, isPartialListing, type ListingRequest, type Source } from '../contracts/source.ts';
import { type AgentError, isAgentError } from '../model/agent-error.ts';
import type { ObjectShipper } from '../pipeline/object-shipper.ts';
import { type Clock, utcDate } from '../runtime/clock.ts';
import { endedWithin } from '../runtime/ended-within.ts';
import type { Logger } from '../runtime/logger.ts';
import { reportBackfill } from './backlog.ts';
import { CaughtUp, type CaughtUpToMs } from './caught-up.ts';
import { createLane, type Lane } from './lane.ts';
import { Leadership } from './leadership.ts';
import { NotifiedVisits } from './notified-visits.ts';
import { ObjectVisits } from './object-visits.ts';
import { SettledFaults } from './settled-faults.ts';
import { shipWorkspace } from './ship-workspace.ts';
import { WaitingObjects } from './waiting-objects.ts';

export interface Schedule {
  /** Dates that every poll lists, in addition to today. */
  readonly lookbackDays: number;
  /** 0: older dates are listed only once, at startup. */
  readonly sweepIntervalMs: number;
  /** The first date to ship, `yyyy-mm-dd`; undefined for no limit. */
  readonly startDate: string | undefined;
}

export interface ShippingContext {
  readonly sources: readonly Source[];
  readonly shipper: Pick<ObjectShipper, 'ship'>;
  readonly state: Pick<DeliveryState, 'unsettled' | 'settledFaults' | 'knowsAny' | 'lead'>;
  /** Worker threads of the shipper; enough objects are visited in parallel to keep all of them busy. */
  readonly workers?: number | undefined;
  readonly schedule: Schedule;
  /** Followed next to the listings, by `follow` only. */
  readonly queues?: readonly NotificationQueue[] | undefined;
  readonly observe: Observer;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called with an error that ends shipping: nobody needs to wait for requests in flight any more. */
  readonly onFailure?: ((error: unknown) => void) | undefined;
  /** Called at every poll with the first date that it lists. */
  readonly onPoll?: ((lookbackStart: string) => void) | undefined;
  /** Called when more of the lookback window is settled, with the time up to which it is, for each workspace. */
  readonly onCaughtUp?: ((toMs: CaughtUpToMs, signal: AbortSignal) => Promise<void>) | undefined;
}

const recentObjectsAtOnce = 6;
const olderObjectsAtOnce = 3;
/** While another process leads the sweep. Each time costs a read of the state; one that died is replaced after about this time. */
const askForLeadIntervalMs = 60_000;
/** How long older dates wait for the first round of recent ones: an object that cannot be sent holds up that of its workspace for ever. */
const firstRoundMaxMs = 3_600_000;

export class Shipping {
  readonly #context: ShippingContext;
  readonly #sweepLeadership: Leadership;
  readonly #caughtUp: CaughtUp;
  #caughtUpCalls: Promise<unknown> = Promise.resolve();
  readonly #visits: ObjectVisits;
  readonly #settledFaults: SettledFaults;
  /** The lanes of recent dates, by source name. */
  readonly #recentLanes = new Map<string, Lane>();
  #fail: (error: unknown) => void = () => {};

  constructor(context: ShippingContext) {
    this.#context = context;
    this.#caughtUp = new CaughtUp(context.sources);
    this.#settledFaults = new SettledFaults(context);
    const observe: Observer = (event) => this.#settledFaults.observe(event);
    this.#visits = new ObjectVisits({ ...context, observe, fail: (error) => this.#fail(error) });
    this.#sweepLeadership = new Leadership(context.state, 'sweep');
  }

  /** Ships continuously. Rejects with the signal's reason when it aborts, and with an error that is fatal. */
  async follow(signal: AbortSignal): Promise<void> {
    try {
      const firstWalks = this.#context.sources.map(() => Promise.withResolvers<void>());
      await this.#untilFailure(signal, [
        ...this.#context.sources.map(
          (source, index) => (stopping: AbortSignal) =>
            this.#followSource(source, stopping, () => firstWalks[index]?.resolve()),
        ),
        ...this.#notifiedVisits(Promise.all(firstWalks.map(({ promise }) => promise))),
      ]);
    } finally {
      await this.#sweepLeadership.release();
    }
  }

  /**
   * Ships what is there now. Retries a few times what cannot be listed or read.
   * @returns true if everything was listed and read completely.
   */
  async shipOnce(signal: AbortSignal): Promise<boolean> {
    const attemptsMax = 3;
    const ship = async (source: Source, stopping: AbortSignal) => {
      const waiting = new WaitingObjects({ ...this.#context, source: source.name, dates: 'recent' });
      const lane = createLane(source, recentObjectsAtOnce, this.#context, waiting);
      for (let attempt = 1; attempt <= attemptsMax; attempt++) {
        if (attempt > 1) await this.#context.clock.sleep(1000 * attempt, stopping);
        if (attempt === attemptsMax) lane.faults.expectNoOtherListing();
        if (await this.#walk(source, this.#allDates(), lane, stopping)) return true;
      }
      return false;
    };
    const complete = await this.#untilFailure(
      signal,
      this.#context.sources.map((source) => (stopping) => ship(source, stopping)),
    );
    return complete.every(Boolean);
  }

  /** Does all work in parallel. A fatal error anywhere stops all of it. */
  async #untilFailure<Result>(
    signal: AbortSignal,
    work: readonly ((stopping: AbortSignal) => Promise<Result>)[],
  ): Promise<Result[]> {
    const failure = new AbortController();
    const stopping = AbortSignal.any([signal, failure.signal]);
    this.#fail = (error) => {
      if (stopping.aborted) return;
      failure.abort(error);
      this.#context.onFailure?.(error);
    };
    const working = work.map((each) => each(stopping));
    for (const each of working) each.catch(this.#fail);
    const results = await Promise.allSettled(working);
    stopping.throwIfAborted();
    return results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  }

  /** Hints and listings take the same way from here on: object-visits.ts. */
  #notifiedVisits(firstWalks: Promise<unknown>): readonly ((stopping: AbortSignal) => Promise<void>)[] {
    const { queues = [], schedule } = this.#context;
    return queues.map((queue) => (stopping) => {
      const visits = new NotifiedVisits({
        ...this.#context,
        queue,
        visits: this.#visits,
        startDate: schedule.startDate,
        recentLane: (source) => this.#recentLanes.get(source),
        recentWalks: async () => {
          await firstWalks;
          for (const { walks } of this.#recentLanes.values()) await walks.pausedOrEnded();
        },
      });
      return visits.follow(stopping);
    });
  }

  /** @param onFirstWalk called when the first walk of the look-back has ended, or only waits for what others ship. */
  async #followSource(source: Source, signal: AbortSignal, onFirstWalk: () => void): Promise<void> {
    const parts = { ...this.#context, source: source.name };
    const waitingOlder = new WaitingObjects({ ...parts, dates: 'older' });
    const waiting = new WaitingObjects({ ...parts, dates: 'recent' }, waitingOlder);
    const recent = createLane(source, recentObjectsAtOnce, this.#context, waiting);
    this.#recentLanes.set(source.name, recent);
    await this.#poll(source, recent, signal);
    void recent.walks.pausedOrEnded().then(onFirstWalk);
    void Promise.all(recent.busy.values()).then(() => {
      recent.foundBy = 'listing';
    });
    const sweeping = this.#sweep(source, recent, waitingOlder, signal).catch(this.#fail);
    for (;;) {
      await this.#context.clock.sleep(source.pollIntervalMs, signal).catch(() => {});
      if (signal.aborted) break;
      await this.#poll(source, recent, signal);
    }
    await Promise.all([sweeping, ...recent.busy.values()]);
    await this.#caughtUpCalls;
  }

  async #poll(source: Source, lane: Lane, signal: AbortSignal): Promise<void> {
    const from = this.#lookbackStart();
    this.#context.onPoll?.(from);
    // A workspace that is busy for long must not keep the others from being watched.
    if (lane.busy.size > 0) this.#reportCaughtUp(signal);
    const incompleteBefore = lane.incompleteCount;
    const resolveFaults = lane.faults.beginListing();
    const isComplete = await this.#list(source, { from, before: undefined }, lane, signal);
    void Promise.all(lane.busy.values()).then(() => {
      if (signal.aborted) return;
      if (isComplete && lane.incompleteCount === incompleteBefore) resolveFaults();
      this.#reportCaughtUp(signal);
    });
  }

  #reportCaughtUp(signal: AbortSignal): void {
    const call = this.#context.onCaughtUp?.(this.#caughtUp.toMs, signal).catch(this.#fail);
    // Without the results: each would hold those of all polls before.
    this.#caughtUpCalls = Promise.all([this.#caughtUpCalls, call]).then(() => {});
  }

  /**
   * Ships older dates: first the backfill, then, at every sweep interval, what was delivered late. One process does this on
   * behalf of all. If another one takes over in the meantime, both finish their pass; claims keep them apart.
   */
  async #sweep(source: Source, recent: Lane, waiting: WaitingObjects, signal: AbortSignal): Promise<void> {
    const { clock, observe, schedule } = this.#context;
    const reportDue = (isDue: boolean) => observe({ kind: 'listingDue', source: source.name, isDue });
    reportDue(true);
    await endedWithin(firstRoundMaxMs, Promise.all(recent.busy.values()), clock, signal);
    const older = createLane(source, olderObjectsAtOnce, this.#context, waiting, recent.faults);
    for (let sweepCount = 0; ; sweepCount++) {
      let leadsAnew = sweepCount === 0;
      while (!(await this.#sweepLeadership.isHeld())) {
        leadsAnew = true;
        // What left the look-back is counted by the leader, which alone learns that it was shipped.
        waiting.keepOnly(() => false);
        reportDue(false);
        await clock.sleep(askForLeadIntervalMs, signal);
      }
      if (leadsAnew) reportDue(true);
      if (sweepCount === 0) await reportBackfill(source, { ...this.#context, dates: this.#olderDates() }, signal);
      const isComplete = await this.#walk(source, this.#olderDates(), older, signal);
      if (isComplete) older.foundBy = 'listing';
      if (isComplete && schedule.sweepIntervalMs === 0) return;
      await clock.sleep(isComplete ? schedule.sweepIntervalMs : 10 * source.pollIntervalMs, signal);
    }
  }

  /** Lists once and ships everything listed. Returns false if something has to be tried again. */
  async #walk(source: Source, dates: DateRange, lane: Lane, signal: AbortSignal): Promise<boolean> {
    const incompleteBefore = lane.incompleteCount;
    const resolveFaults = lane.faults.beginListing();
    await this.#list(source, dates, lane, signal);
    await Promise.all(lane.busy.values());
    signal.throwIfAborted();
    const isComplete = lane.incompleteCount === incompleteBefore;
    if (isComplete) resolveFaults();
    return isComplete;
  }

  /**
   * Starts shipping what a listing returns. Skips workspaces that are still busy until the next listing.
   * @returns true if no workspace was skipped.
   */
  async #list(source: Source, dates: DateRange, lane: Lane, signal: AbortSignal): Promise<boolean> {
    const { clock, observe, schedule } = this.#context;
    const startedAtMs = clock.nowMs();
    const isRecent = dates.before === undefined;
    const fail = (error: unknown) => this.#fail(error);
    const [visits, settledFaults] = [this.#visits, this.#settledFaults];
    const parts = { ...this.#context, visits, settledFaults, startDate: schedule.startDate, fail };
    let firstFault: AgentError | undefined;
    let endedAtMs: number | undefined;
    let isComplete = true;
    const listed = new Set<string>();
    const isPartial = () => firstFault !== undefined && isPartialListing(firstFault);
    const reportEnd = (atMs: number) =>
      observe({
        kind: 'listingEnded',
        source: source.name,
        dates: isRecent ? 'recent' : 'older',
        atMs,
        fault: firstFault && toFault(firstFault),
      });
    const onFault = (fault: AgentError) => {
      if (firstFault === undefined || (isPartialListing(fault) && !isPartial())) firstFault = fault;
      if (isPartialListing(fault)) lane.incompleteCount++;
      const isEmpty = fault.code === 'ERR_SOURCE_EMPTY';
      lane.faults.report(fault, isEmpty ? 'Waiting for the first delivery' : 'Listing is incomplete');
      // A custom source may report here what its pages meet, which changes the verdict.
      if (endedAtMs !== undefined) reportEnd(endedAtMs);
    };
    try {
      for await (const workspace of source.list({ dates, signal, onFault, knowsAny: this.#knowsAny(signal) })) {
        const name = workspace.workspaceId ?? '';
        listed.add(name);
        if (lane.busy.has(name)) {
          isComplete = false;
          continue;
        }
        const waiting = lane.waiting.begin(workspace.workspaceId, dates.from);
        const walk = lane.walks.begin(workspace.workspaceId);
        const shipped = shipWorkspace({ ...parts, source, workspace, lane, walk, waiting }, signal)
          .then((isSettled) => {
            if (isSettled && isRecent && !isPartial()) this.#caughtUp.shipped(source, name, startedAtMs);
          })
          .catch(fail)
          .finally(() => lane.busy.delete(name));
        lane.busy.set(name, shipped);
      }
      if (!isPartial()) {
        const isThere = (id = '') => listed.has(id) || lane.busy.has(id);
        lane.waiting.keepOnly(isThere);
        lane.walks.keepOnly(isThere);
        if (isRecent) this.#caughtUp.listed(source, new Set([...listed, ...lane.busy.keys()]), startedAtMs);
      }
    } catch (error) {
      signal.throwIfAborted();
      if (!isAgentError(error)) throw error;
      firstFault = error;
      lane.incompleteCount++;
      lane.faults.report(error, 'Source could not be listed; retrying');
    }
    endedAtMs = clock.nowMs();
    reportEnd(endedAtMs);
    return isComplete;
  }

  /** For a source without deliveries. A state that cannot be asked now, or not without another right, does not stop the listing. */
  #knowsAny(signal: AbortSignal): ListingRequest['knowsAny'] {
    return async (idsBeginWith) => {
      try {
        return await this.#context.state.knowsAny(idsBeginWith, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (!isAgentError(error)) throw error;
        if (error.code === 'ERR_STATE_DAMAGED') this.#fail(error);
        return undefined;
      }
    };
  }

  #lookbackStart(): string {
    const { clock, schedule } = this.#context;
    const date = utcDate(clock.nowMs(), schedule.lookbackDays);
    return schedule.startDate !== undefined && schedule.startDate > date ? schedule.startDate : date;
  }

  #olderDates(): DateRange {
    return { from: this.#context.schedule.startDate, before: this.#lookbackStart() };
  }

  #allDates(): DateRange {
    return { from: this.#context.schedule.startDate, before: undefined };
  }
}
