/**
 * Counts the objects that were listed and not shipped, by workspace: health and metrics must not say that everything was
 * shipped while there are any. Memory does not depend on their number: it holds the objects of the page that is being
 * shipped, and sums by date of those that could not be shipped.
 */
import { type ObjectsWaiting, type Observer, toFault } from '../contracts/observer.ts';
import type { AgentError } from '../model/agent-error.ts';
import type { DeliveredObject, ObjectId } from '../model/object.ts';
import type { Clock } from '../runtime/clock.ts';

export interface WaitingObjectsParts {
  readonly source: string;
  readonly dates: ObjectsWaiting['dates'];
  readonly observe: Observer;
  readonly clock: Clock;
}

/** Those of one lane. */
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
   * A walk over what a listing shows of the workspace begins.
   * @param firstDate of the listing; undefined when it has none.
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

export class WaitingInWorkspace {
  readonly #workspaceId: string | undefined;
  readonly #parts: WaitingObjectsParts;
  /** Left by earlier walks: shown until this one has ended, or has found more. */
  #before: SumsByDate = new Map();
  /** Taken over during this walk, which may have passed their dates. */
  #takenOver: SumsByDate = new Map();
  /** Of this walk: not visited yet, and visited in vain. */
  readonly #pending = new Map<ObjectId, DeliveredObject>();
  #left: SumsByDate = new Map();
  #faultBefore: AgentError | undefined;
  #fault: AgentError | undefined;
  #faultSinceMs: number | undefined;
  #isWhole = true;
  #isTold = false;

  constructor(workspaceId: string | undefined, parts: WaitingObjectsParts) {
    this.#workspaceId = workspaceId;
    this.#parts = parts;
  }

  /** @returns what earlier walks have left of dates before this one. */
  begin(firstDate: string | undefined): SumsByDate {
    const outdated: SumsByDate = new Map();
    for (const [date, sum] of this.#before) {
      if (date === '' || firstDate === undefined || date >= firstDate) continue;
      outdated.set(date, sum);
      this.#before.delete(date);
    }
    for (const [date, sum] of this.#takenOver) add(this.#before, date, sum);
    this.#takenOver = new Map();
    this.#isWhole = true;
    return outdated;
  }

  takeOver(sums: SumsByDate): void {
    for (const [date, sum] of sums) add(this.#takenOver, date, sum);
    this.#tell();
  }

  listed(objects: Iterable<DeliveredObject>): void {
    for (const object of objects) this.#pending.set(object.origin.id, object);
    this.#tell();
  }

  /** It was shipped, or is gone. */
  done({ origin: { id } }: DeliveredObject): void {
    this.#pending.delete(id);
    this.#tell();
  }

  /** @param fault undefined when nothing is wrong: the rest is not written yet, or another process ships it. */
  notShipped({ origin: { id, date = '' }, version }: DeliveredObject, fault: AgentError | undefined): void {
    this.#pending.delete(id);
    add(this.#left, date, { objectCount: 1, sizeBytes: version.sizeBytes, oldestMs: version.modifiedAtMs });
    this.#fault ??= fault;
    if (fault !== undefined) this.#faultSinceMs ??= this.#parts.clock.nowMs();
    this.#tell();
  }

  /** The listing does not show everything, so what was left before may still be there. */
  brokeOff(): void {
    this.#isWhole = false;
  }

  end(): void {
    for (const object of [...this.#pending.values()]) this.notShipped(object, undefined);
    if (this.#isWhole || total(this.#left).objectCount > total(this.#before).objectCount) {
      this.#before = this.#left;
      this.#faultBefore = this.#fault;
    }
    if (this.#faultBefore === undefined) this.#faultSinceMs = undefined;
    this.#left = new Map();
    this.#fault = undefined;
    this.#tell();
  }

  clear(): void {
    this.#before = new Map();
    this.#takenOver = new Map();
    this.#tell();
  }

  #tell(): void {
    const { source, dates, observe } = this.#parts;
    const { objectCount, sizeBytes, oldestMs } = this.#total();
    if (objectCount === 0 && !this.#isTold) return;
    this.#isTold = objectCount > 0;
    const error = this.#fault ?? this.#faultBefore;
    const fault = objectCount === 0 ? undefined : error && toFault(error);
    observe({
      kind: 'objectsWaiting',
      source,
      dates,
      workspaceId: this.#workspaceId,
      objectCount,
      sizeBytes,
      oldestMs: objectCount === 0 ? undefined : oldestMs,
      fault,
      faultSinceMs: fault && this.#faultSinceMs,
    });
  }

  #total(): Sum {
    const walk = total(this.#left);
    for (const { version } of this.#pending.values()) {
      walk.objectCount++;
      walk.sizeBytes += version.sizeBytes;
      walk.oldestMs = Math.min(walk.oldestMs, version.modifiedAtMs);
    }
    const before = total(this.#before);
    const known = before.objectCount > walk.objectCount ? before : walk;
    const takenOver = total(this.#takenOver);
    return {
      objectCount: known.objectCount + takenOver.objectCount,
      sizeBytes: known.sizeBytes + takenOver.sizeBytes,
      oldestMs: Math.min(before.oldestMs, walk.oldestMs, takenOver.oldestMs),
    };
  }
}

interface Sum {
  objectCount: number;
  sizeBytes: number;
  /** Infinity when there is none. */
  oldestMs: number;
}

/** Objects without a date are under the empty one. */
export type SumsByDate = Map<string, Sum>;

function add(sums: SumsByDate, date: string, { objectCount, sizeBytes, oldestMs }: Sum): void {
  const sum = sums.get(date) ?? { objectCount: 0, sizeBytes: 0, oldestMs: Number.POSITIVE_INFINITY };
  sum.objectCount += objectCount;
  sum.sizeBytes += sizeBytes;
  sum.oldestMs = Math.min(sum.oldestMs, oldestMs);
  sums.set(date, sum);
}

function total(sums: SumsByDate): Sum {
  const all: SumsByDate = new Map();
  for (const sum of sums.values()) add(all, '', sum);
  return all.get('') ?? { objectCount: 0, sizeBytes: 0, oldestMs: Number.POSITIVE_INFINITY };
}
