/**
 * Lists the sources and ships the candidates that they offer, in the order explained in
 * docs/decisions/0003-order-of-shipping.md: within each workspace, the dates of the lookback window, oldest first; in
 * parallel, with separate limits, older dates (a backfill, then the sweeps), so that years of history never delay today.
 */
import type { DeliveryState } from '../contracts/delivery-state.ts';
import { type Observer, toFault } from '../contracts/observer.ts';
import {
  type Candidate,
  completeListingCodes,
  type DateRange,
  type Source,
  type WorkspaceListing,
} from '../contracts/source.ts';
import { reached } from '../contracts/step.ts';
import type { VisitOutcome } from '../contracts/visit-outcome.ts';
import { type AgentError, isAgentError, isFatal } from '../model/agent-error.ts';
import type { DeliveredObject } from '../model/object.ts';
import type { ObjectShipper } from '../pipeline/object-shipper.ts';
import { type Clock, utcDate } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import { measureBacklog } from './backlog.ts';
import type { FaultLog } from './fault-log.ts';
import { createLane, type Lane } from './lane.ts';
import { Leadership } from './leadership.ts';
import { isDue } from './start-date.ts';
import { type WaitingInWorkspace, WaitingObjects } from './waiting-objects.ts';

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
  readonly state: Pick<DeliveryState, 'unsettled' | 'lead'>;
  /** Worker threads of the shipper; enough objects are visited in parallel to keep all of them busy. */
  readonly workers?: number | undefined;
  readonly schedule: Schedule;
  readonly observe: Observer;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called with an error that ends shipping: nobody needs to wait for requests in flight any more. */
  readonly onFailure?: ((error: unknown) => void) | undefined;
  /** Called at every poll with the first date that it lists. */
  readonly onPoll?: ((lookbackStart: string) => void) | undefined;
  /** Called when everything in the lookback window that was there at this time is settled. */
  readonly onCaughtUp?: ((atMs: number, signal: AbortSignal) => Promise<void>) | undefined;
}

const recentObjectsAtOnce = 6;
const olderObjectsAtOnce = 3;

export class Shipping {
  readonly #context: ShippingContext;
  readonly #sweepLeadership: Leadership;
  /** For each source, the start time of the last listing whose objects are all settled. */
  readonly #caughtUpAtMs = new Map<Source, number>();
  #caughtUpCalls: Promise<unknown> = Promise.resolve();
  #fail: (error: unknown) => void = () => {};

  constructor(context: ShippingContext) {
    this.#context = context;
    this.#sweepLeadership = new Leadership(context.state, 'sweep');
  }

