/**
 * Lists the sources and hands to the shipper what may hold new lines, in the order that
 * docs/decisions/0003-order-of-shipping.md argues: per workspace the dates within the look-back first, oldest first; older
 * dates (a backfill, then the sweep) beside them with places of their own, so that years of history never delay today.
 */

import { type Observer, toFault } from '../contracts/observer.ts';
import type { DateRange, Source, WorkspaceListing } from '../contracts/source.ts';
import { reached } from '../contracts/step.ts';
import { type AgentError, isAgentError } from '../model/agent-error.ts';
import type { DeliveredObject, ObjectId } from '../model/object.ts';
import type { ObjectEnd } from '../pipeline/object-end.ts';
import type { ObjectShipper } from '../pipeline/object-shipper.ts';
import { type Clock, utcDate } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import { Semaphore } from '../runtime/semaphore.ts';
import { FaultLog } from './fault-log.ts';
import { isDue } from './start-date.ts';

export interface Schedule {
  readonly pollIntervalMs: number;
  /** Dates that every poll lists, today not counted. */
  readonly lookbackDays: number;
  /** 0: older dates are listed once, at the start. */
  readonly sweepIntervalMs: number;
  /** The first date to ship at all, `yyyy-mm-dd`; undefined for the earliest there is. */
  readonly startDate: string | undefined;
}

export interface ShippingContext {
  readonly sources: readonly Source[];
  readonly shipper: Pick<ObjectShipper, 'isSettled' | 'ship'>;
  /** Threads that the shipper ships with: each is given something to do. */
  readonly workers?: number | undefined;
  readonly schedule: Schedule;
  readonly observe: Observer;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called with what nobody can go on from: requests under way need not be waited for any more. */
  readonly onFailure?: ((error: unknown) => void) | undefined;
  /** Called at every poll with the first date that it lists. */
  readonly onPoll?: ((lookbackStart: string) => void) | undefined;
  /** Called when everything of the look-back that was there at this time is settled. */
  readonly onCaughtUp?: ((atMs: number, signal: AbortSignal) => Promise<void>) | undefined;
}

/** What lies ahead: listed, not settled yet. */
export interface Backlog {
  objectCount: number;
  sizeBytes: number;
  readonly dates: Set<string>;
}

/** A lane walks the workspaces side by side, within bounds of its own. */
interface Lane {
  readonly workspaces: Semaphore;
  readonly objects: Semaphore;
  /** Workspaces whose objects of an earlier listing are still being shipped. */
  readonly busy: Map<string, Promise<void>>;
  /** What was not listed or read to its end, and has to be tried again. */
  releasedCount: number;
  readonly faults: FaultLog;
}

/** Objects of a listing between two events that tell how far it is: a page of S3. */
const listedAtOnce = 1000;
const workspacesAtOnce = 4;
const recentObjectsAtOnce = 6;
const olderObjectsAtOnce = 3;

export class Shipping {
  readonly #context: ShippingContext;
  /** Objects being visited, so that overlapping listings never ship one twice at a time. */
  readonly #visited = new Set<ObjectId>();
  /** When the last listing began whose objects are all settled. */
  readonly #caughtUpAtMs = new Map<Source, number>();
  #tellings: Promise<unknown> = Promise.resolve();
  #fail: (error: unknown) => void = () => {};

  constructor(context: ShippingContext) {
    this.#context = context;
  }

  /** Ships and keeps shipping. Rejects with the signal's reason when it is aborted, and with ERR_STATE_DAMAGED. */
  async follow(signal: AbortSignal): Promise<void> {
    await this.#untilFailure(signal, (source, stopping) => this.#followSource(source, stopping));
  }

