/**
 * What the agent did and does, in memory, from its events. The metrics, health and the live page all read from here, so what
 * one of them says is what the others say. Every collection in it has a bound.
 */
import type { AgentEvent, Fault, Waiting, WaitsFor } from '../contracts/observer.ts';
import { type ResponseCode, responseCodeText } from '../model/response-code.ts';
import { Counters } from './counters.ts';
import { WorkspaceActivity } from './workspace-activity.ts';

/** Lines of one workspace and date that earlier processes brought to their end, from the state. */
export interface DeliveredBefore {
  readonly workspaceId: string | undefined;
  readonly date: string | undefined;
  readonly lineCount: number;
}

export interface SourceActivity {
  listedCount: number;
  unchangedCount: number;
  /** When the last listing of recent dates ended, and the last one that met no fault. */
  polledAtMs: number | undefined;
  completelyPolledAtMs: number | undefined;
  /** Of the last listing; undefined when it met none. */
  listingFault: Fault | undefined;
  /** The latest of this source, whenever that was. */
  lastFault: (Fault & { readonly atMs: number }) | undefined;
}

export interface RequestCount {
  readonly outcome: string;
  readonly response: ResponseCode | undefined;
  count: number;
}

export interface DeadLetterCount {
  readonly code: string;
  readonly response: ResponseCode;
  /** In the collector's words, as they were the first time. */
  readonly reason: string;
  count: number;
}

/** Stands for the workspaces, or reasons, behind the limit: OpenTelemetry's word for what has no name of its own. */
export const others = '_OTHER';
/** Of a tree without workspaces. */
export const noWorkspace = '';

const workspacesMax = 200;
const deadLetterReasonsMax = 20;

export class Activity {
  readonly counters = new Counters();
  readonly workspaces = new Map<string, WorkspaceActivity>();
  readonly sources: ReadonlyMap<string, SourceActivity>;
  readonly waits = new Map<WaitsFor, Waiting>();
  readonly requests = new Map<string, RequestCount>();
  readonly faults = new Map<string, { count: number; last: Fault; atMs: number }>();
  readonly deadLetters = new Map<string, DeadLetterCount>();
  readonly batches = { accepted: 0, deadLettered: 0, mixed: 0 };
  readonly notices = { accepted: 0, deadLettered: 0 };
  readonly visits = { unchanged: 0, settled: 0, damaged: 0, growing: 0, released: 0, elsewhere: 0 };
  sentBytes = 0;
  lastSignOfLifeMs: number;
  /** When the collector last gave a verdict on a request. */
  collectorAnsweredAtMs: number | undefined;
  readonly #nowMs: () => number;

  constructor(sourceNames: readonly string[], deliveredBefore: readonly DeliveredBefore[], nowMs: () => number) {
    this.#nowMs = nowMs;
    this.lastSignOfLifeMs = nowMs();
    this.sources = new Map(sourceNames.map((name) => [name, newSource()]));
    // The newest first: workspaces that are gone must not take the names of those that deliver.
    for (const { workspaceId, date = '', lineCount } of deliveredBefore.toSorted(byDateDescending)) {
      if (date !== '') this.#workspace(workspaceId).countOnDate(date, lineCount);
    }
  }

