/**
 * Lists the objects to compare, in groups of one workspace and date.
 */

import { type DateRange, isPartialListing, type Source, type WorkspaceListing } from '../../contracts/source.ts';
import { type AgentError, adviceOf } from '../../model/agent-error.ts';
import type { DeliveredObject, ObjectId } from '../../model/object.ts';
import { isDue } from '../../schedule/start-date.ts';
import type { SourceNotCompared } from './reconciliation.ts';

/** Objects of one workspace and date, up to `objectsPerGroupMax`. */
export interface ObjectGroup {
  readonly workspaceId: string | undefined;
  readonly date: string | undefined;
  readonly objects: DeliveredObject[];
}

export interface Listing {
  readonly dates: DateRange;
  /** Objects from before this date are not shipped; undefined if all are. */
  readonly startDate: string | undefined;
  /** Called with what could not be listed completely. Throws if the comparison cannot go on. */
  readonly onUnreadable: (name: string, error: unknown) => void;
  /** Called with each source that was listed completely without an object to compare. */
  readonly onNotCompared: (source: SourceNotCompared) => void;
  readonly knowsAny: (idsBeginWith: readonly string[]) => Promise<boolean>;
  readonly signal: AbortSignal;
}

const objectsPerGroupMax = 1_000;

/** @param only restricts the groups to these objects. */
export async function* objectGroups(
  sources: readonly Source[],
  listing: Listing,
  only?: ReadonlySet<ObjectId>,
): AsyncGenerator<ObjectGroup, void, undefined> {
  const { startDate, signal } = listing;
  const { from, before } = listing.dates;
  const dates = {
    from: from === undefined || (startDate !== undefined && startDate > from) ? startDate : from,
    before,
  };
  for (const source of sources) {
    const { name } = source;
    let notCompared: SourceNotCompared | undefined = { name, status: 'otherDates' };
    const onUnreadable = (what: string, error: unknown) => {
      notCompared = undefined;
      listing.onUnreadable(what, error);
    };
    const onFault = (fault: AgentError) => {
      if (isPartialListing(fault)) onUnreadable(name, fault);
      else if (fault.code === 'ERR_SOURCE_EMPTY')
        notCompared &&= { name, status: 'empty', reason: fault.message, hint: adviceOf(fault) };
    };
    const knowsAny = async (idsBeginWith: readonly string[]) => {
      const isKnown = await listing.knowsAny(idsBeginWith);
      if (isKnown) notCompared &&= { name, status: 'removed' };
      return isKnown;
    };
    try {
      for await (const workspace of source.list({ dates, signal, onFault, knowsAny })) {
        for await (const group of groupsOf(workspace, { ...listing, onUnreadable }, only)) {
          notCompared = undefined;
          yield group;
        }
      }
    } catch (error) {
      onUnreadable(name, error);
    }
    if (notCompared !== undefined && only === undefined) listing.onNotCompared(notCompared);
  }
}

async function* groupsOf(
  workspace: WorkspaceListing,
  { startDate, onUnreadable }: Listing,
  only: ReadonlySet<ObjectId> | undefined,
): AsyncGenerator<ObjectGroup, void, undefined> {
  const { workspaceId } = workspace;
  let group: ObjectGroup | undefined;
  try {
    for await (const object of objectsOf(workspace)) {
      const { date } = object.origin;
      if (!isDue(object, startDate) || only?.has(object.origin.id) === false) continue;
      if (group !== undefined && (group.date !== date || group.objects.length >= objectsPerGroupMax)) {
        yield group;
        group = undefined;
      }
      group ??= { workspaceId, date, objects: [] };
      group.objects.push(object);
    }
  } catch (error) {
    onUnreadable(`workspace ${workspaceId ?? ''}`, error);
  }
  if (group !== undefined) yield group;
}

async function* objectsOf({ pages }: WorkspaceListing): AsyncGenerator<DeliveredObject, void, undefined> {
  for await (const page of pages()) for (const { object } of page) yield object;
}