  /** Ships continuously. Rejects with the signal's reason when it aborts, and with an error that is fatal. */
  async follow(signal: AbortSignal): Promise<void> {
    try {
      await this.#untilFailure(signal, (source, stopping) => this.#followSource(source, stopping));
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
    const complete = await this.#untilFailure(signal, async (source, stopping) => {
      const waiting = new WaitingObjects({ ...this.#context, source: source.name, dates: 'recent' });
      const lane = createLane(source, recentObjectsAtOnce, this.#context, waiting);
      for (let attempt = 1; attempt <= attemptsMax; attempt++) {
        if (attempt > 1) await this.#context.clock.sleep(1000 * attempt, stopping);
        if (attempt === attemptsMax) lane.faults.expectNoOtherListing();
        if (await this.#walk(source, this.#allDates(), lane, stopping)) return true;
      }
      return false;
    });
    return complete.every(Boolean);
  }

  /** Works on all sources in parallel. A fatal error anywhere stops all of them. */
  async #untilFailure<Result>(
    signal: AbortSignal,
    work: (source: Source, stopping: AbortSignal) => Promise<Result>,
  ): Promise<Result[]> {
    const failure = new AbortController();
    const stopping = AbortSignal.any([signal, failure.signal]);
    this.#fail = (error) => {
      if (stopping.aborted) return;
      failure.abort(error);
      this.#context.onFailure?.(error);
    };
    const working = this.#context.sources.map((source) => work(source, stopping));
    for (const each of working) each.catch(this.#fail);
    const results = await Promise.allSettled(working);
    stopping.throwIfAborted();
    return results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  }

  async #followSource(source: Source, signal: AbortSignal): Promise<void> {
    const parts = { ...this.#context, source: source.name };
    const waitingOlder = new WaitingObjects({ ...parts, dates: 'older' });
    const waiting = new WaitingObjects({ ...parts, dates: 'recent' }, waitingOlder);
    const recent = createLane(source, recentObjectsAtOnce, this.#context, waiting);
    await this.#poll(source, recent, signal);
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
    const startedAtMs = this.#context.clock.nowMs();
    const incompleteBefore = lane.incompleteCount;
    const resolveFaults = lane.faults.beginListing();
    const isComplete = await this.#list(source, { from, before: undefined }, lane, signal);
    void Promise.all(lane.busy.values()).then(() => {
      if (!isComplete || lane.incompleteCount > incompleteBefore || signal.aborted) return;
      resolveFaults();
      this.#reportCaughtUp(source, startedAtMs, signal);
    });
  }

  /** Everything that the source listed at this time is settled. */
  #reportCaughtUp(source: Source, atMs: number, signal: AbortSignal): void {
    const { sources, onCaughtUp } = this.#context;
    this.#caughtUpAtMs.set(source, atMs);
    if (this.#caughtUpAtMs.size === sources.length) {
      const call = onCaughtUp?.(Math.min(...this.#caughtUpAtMs.values()), signal).catch(this.#fail);
      this.#caughtUpCalls = Promise.all([this.#caughtUpCalls, call]);
    }
  }

  /**
   * Ships older dates: first the backfill, then, at every sweep interval, what was delivered late. One process does this on
   * behalf of all. If another one takes over in the meantime, both finish their pass; claims keep them apart.
   */
  async #sweep(source: Source, recent: Lane, waiting: WaitingObjects, signal: AbortSignal): Promise<void> {
    const { clock, schedule } = this.#context;
    await Promise.all(recent.busy.values());
    const older = createLane(source, olderObjectsAtOnce, this.#context, waiting, recent.faults);
    for (let sweepCount = 0; ; ) {
      let isComplete = false;
      if (await this.#sweepLeadership.isHeld()) {
        if (sweepCount++ === 0) await this.#reportBackfill(source, signal);
        const dates = { from: schedule.startDate, before: this.#lookbackStart() };
        isComplete = await this.#walk(source, dates, older, signal);
        if (isComplete && schedule.sweepIntervalMs === 0) return;
      }
      await clock.sleep(isComplete ? schedule.sweepIntervalMs : 10 * source.pollIntervalMs, signal);
    }
  }

  /** Logs the size of a backfill before it starts, so that the operator can limit it. */
  async #reportBackfill(source: Source, signal: AbortSignal): Promise<void> {
    const dates = { from: this.#context.schedule.startDate, before: this.#lookbackStart() };
    const backlog = await measureBacklog([source], this.#context.state, dates, signal).catch(() => undefined);
    signal.throwIfAborted();
    if (backlog === undefined || backlog.objectCount === 0) return;
    const days = [...backlog.dates].sort();
    this.#context.logger.info(
      {
        source: source.name,
        objects: backlog.objectCount,
        bytes: backlog.sizeBytes,
        days: days.length,
        first_date: days[0],
        last_date: days.at(-1),
        hint: 'Set DATABRICKS_AUDIT_START to a date (yyyy-mm-dd) or to now to ship less of it.',
      },
      'Backfill started: some objects are older than the lookback window',
    );
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
    const { clock, observe } = this.#context;
    let firstFault: AgentError | undefined;
    let isComplete = true;
    const listed = new Set<string>();
    const onFault = (fault: AgentError) => {
      const isComplete = completeListingCodes.has(fault.code);
      if (firstFault === undefined || (!isComplete && completeListingCodes.has(firstFault.code))) firstFault = fault;
      if (!isComplete) lane.incompleteCount++;
      const isEmpty = fault.code === 'ERR_SOURCE_EMPTY';
      lane.faults.report(fault, isEmpty ? 'Waiting for the first delivery' : 'Listing is incomplete');
    };
    try {
      for await (const workspace of source.list({ dates, signal, onFault })) {
        const name = workspace.workspaceId ?? '';
        listed.add(name);
        if (lane.busy.has(name)) {
          isComplete = false;
          continue;
        }
        const waiting = lane.waiting.begin(workspace.workspaceId, dates.from);
        const shipped = this.#shipWorkspace(source, workspace, lane, waiting, signal)
          .catch(this.#fail)
          .finally(() => lane.busy.delete(name));
        lane.busy.set(name, shipped);
      }
      lane.waiting.keepOnly((id = '') => listed.has(id) || lane.busy.has(id));
    } catch (error) {
      signal.throwIfAborted();
      if (!isAgentError(error)) throw error;
      firstFault = error;
      lane.incompleteCount++;
      lane.faults.report(error, 'Source could not be listed; retrying');
    }
    observe({
      kind: 'listingEnded',
      source: source.name,
      dates: dates.before === undefined ? 'recent' : 'older',
      atMs: clock.nowMs(),
      fault: firstFault && toFault(firstFault),
    });
    return isComplete;
  }

  /**
   * Ships the objects of one date in parallel. The next date starts when all of them are done, so that dates are shipped in
   * order; if one of them is held elsewhere, later dates are left to the next listing.
   */
  async #shipWorkspace(
    source: Source,
    workspace: WorkspaceListing,
    lane: Lane,
    waiting: WaitingInWorkspace,
    signal: AbortSignal,
  ): Promise<void> {
    const release = await lane.workspaces.acquire(signal);
    const visits = new Set<Promise<void>>();
    let date: string | undefined;
    let isHeldElsewhere = false;
    for await (const candidate of this.#unsettled(source, workspace, lane, waiting, signal)) {
      if (candidate.object.origin.date !== date) {
        await Promise.all(visits);
        if (isHeldElsewhere) break;
        date = candidate.object.origin.date;
      }
      const freeSlot = await lane.objects.acquire(signal).catch(() => undefined);
      if (freeSlot === undefined) break;
      const visit = this.#visit(source, candidate, lane, waiting, signal)
        .then((outcome) => {
          isHeldElsewhere ||= outcome?.status === 'elsewhere';
        })
        .finally(() => {
          freeSlot();
          visits.delete(visit);
        });
      visits.add(visit);
    }
    await Promise.all(visits);
    waiting.end();
    release();
  }

  /** The candidates of a workspace that have to be visited. */
  async *#unsettled(
    source: Source,
    { workspaceId, pages }: WorkspaceListing,
    lane: Lane,
    waiting: WaitingInWorkspace,
    signal: AbortSignal,
  ): AsyncIterable<Candidate> {
    const { state, observe } = this.#context;
    try {
      for await (const page of pages()) {
        if (signal.aborted) return;
        const due = page.filter(({ object }) => isDue(object, this.#context.schedule.startDate));
        const unsettled = new Set(await state.unsettled(due.map(({ object }) => object)));
        const [listedCount, unchangedCount] = [due.length, due.length - unsettled.size];
        observe({ kind: 'objectsListed', source: source.name, workspaceId, listedCount, unchangedCount });
        waiting.listed(unsettled);
        for (const candidate of due) {
          if (signal.aborted) return;
          if (unsettled.has(candidate.object)) yield candidate;
          else candidate.settle({ status: 'unchanged' });
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      if (isFatal(error) || !isAgentError(error)) return this.#fail(error);
      lane.incompleteCount++;
      waiting.brokeOff();
      lane.faults.report(error, 'Workspace could not be listed; continuing with the others', {
        workspace: workspaceId,
      });
    }
  }

  /** Returns undefined after a fatal error. */
  async #visit(
    source: Source,
    { object, settle }: Candidate,
    lane: Lane,
    waiting: WaitingInWorkspace,
    signal: AbortSignal,
  ): Promise<VisitOutcome | undefined> {
    const { id, workspaceId } = object.origin;
    reached('object listed', id);
    try {
      const outcome = await this.#context.shipper.ship(object, signal);
      if (outcome.status === 'released' || outcome.status === 'elsewhere') lane.incompleteCount++;
      this.#report(object, outcome, lane.faults, waiting);
      this.#context.observe({
        kind: 'objectVisited',
        source: source.name,
        objectId: id,
        workspaceId,
        status: outcome.status,
        sizeBytes: object.version.sizeBytes,
        fault: 'error' in outcome ? toFault(outcome.error) : undefined,
      });
      settle(outcome);
      return outcome;
    } catch (error) {
      this.#fail(error);
      return undefined;
    }
  }

  #report(object: DeliveredObject, outcome: VisitOutcome, faults: FaultLog, waiting: WaitingInWorkspace): void {
    const fields = { object: object.origin.id };
    if (outcome.status !== 'released') faults.forget(fields);
    switch (outcome.status) {
      case 'released': {
        const message = 'Object could not be read completely; retrying at the next listing';
        const fault = faults.report(outcome.error, message, fields);
        if (fault === undefined && outcome.error.code === 'ERR_OBJECT_GONE') waiting.done(object);
        else waiting.notShipped(object, fault);
        break;
      }
      case 'damaged':
        waiting.done(object);
        faults.report(outcome.error, 'Object is damaged; what could be decoded was shipped', fields);
        break;
      case 'elsewhere':
        waiting.notShipped(object, undefined);
        break;
      default:
        if (outcome.status === 'growing') waiting.notShipped(object, undefined);
        else waiting.done(object);
        if ('error' in outcome) faults.report(outcome.error, 'Object is not one JSON object per line', fields);
        this.#context.logger.debug({ ...fields, status: outcome.status }, 'Object visited');
    }
  }

  #lookbackStart(): string {
    const { clock, schedule } = this.#context;
    const date = utcDate(clock.nowMs(), schedule.lookbackDays);
    return schedule.startDate !== undefined && schedule.startDate > date ? schedule.startDate : date;
  }

  #allDates(): DateRange {
    return { from: this.#context.schedule.startDate, before: undefined };
  }
}
