/**
 * Ships what a listing shows of one workspace: the oldest date first, and the objects of a date in parallel.
 */
import type { DeliveryState } from '../contracts/delivery-state.ts';
import type { Observer } from '../contracts/observer.ts';
import type { Candidate, Source, WorkspaceListing } from '../contracts/source.ts';
import type { VisitOutcome } from '../contracts/visit-outcome.ts';
import type { Clock } from '../runtime/clock.ts';
import { Elsewhere } from './elsewhere.ts';
import type { Lane } from './lane.ts';
import type { ObjectVisits } from './object-visits.ts';
import type { SettledFaults } from './settled-faults.ts';
import { unsettledCandidates } from './unsettled-candidates.ts';
import type { WaitingInWorkspace } from './waiting-objects.ts';
import type { Walk } from './walks.ts';

export interface WorkspaceParts {
  readonly source: Source;
  readonly workspace: WorkspaceListing;
  readonly lane: Lane;
  readonly walk: Walk;
  readonly waiting: WaitingInWorkspace;
  readonly visits: ObjectVisits;
  readonly state: Pick<DeliveryState, 'unsettled'>;
  readonly settledFaults: SettledFaults;
  /** The first date to ship, `yyyy-mm-dd`; undefined for no limit. */
  readonly startDate: string | undefined;
  readonly observe: Observer;
  readonly clock: Clock;
  /** Called with an error that ends shipping. */
  readonly fail: (error: unknown) => void;
}

/**
 * A date starts when all objects of the date before are done, here or elsewhere, so that dates are shipped in order. What another
 * visit still holds at the next poll is left to that, and so are later dates.
 * @returns true if everything was listed and is settled.
 */
export async function shipWorkspace(parts: WorkspaceParts, signal: AbortSignal): Promise<boolean> {
  const { source, workspace, lane, walk, waiting, visits, fail } = parts;
  const report = { source: source.name, foundBy: lane.foundBy, faults: lane.faults, waiting };
  const elsewhere = new Elsewhere(parts, source.pollIntervalMs);
  const visiting = new Set<Promise<void>>();
  let release = await lane.workspaces.acquire(signal);
  let isSettled = true;
  const visit = async (candidate: Candidate): Promise<VisitOutcome | undefined> => {
    const outcome = await visits.visit(candidate, report, signal);
    if (outcome?.status === 'released') {
      lane.incompleteCount++;
      isSettled = false;
    }
    return outcome;
  };
  const visitAgain = async (candidate: Candidate): Promise<VisitOutcome | undefined> => {
    walk.resume();
    try {
      const freeSlot = await lane.objects.acquire(signal).catch(() => undefined);
      return freeSlot && (await visit(candidate).finally(freeSlot));
    } finally {
      walk.pause();
    }
  };
  /** @returns true if nothing of the dates so far is left. */
  const endOfDate = async (): Promise<boolean> => {
    await Promise.all(visiting);
    if (elsewhere.isEmpty) return true;
    release(); // Other workspaces go on in the meantime.
    release = () => {};
    walk.pause();
    const left = await elsewhere.settle(visitAgain, signal).catch(fail);
    walk.resume();
    release = await lane.workspaces.acquire(signal);
    for (const candidate of left?.settled ?? []) visits.end(candidate, { status: 'unchanged' }, report);
    for (const candidate of left?.held ?? []) {
      lane.incompleteCount++;
      visits.end(candidate, { status: 'elsewhere' }, report);
    }
    return left?.held.length === 0;
  };
  let isDone = true;
  try {
    let date: string | undefined;
    for await (const candidate of unsettledCandidates(workspace, { ...parts, source: source.name }, signal)) {
      if (candidate.object.origin.date !== date) {
        isDone = await endOfDate();
        if (!isDone) break;
        date = candidate.object.origin.date;
      }
      walk.reach(date);
      const freeSlot = await lane.objects.acquire(signal).catch(() => undefined);
      if (freeSlot === undefined) break;
      const visitUnderWay = visit(candidate)
        .then((outcome) => {
          if (outcome?.status === 'elsewhere') elsewhere.add(candidate);
        })
        .finally(() => {
          freeSlot();
          visiting.delete(visitUnderWay);
        });
      visiting.add(visitUnderWay);
    }
    if (isDone) isDone = await endOfDate();
    return isDone && isSettled && waiting.isListingComplete && !signal.aborted;
  } finally {
    waiting.end();
    walk.end(isDone);
    release();
  }
}
