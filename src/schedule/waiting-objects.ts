/**
 * Counts the objects that were listed and not shipped, by workspace, and remembers which workspaces were not listed to their
 * end: while there are any, neither health nor metrics may say that everything was shipped. Memory does not depend on their number: it
 * holds the objects of the page that is being shipped, and sums by date of those that could not be shipped.
 */
import { type ObjectsWaiting, type Observer, toFault, type WorkspaceListed } from '../contracts/observer.ts';
import type { AgentError } from '../model/agent-error.ts';
import type { DeliveredObject } from '../model/object.ts';
import type { Clock } from '../runtime/clock.ts';
import { addOnDate, type ObjectSum, PendingObjects, type SumsByDate, sumOf } from './pending-objects.ts';

export interface WaitingObjectsParts {
  readonly source: string;
  readonly dates: ObjectsWaiting['dates'];
  readonly observe: Observer;
  readonly clock: Clock;
}

/** The waiting objects of one lane. */
export class WaitingObjects {
  readonly #parts: WaitingObjectsParts;
  readonly #older: WaitingObjects | undefined;
  readonly #workspaces = new Map<string | undefined, WaitingInWorkspace>();

  /** @param older takes over what could not be shipped before its date left the dates of this lane. */
  constructor(parts: WaitingObjectsParts, older?: WaitingObjects) {
    this.#parts = parts;
    this.#older = older;
  }

  /**
   * Call it when shipping what a listing shows of the workspace begins. Call `end` on the result when that is done.
   * @param firstDate of the listing; undefined if it has none.
   */
  begin(workspaceId: string | undefined, firstDate: string | undefined): WaitingInWorkspace {
    const workspace = this.#workspace(workspaceId);
    const outdated = workspace.begin(firstDate);
    if (outdated.size > 0) this.#older?.takeOver(workspaceId, outdated);
    return workspace;
  }

  takeOver(workspaceId: string | undefined, sums: SumsByDate): void {
    this.#workspace(workspaceId).takeOver(sums);
  }

  /** A complete listing did not show the other workspaces, so they have nothing left to ship. */
  keepOnly(isListed: (workspaceId: string | undefined) => boolean): void {
    for (const [workspaceId, workspace] of this.#workspaces) {
      if (isListed(workspaceId)) continue;
      workspace.clear();
      this.#workspaces.delete(workspaceId);
    }
  }

  #workspace(workspaceId: string | undefined): WaitingInWorkspace {
    const known = this.#workspaces.get(workspaceId);
    if (known !== undefined) return known;
    const workspace = new WaitingInWorkspace(workspaceId, this.#parts);
    this.#workspaces.set(workspaceId, workspace);
    return workspace;
  }
}

/** What one listing has found so far, or what remained of an earlier one. */
interface Findings {
  /** Visited, but not shipped. */
  readonly notShipped: SumsByDate;
  /** The first fault that kept an object from being shipped. */
  fault: AgentError | undefined;
}

export class WaitingInWorkspace {
  readonly #workspaceId: string | undefined;
  readonly #parts: WaitingObjectsParts;
  /** Counts until this listing has ended or has found more. */
  #previous = noFindings();
  #current = noFindings();
  /** Listed, not visited yet. */
  readonly #pending = new PendingObjects();
  /** Taken over during this listing, which may already have passed their dates. */
  #takenOver: SumsByDate = new Map();
  #faultSinceMs: number | undefined;
  /** Of the listing under way. */
  #isListingComplete = false;
  #listingFault: AgentError | undefined;
  #listingBegunAtMs = 0;
  #listingStatus: WorkspaceListed['status'] = 'underWay';
  /** Zero is reported only to take back an earlier report. */
  #hasReported = false;

  constructor(workspaceId: string | undefined, parts: WaitingObjectsParts) {
    this.#workspaceId = workspaceId;
    this.#parts = parts;
  }

  /** The listing under way has ended, and showed everything. */
  get isListingComplete(): boolean {
    return this.#isListingComplete;
  }