  /**
   * Ships what is there now. What cannot be listed or read is tried again before it gives up on it.
   * @returns true when everything was listed and read to its end.
   */
  async shipOnce(signal: AbortSignal): Promise<boolean> {
    const attemptsMax = 3;
    const complete = await this.#untilFailure(signal, async (source, stopping) => {
      const lane = this.#createLane(source, recentObjectsAtOnce);
      for (let attempt = 1; attempt <= attemptsMax; attempt++) {
        if (attempt > 1) await this.#context.clock.sleep(1000 * attempt, stopping);
        if (await this.#walk(source, this.#allDates(), lane, stopping)) return true;
      }
      return false;
    });
    return complete.every(Boolean);
  }

  /** Lists everything within the dates, without opening anything. */
  async backlog(sources: readonly Source[], dates: DateRange, signal: AbortSignal): Promise<Backlog> {
    const backlog: Backlog = { objectCount: 0, sizeBytes: 0, dates: new Set() };
    for (const source of sources) {
      for await (const workspace of source.list({ dates, signal, onFault: () => {} })) {
        try {
          for await (const object of workspace.objects()) {
            if (!isDue(object, this.#context.schedule.startDate) || this.#context.shipper.isSettled(object)) continue;
            backlog.objectCount++;
            backlog.sizeBytes += object.version.sizeBytes;
            if (object.origin.date !== undefined) backlog.dates.add(object.origin.date);
          }
        } catch (error) {
          // The walk that follows meets the same fault and reports it.
          if (!isAgentError(error)) throw error;
        }
      }
    }
    return backlog;
  }

  /** Works on all sources side by side; what nobody can go on from, wherever it happens, stops all of it. */
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
    const ends = await Promise.allSettled(working);
    stopping.throwIfAborted();
    return ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : []));
  }

  async #followSource(source: Source, signal: AbortSignal): Promise<void> {
    const recent = this.#createLane(source, recentObjectsAtOnce);
    await this.#poll(source, recent, signal);
    const sweeping = this.#sweep(source, recent, signal).catch(this.#fail);
    for (;;) {
      await this.#context.clock.sleep(this.#context.schedule.pollIntervalMs, signal).catch(() => {});
      if (signal.aborted) break;
      await this.#poll(source, recent, signal);
    }
    await Promise.all([sweeping, ...recent.busy.values()]);
    await this.#tellings;
  }

  async #poll(source: Source, lane: Lane, signal: AbortSignal): Promise<void> {
    const from = this.#lookbackStart();
    this.#context.onPoll?.(from);
    const startedAtMs = this.#context.clock.nowMs();
    const releasedBefore = lane.releasedCount;
    const endFaults = lane.faults.beginListing();
    const isComplete = await this.#list(source, { from, before: undefined }, lane, signal);
    void Promise.all(lane.busy.values()).then(() => {
      if (!isComplete || lane.releasedCount > releasedBefore || signal.aborted) return;
      endFaults();
      this.#tellCaughtUp(source, startedAtMs, signal);
    });
  }

  /** All that the sources showed at this time is settled. */
  #tellCaughtUp(source: Source, atMs: number, signal: AbortSignal): void {
    const { sources, onCaughtUp } = this.#context;
    this.#caughtUpAtMs.set(source, atMs);
    if (this.#caughtUpAtMs.size === sources.length) {
      const told = onCaughtUp?.(Math.min(...this.#caughtUpAtMs.values()), signal).catch(this.#fail);
      this.#tellings = Promise.all([this.#tellings, told]);
    }
  }

  /** Older dates: the backfill first, then every sweep interval whatever was delivered late. */
  async #sweep(source: Source, recent: Lane, signal: AbortSignal): Promise<void> {
    const { clock, schedule } = this.#context;
    await Promise.all(recent.busy.values());
    await this.#announceBackfill(source, signal);
    const older = this.#createLane(source, olderObjectsAtOnce, recent.faults);
    for (;;) {
      const dates = { from: schedule.startDate, before: this.#lookbackStart() };
      const complete = await this.#walk(source, dates, older, signal);
      if (complete && schedule.sweepIntervalMs === 0) return;
      await clock.sleep(complete ? schedule.sweepIntervalMs : 10 * schedule.pollIntervalMs, signal);
    }
  }

  /** Tells what a first start is in for, while there is time to limit it. */
  async #announceBackfill(source: Source, signal: AbortSignal): Promise<void> {
    const dates = { from: this.#context.schedule.startDate, before: this.#lookbackStart() };
    const backlog = await this.backlog([source], dates, signal).catch(() => undefined);
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
      'Backfill begins: objects older than the look-back lie ahead',
    );
  }

  /** One listing, and everything that it shows shipped. False when something of it has to be tried again. */
  async #walk(source: Source, dates: DateRange, lane: Lane, signal: AbortSignal): Promise<boolean> {
    const releasedBefore = lane.releasedCount;
    const endFaults = lane.faults.beginListing();
    await this.#list(source, dates, lane, signal);
    await Promise.all(lane.busy.values());
    signal.throwIfAborted();
    const isComplete = lane.releasedCount === releasedBefore;
    if (isComplete) endFaults();
    return isComplete;
  }

  /**
   * Starts what a listing shows. Workspaces that are busy still are left to the next listing.
   * @returns true when none was left.
   */
  async #list(source: Source, dates: DateRange, lane: Lane, signal: AbortSignal): Promise<boolean> {
    const { clock, observe } = this.#context;
    let firstFault: AgentError | undefined;
    let isComplete = true;
    const onFault = (fault: AgentError) => {
      firstFault ??= fault;
      if (fault.code !== 'ERR_SOURCE_LAYOUT') lane.releasedCount++;
      lane.faults.report(fault, 'Listing is not complete');
    };
    try {
      for await (const workspace of source.list({ dates, signal, onFault })) {
        const name = workspace.workspaceId ?? '';
        if (lane.busy.has(name)) {
          isComplete = false;
          continue;
        }
        const shipped = this.#shipWorkspace(source, workspace, lane, signal)
          .catch(this.#fail)
          .finally(() => lane.busy.delete(name));
        lane.busy.set(name, shipped);
      }
    } catch (error) {
      signal.throwIfAborted();
      if (!isAgentError(error)) throw error;
      firstFault = error;
      lane.releasedCount++;
      lane.faults.report(error, 'Source could not be listed; it is tried again');
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

  /** Objects of one date side by side; the next date begins when all of them have ended, so that time moves forward. */
  async #shipWorkspace(source: Source, workspace: WorkspaceListing, lane: Lane, signal: AbortSignal): Promise<void> {
    const release = await lane.workspaces.acquire(signal);
    const visits = new Set<Promise<void>>();
    let date: string | undefined;
    for await (const object of this.#changed(source, workspace, lane, signal)) {
      if (object.origin.date !== date) await Promise.all(visits);
      date = object.origin.date;
      const place = await lane.objects.acquire(signal).catch(() => undefined);
      if (place === undefined) break;
      const visit = this.#visit(source, object, lane, signal).finally(() => {
        place();
        visits.delete(visit);
      });
      visits.add(visit);
    }
    await Promise.all(visits);
    release();
  }

  async *#changed(
    source: Source,
    workspace: WorkspaceListing,
    lane: Lane,
    signal: AbortSignal,
  ): AsyncIterable<DeliveredObject> {
    const { shipper, observe } = this.#context;
    const { workspaceId } = workspace;
    let [listedCount, unchangedCount] = [0, 0];
    const tellListed = () => {
      observe({ kind: 'objectsListed', source: source.name, workspaceId, listedCount, unchangedCount });
      [listedCount, unchangedCount] = [0, 0];
    };
    try {
      for await (const object of workspace.objects()) {
        if (signal.aborted) return;
        if (!isDue(object, this.#context.schedule.startDate)) continue;
        listedCount++;
        if (shipper.isSettled(object)) unchangedCount++;
        else yield object;
        if (listedCount >= listedAtOnce) tellListed();
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!isAgentError(error) || error.code === 'ERR_STATE_DAMAGED') return this.#fail(error);
      lane.releasedCount++;
      lane.faults.report(error, 'Workspace could not be listed; others go on', { workspace: workspaceId });
    } finally {
      tellListed();
    }
  }

  async #visit(source: Source, object: DeliveredObject, lane: Lane, signal: AbortSignal): Promise<void> {
    const { id, workspaceId } = object.origin;
    if (this.#visited.has(id)) return;
    this.#visited.add(id);
    reached('object listed', id);
    try {
      const end = await this.#context.shipper.ship(object, signal);
      if (end.status === 'released') lane.releasedCount++;
      this.#report(object, end, lane.faults);
      this.#context.observe({
        kind: 'objectVisited',
        source: source.name,
        objectId: id,
        workspaceId,
        status: end.status,
        sizeBytes: object.version.sizeBytes,
        fault: 'error' in end ? toFault(end.error) : undefined,
      });
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#visited.delete(id);
    }
  }

  #report(object: DeliveredObject, end: ObjectEnd, faults: FaultLog): void {
    const fields = { object: object.origin.id };
    switch (end.status) {
      case 'released':
        faults.report(end.error, 'Object was not read to its end; it is offered again', fields);
        break;
      case 'damaged':
        faults.report(end.error, 'Object is damaged; what could be decoded was shipped', fields);
        break;
      default:
        this.#context.logger.debug({ ...fields, status: end.status }, 'Object visited');
    }
  }

  /** @param otherFaults of a lane that finds the same wrong with the source itself. */
  #createLane(source: Source, objectsAtOnce: number, otherFaults?: FaultLog): Lane {
    const { observe, clock, logger, workers = 1 } = this.#context;
    const forWorkers = 2 * workers; // While a worker waits for the end of one object it has another.
    return {
      workspaces: new Semaphore(Math.max(workspacesAtOnce, forWorkers)),
      objects: new Semaphore(Math.max(objectsAtOnce, forWorkers)),
      busy: new Map(),
      releasedCount: 0,
      faults: new FaultLog({ source: source.name, observe, clock, logger }, otherFaults),
    };
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
