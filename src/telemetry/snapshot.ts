/**
 * The content of the live page as plain data, for /status.json and the page's event stream.
 */
import type { ReplicasSeen } from '../contracts/observer.ts';
import { responseCodeText } from '../model/response-code.ts';
import { packageVersion } from '../runtime/package-version.ts';
import { printable } from '../runtime/printable.ts';
import type { Activity } from './activity.ts';
import { type Health, readiness, unreadableHint } from './health.ts';
import type { HistoryPoint } from './history.ts';
import { incompleteWorkspaces, type SourceActivity } from './source-activity.ts';
import { sumOfWaiting, type WorkspaceActivity } from './workspace-activity.ts';

/** A variable as configured, with secrets masked. */
export interface Setting {
  readonly name: string;
  readonly value: string;
}

export interface SnapshotContext {
  readonly activity: Activity;
  readonly history: readonly HistoryPoint[];
  readonly nowMs: number;
  readonly startedAtMs: number;
  readonly stateBytes: number | undefined;
  readonly residentBytes: number;
  readonly settings: readonly Setting[];
}

export type Snapshot = ReturnType<typeof takeSnapshot>;

export function takeSnapshot({
  activity,
  history,
  nowMs,
  startedAtMs,
  stateBytes,
  residentBytes,
  settings,
}: SnapshotContext) {
  const { counters } = activity;
  const damaged = damagedByWorkspace(activity);
  return {
    version: packageVersion,
    atMs: nowMs,
    startedAtMs,
    stateBytes,
    residentBytes,
    health: healthOf(activity, nowMs),
    lines: {
      read: counters.linesRead,
      alreadyShipped: counters.linesAlreadyShipped,
      new: counters.linesNew,
      accepted: counters.linesAccepted,
      deadLettered: counters.linesDeadLettered,
      inFlight: counters.linesInFlight,
    },
    delivered: deliveredInTotal(activity),
    waiting: activity.waitingObjects,
    waits: [...activity.waits.values()].map(({ for: what, fault, sinceMs, failedAttempts, retryAtMs }) => ({
      for: what,
      ...fault,
      sinceMs,
      failedAttempts,
      retryAtMs,
    })),
    sources: [...activity.sources].map(([name, source]) => ({
      ...describeSource(name, source),
      // Undefined without a queue of notifications.
      notified: activity.notifications.receivedFor(name),
    })),
    workspaces: [...activity.workspaces]
      .sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }))
      .map(([id, workspace]) => describeWorkspace(id, workspace, damaged.get(workspace) ?? 0)),
    deadLetters: [...activity.deadLetters.values()]
      .map(({ code, response, reason, count }) => ({
        code,
        response: responseCodeText(response),
        reason: printable(reason),
        count,
      }))
      .sort((a, b) => b.count - a.count),
    /** Why they cannot be counted. */
    deadLetterFault: activity.deadLetterFault && printable(activity.deadLetterFault.message),
    waitingDeadLetters: activity.waitingDeadLetters
      .filter(({ count }) => count > 0 && activity.deadLetterFault === undefined)
      .map(({ response, reason, count }) => ({
        response: responseCodeText(response),
        reason: printable(reason),
        count,
      })),
    notices: { ...activity.notices },
    replicas: activity.replicas && describeReplicas(activity.replicas),
    faults: [...activity.faults].map(([code, { count, last, atMs }]) => ({
      code,
      count,
      message: last.message,
      hint: last.hint,
      atMs,
    })),
    unreadable: describeUnreadable(activity),
    history,
    settings,
  };
}

function damagedByWorkspace({ unreadableObjects }: Activity): ReadonlyMap<WorkspaceActivity, number> {
  const counts = new Map<WorkspaceActivity, number>();
  for (const { status, workspace } of unreadableObjects.values()) {
    if (status === 'damaged') counts.set(workspace, (counts.get(workspace) ?? 0) + 1);
  }
  return counts;
}

/** By code, with one object of each: an earlier process may have read them, so that no fault of this one names them. */
function describeUnreadable({ unreadableObjects }: Activity) {
  const byCode = new Map<string, { readonly code: string; count: number; readonly object: string }>();
  for (const [id, { code }] of unreadableObjects) {
    const known = byCode.get(code);
    if (known === undefined) byCode.set(code, { code, count: 1, object: printable(id) });
    else known.count++;
  }
  return [...byCode.values()].map((each) => ({ ...each, hint: unreadableHint }));
}

/** By all processes that used the state; undefined until the state was read. */
function deliveredInTotal({ deliveredBefore, counters }: Activity) {
  if (deliveredBefore === undefined) return undefined;
  return {
    /** The date on which the state was created. */
    since: deliveredBefore.since,
    accepted: deliveredBefore.accepted + counters.linesAccepted,
    deadLettered: deliveredBefore.deadLettered + counters.linesDeadLettered,
  };
}

/** Does not probe the collector: the page updates far too often for that. */
function healthOf(activity: Activity, nowMs: number): Omit<Health, 'checks'> {
  const { ok, complete, status, reason } = readiness(activity, undefined, nowMs);
  return { ok, complete, status, reason };
}

/** The page is of one process; it names the others. */
function describeReplicas({ claimCount, others }: ReplicasSeen) {
  return {
    aliveCount: 1 + others.filter(({ isAlive }) => isAlive).length,
    claimCount,
    others: others.map(({ host, version, claimCount: claims, unchangedMs, isAlive }) => {
      return { host: printable(host), version: printable(version), claimCount: claims, unchangedMs, isAlive };
    }),
  };
}

function describeSource(name: string, source: SourceActivity) {
  return {
    name: printable(name),
    polledAtMs: source.polledAtMs,
    completelyPolledAtMs: source.completelyPolledAtMs,
    fault: source.listingFault ?? incompleteWorkspaces(source)[0]?.fault ?? source.olderListingFault,
    lastFault: source.lastFault,
    listed: source.listedCount,
    unchanged: source.unchangedCount,
    found: source.found,
  };
}

function describeWorkspace(id: string, workspace: WorkspaceActivity, damagedCount: number) {
  return {
    id: printable(id),
    lastEventMs: workspace.lastEventMs,
    lagMs: workspace.lagMs,
    oldestUnsettledMs: workspace.oldestUnsettledMs,
    accepted: workspace.deliveredBefore.accepted + workspace.acceptedCount,
    deadLettered: workspace.deliveredBefore.deadLettered + workspace.deadLetteredCount,
    inFlight: workspace.inFlightCount,
    waiting: sumOfWaiting(workspace.waiting),
    /** Objects that could not be read to their end. */
    damaged: damagedCount,
    silentSinceMs: workspace.silence?.lastEventMs,
    dates: workspace.linesByDate.map(([date, lines]) => ({ date, lines })),
  };
}
