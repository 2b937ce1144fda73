/**
 * Reads all of a source.
 */
import { buffer } from 'node:stream/consumers';
import type { Candidate, DateRange, ListingRequest, Source } from '../../src/contracts/source.ts';
import type { AgentError } from '../../src/model/agent-error.ts';
import type { DeliveredObject } from '../../src/model/object.ts';

export interface Listing {
  readonly workspaces: readonly {
    readonly workspaceId: string | undefined;
    readonly objects: readonly DeliveredObject[];
  }[];
  /** The objects of all workspaces, in listing order. */
  readonly objects: readonly DeliveredObject[];
  /** The same objects, as they were offered. */
  readonly candidates: readonly Candidate[];
  /** Errors that the source reported, or with which the listing of a workspace rejected. */
  readonly faults: readonly AgentError[];
}

export async function listAll(
  source: Source,
  dates: Partial<DateRange> = {},
  knowsAny?: ListingRequest['knowsAny'],
): Promise<Listing> {
  const workspaces: Listing['workspaces'][number][] = [];
  const candidates: Candidate[] = [];
  const faults: AgentError[] = [];
  const signal = new AbortController().signal;
  const range = { from: undefined, before: undefined, ...dates };
  const onFault = (fault: AgentError) => faults.push(fault);
  for await (const workspace of source.list({ dates: range, signal, onFault, knowsAny })) {
    const objects: DeliveredObject[] = [];
    try {
      for await (const page of workspace.pages()) {
        candidates.push(...page);
        objects.push(...page.map(({ object }) => object));
      }
    } catch (error) {
      faults.push(error as AgentError);
    }
    workspaces.push({ workspaceId: workspace.workspaceId, objects });
  }
  return { workspaces, objects: candidates.map(({ object }) => object), candidates, faults };
}

export async function readText(object: DeliveredObject, signal = new AbortController().signal): Promise<string> {
  return (await buffer(await object.open(signal))).toString();
}
