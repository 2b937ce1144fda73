/**
 * In-memory view of what the agent has done and is doing, built from its events. Metrics, health and the live page all read it, so
 * they always agree. Every collection in it is bounded.
 */
import type { AgentEvent, Fault, ReplicasSeen, Waiting, WaitsFor } from '../contracts/observer.ts';
import type { SettledFault } from '../contracts/settled-fault.ts';
import type { ObjectId } from '../model/object.ts';
import { type ResponseCode, responseCodeText } from '../model/response-code.ts';
import { withoutNumbers } from '../runtime/without-numbers.ts';
import { Counters } from './counters.ts';
import { NotificationCounts } from './notification-counts.ts';
import { newSource, noteListing, type SourceActivity } from './source-activity.ts';
import { sumOfWaiting, type WaitingSum, WorkspaceActivity } from './workspace-activity.ts';

/** From the state: the lines of one workspace and date that earlier processes settled. */
export interface DeliveredBefore {
  readonly workspaceId: string | undefined;
  readonly date: string | undefined;
  readonly lineCount: number;
}

/** From the state: all lines that earlier processes settled. */
export interface DeliveredTotals {
  /** The UTC date, `yyyy-mm-dd`, on which the state was created. */
  readonly createdOn: string;
  readonly workspaces: readonly {
    readonly workspaceId: string | undefined;
    readonly acceptedCount: number;
    readonly deadLetteredCount: number;
  }[];
}

export interface RequestCount {
  readonly outcome: string;
  readonly response: ResponseCode | undefined;
  count: number;
}

/** Records in the dead-letter files, whichever process wrote them. */
export interface WaitingDeadLetters {
  readonly response: ResponseCode;
  /** The collector's message, as first received. */
  readonly reason: string;
  readonly count: number;
}

export interface DeadLetterCount {
  readonly code: string;
  readonly response: ResponseCode;
  /** The collector's message, as first received. */
  readonly reason: string;
  count: number;
}

export interface UnreadableObject extends Pick<SettledFault, 'status' | 'code'> {
  readonly workspace: WorkspaceActivity;
}

/** Collects the workspaces or reasons beyond the limit, under OpenTelemetry's name for "anything else". */
export const others = '_OTHER';
/** The key of objects outside any workspace folder. */
export const noWorkspace = '';

const workspacesMax = 200;
const deadLetterReasonsMax = 20;
const unreadableObjectsMax = 10_000;
const goneReasonsMax = 100;

export class Activity {
  readonly counters = new Counters();
  readonly workspaces = new Map<string, WorkspaceActivity>();
  readonly sources: ReadonlyMap<string, SourceActivity>;
  readonly waits = new Map<WaitsFor, Waiting>();
  readonly requests = new Map<string, RequestCount>();
  readonly faults = new Map<string, { count: number; last: Fault; atMs: number }>();
  /** Objects that could not be read to their end, or are not JSON Lines, until another version is read whole. */
  readonly unreadableObjects = new Map<ObjectId, UnreadableObject>();
  readonly deadLetters = new Map<string, DeadLetterCount>();
  /** As last counted, with 0 for reasons that are gone: OpenTelemetry's SDK repeats the last value of a series that is not observed. */
  waitingDeadLetters: readonly WaitingDeadLetters[] = [];
  /** Why they cannot be counted: then nobody knows how many there are. */
  deadLetterFault: Fault | undefined;
  /** What earlier processes delivered; undefined until it was read from the state. */
  deliveredBefore: { readonly since: string; accepted: number; deadLettered: number } | undefined;
  readonly batches = { accepted: 0, deadLettered: 0, mixed: 0 };
  readonly notifications: NotificationCounts;
  readonly notices = { accepted: 0, deadLettered: 0 };
  readonly visits = { unchanged: 0, settled: 0, damaged: 0, growing: 0, released: 0, elsewhere: 0 };
  /** With a shared state, as of the last look at the others. */
  replicas: ReplicasSeen | undefined;
  readonly claims = { takenOver: 0, lost: 0 };
  #hasLedSilence = false;
  sentBytes = 0;
  lastSignOfLifeMs: number;
  /** When the collector last accepted or rejected a request. */
  collectorAnsweredAtMs: number | undefined;
  /** Whether the collector has accepted a request with records. */
  hasAccepted = false;
  readonly #nowMs: () => number;

  /** @param notifiedSources names of the sources of which a queue has notifications. */
  constructor(
    sourceNames: readonly string[],
    deliveredBefore: readonly DeliveredBefore[],
    nowMs: () => number,
    notifiedSources: readonly string[] = [],
  ) {
    this.#nowMs = nowMs;
    this.notifications = new NotificationCounts(notifiedSources);
    this.lastSignOfLifeMs = nowMs();
    this.sources = new Map(sourceNames.map((name) => [name, newSource()]));
    // Newest first, so that workspaces that no longer deliver do not use up the limit.
    for (const { workspaceId, date = '', lineCount } of deliveredBefore.toSorted(byDateDescending)) {
      if (date !== '') this.#workspace(workspaceId).countOnDate(date, lineCount);
    }
  }