  observe(event: AgentEvent): void {
    const nowMs = this.#nowMs();
    this.lastSignOfLifeMs = nowMs;
    this.counters.observe(event);
    switch (event.kind) {
      case 'workspaceKnown':
        this.#workspace(event.workspaceId).lastEventMs = event.lastEventMs;
        break;
      case 'linesRead':
        this.#workspace(event.workspaceId).linesRead(event);
        break;
      case 'batchEnded':
        this.#workspace(event.workspaceId).batchEnded(event, nowMs);
        this.batches[
          event.deadLetteredCount === 0 ? 'accepted' : event.acceptedCount === 0 ? 'deadLettered' : 'mixed'
        ]++;
        break;
      case 'batchAbandoned':
        this.#workspace(event.workspaceId).batchAbandoned(event);
        break;
      case 'requestEnded':
        this.sentBytes += event.requestBytes;
        this.#countRequest(event.outcome, event.response);
        if (event.outcome !== 'unavailable' && event.outcome !== 'misconfigured') this.collectorAnsweredAtMs = nowMs;
        break;
      case 'deadLettered':
        this.#countFault({ code: event.code, message: event.reason, hint: undefined }, nowMs);
        this.#countDeadLetters(event);
        break;
      case 'waiting':
        this.waits.set(event.for, event);
        this.#countFault(event.fault, nowMs);
        break;
      case 'resumed':
        this.waits.delete(event.for);
        break;
      case 'faultMet':
        this.#countFault(event.fault, nowMs);
        this.#noteSourceFault(event.source, event.fault, nowMs);
        break;
      case 'objectVisited':
        this.visits[event.status]++;
        break;
      case 'objectsListed':
        this.#noteListed(event);
        break;
      case 'listingEnded':
        this.#noteListing(event);
        break;
      case 'silenceChanged':
        this.#workspace(event.workspaceId).silence = event.silent ? event : undefined;
        break;
      case 'alertEventEnded':
        this.notices[event.outcome]++;
        break;
    }
  }

  #workspace(workspaceId: string | undefined): WorkspaceActivity {
    const id = workspaceId ?? noWorkspace;
    const name = this.workspaces.has(id) || this.workspaces.size < workspacesMax ? id : others;
    const known = this.workspaces.get(name);
    if (known !== undefined) return known;
    const workspace = new WorkspaceActivity();
    this.workspaces.set(name, workspace);
    return workspace;
  }

  #countRequest(outcome: string, response: ResponseCode | undefined): void {
    const key = `${outcome} ${response && responseCodeText(response)}`;
    const entry = this.requests.get(key);
    if (entry === undefined) this.requests.set(key, { outcome, response, count: 1 });
    else entry.count++;
  }

  /** By code, of which there are few. */
  #countFault(fault: Fault, atMs: number): void {
    const count = (this.faults.get(fault.code)?.count ?? 0) + 1;
    this.faults.set(fault.code, { count, last: fault, atMs });
  }

  /** Reasons that differ in numbers only (times, sizes, line numbers) are one. */
  #countDeadLetters(event: AgentEvent & { kind: 'deadLettered' }): void {
    const { code, response, recordCount } = event;
    const key = `${code} ${responseCodeText(response)} ${event.reason.replaceAll(/\d+/g, '#')}`;
    const isKnown = this.deadLetters.has(key) || this.deadLetters.size < deadLetterReasonsMax;
    const entry = this.deadLetters.get(isKnown ? key : others);
    if (entry !== undefined) entry.count += recordCount;
    else {
      const reason = isKnown ? event.reason : 'other reasons';
      this.deadLetters.set(isKnown ? key : others, { code, response, reason, count: recordCount });
    }
  }

  #noteSourceFault(name: string | undefined, fault: Fault, atMs: number): void {
    const source = this.sources.get(name ?? '');
    if (source !== undefined) source.lastFault = { ...fault, atMs };
  }

  #noteListed({ source: name, listedCount, unchangedCount }: AgentEvent & { kind: 'objectsListed' }): void {
    const source = this.sources.get(name);
    if (source === undefined) return;
    source.listedCount += listedCount;
    source.unchangedCount += unchangedCount;
  }

  #noteListing({ source: name, dates, atMs, fault }: AgentEvent & { kind: 'listingEnded' }): void {
    const source = this.sources.get(name);
    if (source === undefined || dates === 'older') return;
    source.polledAtMs = atMs;
    source.listingFault = fault;
    if (fault === undefined) source.completelyPolledAtMs = atMs;
  }
}

function byDateDescending({ date: a = '' }: DeliveredBefore, { date: b = '' }: DeliveredBefore): number {
  return a < b ? 1 : a > b ? -1 : 0;
}

function newSource(): SourceActivity {
  return {
    listedCount: 0,
    unchangedCount: 0,
    polledAtMs: undefined,
    completelyPolledAtMs: undefined,
    listingFault: undefined,
    lastFault: undefined,
  };
}
