/**
 * The activity of one source: what its listings have found, and whether they are complete.
 */
import type { Fault, FoundBy, ListingDue, ListingEnded, WorkspaceListed } from '../contracts/observer.ts';
import { isPartialListing } from '../contracts/source.ts';

export interface SourceActivity {
  listedCount: number;
  unchangedCount: number;
  /** Objects with something new, by what found them. */
  readonly found: Record<FoundBy, number>;
  /** When the last listing of recent dates ended. */
  polledAtMs: number | undefined;
  /** When the last listing of recent dates ended without a fault, in any workspace. */
  completelyPolledAtMs: number | undefined;
  /** The same, of the listing before. */
  completelyPolledBeforeMs: number | undefined;
  /** The fault of the last listing of recent dates, if any. */
  listingFault: Fault | undefined;
  /** Older dates have to be listed for the first time, so there may be objects that nobody knows of. */
  isOlderListingDue: boolean;
  /** The fault of the last listing of older dates, if any. */
  olderListingFault: Fault | undefined;
  /** Workspaces of which there may be objects that nobody knows of. As many as the source has, at most. */
  readonly partlyListed: Map<string, WorkspaceListed>;
  /** The most recent fault of this source, however old. */
  lastFault: (Fault & { readonly atMs: number }) | undefined;
}

export function newSource(): SourceActivity {
  return {
    listedCount: 0,
    unchangedCount: 0,
    found: { notification: 0, listing: 0, catchUp: 0 },
    polledAtMs: undefined,
    completelyPolledAtMs: undefined,
    completelyPolledBeforeMs: undefined,
    listingFault: undefined,
    isOlderListingDue: false,
    olderListingFault: undefined,
    partlyListed: new Map(),
    lastFault: undefined,
  };
}

export function noteListing(source: SourceActivity, event: ListingDue | ListingEnded | WorkspaceListed): void {
  switch (event.kind) {
    case 'listingDue':
      source.isOlderListingDue = event.isDue;
      if (!event.isDue) source.olderListingFault = undefined; // Whoever leads now has listings of its own.
      break;
    case 'listingEnded':
      if (event.dates === 'recent') notePoll(source, event);
      else noteOlderListing(source, event);
      break;
    case 'workspaceListed':
      noteWorkspaceListing(source, event);
      break;
  }
}

function noteOlderListing(source: SourceActivity, { fault }: ListingEnded): void {
  source.isOlderListingDue = false;
  source.olderListingFault = fault;
}

function notePoll(source: SourceActivity, { atMs, fault }: ListingEnded): void {
  if (source.polledAtMs === atMs) takeBackPoll(source); // A fault of the same poll, met later.
  source.polledAtMs = atMs;
  source.listingFault = fault;
  judgePoll(source);
}

/** What is in a workspace is listed when the poll itself has ended, so the verdict on the poll may change. */
function noteWorkspaceListing(source: SourceActivity, event: WorkspaceListed): void {
  const key = JSON.stringify([event.dates, event.workspaceId]);
  if (event.status === 'complete') source.partlyListed.delete(key);
  else source.partlyListed.set(key, event);
  if (event.dates === 'older') return;
  if (event.status === 'incomplete' && event.begunAtMs <= (source.polledAtMs ?? 0)) takeBackPoll(source);
  if (event.status === 'complete') judgePoll(source);
}

/** The listing that met the fault did not return everything. */
export function isPartial(fault: Fault | undefined): boolean {
  return fault !== undefined && isPartialListing(fault);
}

export function incompleteWorkspaces({ partlyListed }: SourceActivity): readonly WorkspaceListed[] {
  return [...partlyListed.values()].filter(({ status }) => status === 'incomplete');
}

function judgePoll(source: SourceActivity): void {
  const { polledAtMs, completelyPolledAtMs, listingFault } = source;
  if (polledAtMs === completelyPolledAtMs || isPartial(listingFault)) return;
  if (incompleteWorkspaces(source).some(({ dates }) => dates === 'recent')) return;
  source.completelyPolledBeforeMs = completelyPolledAtMs;
  source.completelyPolledAtMs = polledAtMs;
}

function takeBackPoll(source: SourceActivity): void {
  if (source.polledAtMs === source.completelyPolledAtMs) source.completelyPolledAtMs = source.completelyPolledBeforeMs;
}