  observe(event: AgentEvent): void {
    if (event.kind === 'replicasSeen') {
      if (event.leads.includes('silence')) this.#hasLedSilence = true;
      this.replicas = event; // Happens all the time, so it is no sign of life of the pipeline.
      return;
    }
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
        // Whoever has the claim now sends them. A process that stands aside reports how its empty requests end.
        if (this.counters.linesInFlight === 0) this.waits.delete('collector');
        break;
      case 'requestEnded':
        this.sentBytes += event.requestBytes;
        this.#countRequest(event.outcome, event.response);
        if (event.outcome !== 'unavailable' && event.outcome !== 'misconfigured') this.collectorAnsweredAtMs = nowMs;
        if (event.outcome === 'accepted') this.hasAccepted = true;
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
        this.#noteUnreadable(event);
        this.#noteFound(event);
        break;
      case 'settledFaultKnown':
        if (event.fault === undefined) this.unreadableObjects.delete(event.objectId);
        else this.#addUnreadable(event.objectId, event.workspaceId, event.fault);
        break;
      case 'objectsListed':
        this.#noteListed(event);
        break;
      case 'notificationEnded':
        this.notifications.observe(event);
        break;
      case 'listingDue':
      case 'listingEnded':
      case 'workspaceListed':
        this.#noteListing(event);
        break;
      case 'objectsWaiting':
        this.#workspace(event.workspaceId).objectsWaiting(event);
        break;
      case 'silenceChanged':
        this.#workspace(event.workspaceId).silence = event.silent ? event : undefined;
        break;
      case 'claimTakenOver':
        this.claims.takenOver++;
        break;
      case 'claimLost':
        this.claims.lost++;
        break;
      case 'alertEventEnded':
        this.notices[event.outcome]++;
        break;
    }
  }

  /**
   * True if this process watches for silence, or did before another replica took over: OpenTelemetry's SDK repeats the last value of a
   * series that is not observed.
   */
  get knowsSilence(): boolean {
    return this.replicas === undefined || this.#hasLedSilence;
  }

  /** Adds what earlier processes delivered. The counters, which metrics are made from, still start at zero. */
  countedDelivered({ createdOn, workspaces }: DeliveredTotals): void {
    this.deliveredBefore = { since: createdOn, accepted: 0, deadLettered: 0 };
    for (const { workspaceId, acceptedCount, deadLetteredCount } of workspaces) {
      this.deliveredBefore.accepted += acceptedCount;
      this.deliveredBefore.deadLettered += deadLetteredCount;
      const { deliveredBefore } = this.#workspace(workspaceId);
      deliveredBefore.accepted += acceptedCount;
      deliveredBefore.deadLettered += deadLetteredCount;
    }
  }

  /** Not an event: it happens at each scrape, and is not a sign of life. */
  countedDeadLetters(counted: readonly WaitingDeadLetters[]): void {
    this.deadLetterFault = undefined;
    const isCounted = ({ response, reason }: WaitingDeadLetters) =>
      counted.some((each) => each.reason === reason && each.response.code === response.code);
    const gone = this.waitingDeadLetters.filter((before) => !isCounted(before)).slice(0, goneReasonsMax);
    this.waitingDeadLetters = [...counted, ...gone.map((before) => ({ ...before, count: 0 }))];
  }

  /** Not an event either. What was counted before may have been replayed, or be more by now. */
  couldNotCountDeadLetters(fault: Fault): void {
    this.deadLetterFault = fault;
    this.#countFault(fault, this.#nowMs());
  }

  get waitingObjects(): WaitingSum {
    return sumOfWaiting([...this.workspaces.values()].flatMap(({ waiting }) => waiting));
  }

  /** What the collector did not get, because nobody could read it. */
  get damagedObjectCount(): number {
    return this.unreadableObjects.values().reduce((sum, { status }) => sum + (status === 'damaged' ? 1 : 0), 0);
  }

  get waitingDeadLetterCount(): number {
    return this.waitingDeadLetters.reduce((sum, { count }) => sum + count, 0);
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

  #noteUnreadable({ objectId, workspaceId, status, fault }: AgentEvent & { kind: 'objectVisited' }): void {
    if (status !== 'settled' && status !== 'damaged') return;
    if (fault !== undefined) this.#addUnreadable(objectId, workspaceId, { status, code: fault.code });
    else if (status === 'settled') this.unreadableObjects.delete(objectId);
  }

  #addUnreadable(
    id: ObjectId,
    workspaceId: string | undefined,
    { status, code }: Pick<SettledFault, 'status' | 'code'>,
  ): void {
    if (this.unreadableObjects.has(id) || this.unreadableObjects.size < unreadableObjectsMax)
      this.unreadableObjects.set(id, { status, code, workspace: this.#workspace(workspaceId) });
  }

  #noteFound({ source: name, foundBy, status }: AgentEvent & { kind: 'objectVisited' }): void {
    const source = this.sources.get(name);
    if (source !== undefined && (status === 'settled' || status === 'damaged')) source.found[foundBy]++;
  }

  /** Keyed by error code, so bounded. */
  #countFault(fault: Fault, atMs: number): void {
    const count = (this.faults.get(fault.code)?.count ?? 0) + 1;
    this.faults.set(fault.code, { count, last: fault, atMs });
  }

  /** Reasons that differ only in numbers (times, sizes, line numbers) count as one. */
  #countDeadLetters(event: AgentEvent & { kind: 'deadLettered' }): void {
    const { code, response, recordCount } = event;
    const key = `${code} ${responseCodeText(response)} ${withoutNumbers(event.reason)}`;
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

  #noteListing(event: AgentEvent & { kind: 'listingDue' | 'listingEnded' | 'workspaceListed' }): void {
    const source = this.sources.get(event.source);
    if (source !== undefined) noteListing(source, event);
  }
}

function byDateDescending({ date: a = '' }: DeliveredBefore, { date: b = '' }: DeliveredBefore): number {
  return a < b ? 1 : a > b ? -1 : 0;
}