  /** @returns what earlier listings have left of dates before this one. */
  begin(firstDate: string | undefined): SumsByDate {
    const outdated: SumsByDate = new Map();
    const { notShipped } = this.#previous;
    for (const [date, sum] of notShipped) {
      if (date === '' || firstDate === undefined || date >= firstDate) continue;
      outdated.set(date, sum);
      notShipped.delete(date);
    }
    for (const [date, sum] of this.#takenOver) addOnDate(notShipped, date, sum);
    this.#takenOver = new Map();
    this.#isListingComplete = false;
    this.#listingFault = undefined;
    this.#listingBegunAtMs = this.#parts.clock.nowMs();
    if (this.#listingStatus === 'underWay') this.#reportListing();
    return outdated;
  }

  takeOver(sums: SumsByDate): void {
    for (const [date, sum] of sums) addOnDate(this.#takenOver, date, sum);
    this.#report();
  }

  listed(objects: Iterable<DeliveredObject>): void {
    this.#pending.add(objects);
    this.#report();
  }

  /** The object was shipped, or no longer exists. */
  done(object: DeliveredObject): void {
    this.#pending.delete(object);
    this.#report();
  }

  /** @param fault undefined if nothing is wrong: the object is still being written, or another process ships it. */
  notShipped(object: DeliveredObject, fault: AgentError | undefined): void {
    const { origin, version } = object;
    this.#pending.delete(object);
    const sum = { objectCount: 1, sizeBytes: version.sizeBytes, oldestMs: version.modifiedAtMs };
    addOnDate(this.#current.notShipped, origin.date ?? '', sum);
    this.#current.fault ??= fault;
    if (fault !== undefined) this.#faultSinceMs ??= this.#parts.clock.nowMs();
    this.#report();
  }

  /** The listing is incomplete, so objects that were waiting before may still be there, and others that were never seen. */
  listingFailed(fault: AgentError): void {
    this.#listingFault ??= fault;
    this.#listingStatus = 'incomplete';
    this.#reportListing();
  }

  /** Nothing follows. If nothing has failed either, the listing is complete. */
  listingEnded(): void {
    if (this.#listingFault !== undefined) return;
    this.#isListingComplete = true;
    this.#completeListing();
  }

  end(): void {
    for (const object of this.#pending.values()) this.notShipped(object, undefined);
    const hasMore = countOf(this.#current) > countOf(this.#previous);
    if (this.#isListingComplete || hasMore) this.#previous = this.#current;
    this.#current = noFindings();
    if (this.#previous.fault === undefined) this.#faultSinceMs = undefined;
    this.#report();
  }

  clear(): void {
    this.#previous.notShipped.clear();
    this.#takenOver.clear();
    this.#report();
    this.#completeListing();
  }

  #completeListing(): void {
    if (this.#listingStatus === 'complete') return;
    this.#listingStatus = 'complete';
    this.#reportListing();
  }

  #reportListing(): void {
    const { source, dates, observe } = this.#parts;
    observe({
      kind: 'workspaceListed',
      source,
      dates,
      workspaceId: this.#workspaceId,
      status: this.#listingStatus,
      begunAtMs: this.#listingBegunAtMs,
      fault: this.#listingFault && toFault(this.#listingFault),
    });
  }

  #report(): void {
    const { source, dates, observe } = this.#parts;
    const { objectCount, sizeBytes, oldestMs } = this.#sum();
    const hasWaiting = objectCount > 0;
    if (!hasWaiting && !this.#hasReported) return;
    this.#hasReported = hasWaiting;
    const error = hasWaiting ? (this.#current.fault ?? this.#previous.fault) : undefined;
    observe({
      kind: 'objectsWaiting',
      source,
      dates,
      workspaceId: this.#workspaceId,
      objectCount,
      sizeBytes,
      oldestMs: hasWaiting ? oldestMs : undefined,
      fault: error && toFault(error),
      faultSinceMs: error && this.#faultSinceMs,
    });
  }

  #sum(): ObjectSum {
    const previous = sumOf(this.#previous.notShipped.values());
    const current = sumOf([this.#pending.sum(), ...this.#current.notShipped.values()]);
    // Most of them are the same objects, so their counts must not be added up.
    const larger = previous.objectCount > current.objectCount ? previous : current;
    const oldestMs = Math.min(previous.oldestMs, current.oldestMs);
    return sumOf([{ ...larger, oldestMs }, ...this.#takenOver.values()]);
  }
}

function noFindings(): Findings {
  return { notShipped: new Map(), fault: undefined };
}

function countOf({ notShipped }: Findings): number {
  return sumOf(notShipped.values()).objectCount;
}
