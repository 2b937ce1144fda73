/**
 * Lists one workspace, and leaves out what is settled.
 */
import type { DeliveryState } from '../contracts/delivery-state.ts';
import type { Observer } from '../contracts/observer.ts';
import { type Candidate, isPartialListing, type WorkspaceListing } from '../contracts/source.ts';
import { type AgentError, isAgentError, isFatal } from '../model/agent-error.ts';
import type { Lane } from './lane.ts';
import type { SettledFaults } from './settled-faults.ts';
import { isDue } from './start-date.ts';
import type { WaitingInWorkspace } from './waiting-objects.ts';

export interface UnsettledCandidatesParts {
  readonly source: string;
  readonly state: Pick<DeliveryState, 'unsettled'>;
  readonly observe: Observer;
  readonly settledFaults: SettledFaults;
  /** The first date to ship, `yyyy-mm-dd`; undefined for no limit. */
  readonly startDate: string | undefined;
  readonly lane: Lane;
  readonly waiting: WaitingInWorkspace;
  /** Called with an error that ends shipping. */
  readonly fail: (error: unknown) => void;
}

/** Reports every fault of the listing, which is then incomplete. */
export async function* unsettledCandidates(
  { workspaceId, pages }: WorkspaceListing,
  { source, state, observe, settledFaults, startDate, lane, waiting, fail }: UnsettledCandidatesParts,
  signal: AbortSignal,
): AsyncGenerator<Candidate, void, undefined> {
  const report = (fault: AgentError, message: string, fields?: object) => {
    if (isPartialListing(fault)) {
      lane.incompleteCount++;
      waiting.listingFailed(fault);
    }
    lane.faults.report(fault, message, fields);
  };
  try {
    for await (const page of pages((fault) => report(fault, 'Listing is incomplete'))) {
      if (signal.aborted) return;
      const due = page.filter(({ object }) => isDue(object, startDate));
      const objects = due.map(({ object }) => object);
      const unsettled = new Set(await state.unsettled(objects));
      await settledFaults.look(
        source,
        objects.filter((object) => !unsettled.has(object)),
      );
      const [listedCount, unchangedCount] = [due.length, due.length - unsettled.size];
      observe({ kind: 'objectsListed', source, workspaceId, listedCount, unchangedCount });
      waiting.listed(unsettled);
      for (const candidate of due) {
        if (signal.aborted) return;
        if (unsettled.has(candidate.object)) yield candidate;
        else candidate.settle({ status: 'unchanged' });
      }
    }
    waiting.listingEnded();
  } catch (error) {
    if (signal.aborted) return;
    if (isFatal(error) || !isAgentError(error)) return fail(error);
    report(error, 'Workspace could not be listed; continuing with the others', { workspace: workspaceId });
  }
}
