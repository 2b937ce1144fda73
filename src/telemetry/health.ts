/**
 * Liveness and readiness, each with a reason in plain words. An idle agent is healthy: ready means that a delivery would get through
 * if one arrived.
 */
import type { WaitsFor } from '../contracts/observer.ts';
import { counted } from '../runtime/counted.ts';
import { durationText } from '../runtime/duration.ts';
import { printable } from '../runtime/printable.ts';
import type { Activity } from './activity.ts';
import { incompleteWorkspaces, isPartial, type SourceActivity } from './source-activity.ts';

export interface Health {
  /** The agent can do its work. */
  readonly ok: boolean;
  /** Everything was listed and is in the collector: nothing waits, and nothing was rejected. Independent of `ok`. */
  readonly complete: boolean;
  /** What the agent is doing. `incomplete`: it is idle, although something was not delivered. */
  readonly status: 'shipping' | 'idle' | 'incomplete' | 'starting' | 'waiting' | 'stuck';
  /** One sentence. */
  readonly reason: string;
  readonly checks: readonly HealthCheck[];
}

export interface HealthCheck {
  readonly name: string;
  readonly ok: boolean;
  readonly message: string;
  readonly hint?: string | undefined;
}

/** The result of an empty request to the collector. */
export interface CollectorAnswer {
  readonly ok: boolean;
  readonly message: string;
  readonly hint: string | undefined;
}

/** A wait that lasts longer makes the agent not ready. */
export const waitBoundMs = 60_000;
/**
 * If there has been no event for this long, something hangs that should have timed out: every poll and every export attempt ends with
 * an event, and long operations (a listing, a large object) emit progress events.
 */
export const stuckAfterMs = 3_600_000;

/** The event loop is alive, or there would be no response; what remains to check is whether the agent makes progress. */
export function liveness(activity: Activity, pollIntervalMs: number, nowMs: number): Health {
  const quietMs = nowMs - activity.lastSignOfLifeMs;
  if (quietMs > stuckAfterMs + 2 * pollIntervalMs) {
    const reason = `No progress for ${durationText(quietMs)}: no listing, no request, no object`;
    return { ok: false, complete: isComplete(activity), status: 'stuck', reason, checks: [] };
  }
  return { ...doing(activity), ok: true, checks: [] };
}

/** @param collector the result of probing the collector; undefined if no probe was needed. */
export function readiness(activity: Activity, collector: CollectorAnswer | undefined, nowMs: number): Health {
  const checks = [
    ...[...activity.sources].map(([name, source]) => checkSource(name, source, nowMs)),
    checkObjects(activity, nowMs),
    checkUnreadable(activity),
    checkWait(activity, 'collector', nowMs) ?? checkAnswer(collector),
    checkWait(activity, 'deadLetterFile', nowMs) ?? checkDeadLetters(activity),
    checkWait(activity, 'state', nowMs) ?? { name: 'state', ok: true, message: 'writable' },
  ];
  const failed = checks.find(({ ok }) => !ok);
  if (failed === undefined) return { ...doing(activity), ok: true, checks };
  const neverListed = [...activity.sources.values()].some(({ polledAtMs }) => polledAtMs === undefined);
  const status = neverListed && activity.waits.size === 0 ? 'starting' : 'waiting';
  return { ok: false, complete: isComplete(activity), status, reason: `${failed.name}: ${failed.message}`, checks };
}

const waitingForFirst = 'waiting for the first delivery';

function isEmpty({ listingFault }: SourceActivity): boolean {
  return listingFault?.code === 'ERR_SOURCE_EMPTY';
}

function checkSource(name: string, source: SourceActivity, nowMs: number): HealthCheck {
  const subject = `source ${name}`;
  const { listingFault, completelyPolledAtMs, olderListingFault } = source;
  if (listingFault !== undefined) {
    const { message, hint } = listingFault;
    if (isEmpty(source)) return { name: subject, ok: true, message: `${message}; ${waitingForFirst}`, hint };
    if (isPartial(listingFault)) return { name: subject, ok: false, message, hint };
  }
  const [workspace] = incompleteWorkspaces(source);
  if (workspace?.fault !== undefined) {
    const { message, hint } = workspace.fault;
    return { name: subject, ok: false, message: `${workspacesText(source)}: ${message}`, hint };
  }
  if (completelyPolledAtMs === undefined) return { name: subject, ok: false, message: 'not listed yet' };
  const fault = listingFault ?? olderListingFault;
  if (fault !== undefined) return { name: subject, ok: !isPartial(fault), message: fault.message, hint: fault.hint };
  return { name: subject, ok: true, message: `listed ${durationText(nowMs - completelyPolledAtMs)} ago` };
}

function workspacesText(source: SourceActivity): string {
  const ids = new Set(incompleteWorkspaces(source).map(({ workspaceId }) => workspaceId));
  const [first] = ids;
  if (ids.size === 1) return first === undefined ? 'not listed completely' : `workspace ${first} not listed completely`;
  return `${counted(ids.size, 'workspace')} not listed completely`;
}

/** Until somebody changes a permission or a credential, nothing can be shipped. */
const deniedCodes: readonly string[] = ['ERR_SOURCE_ACCESS_DENIED', 'ERR_SOURCE_CREDENTIALS'];

function checkObjects(activity: Activity, nowMs: number): HealthCheck {
  const { objectCount, fault, faultSinceMs = nowMs } = activity.waitingObjects;
  if (objectCount === 0) return { name: 'objects', ok: true, message: 'nothing is waiting' };
  const message = objectsText(objectCount);
  if (fault === undefined) return { name: 'objects', ok: true, message };
  const failedForMs = nowMs - faultSinceMs;
  return {
    name: 'objects',
    ok: failedForMs <= waitBoundMs && !deniedCodes.includes(fault.code),
    message: `${message}: ${fault.message} (for ${durationText(failedForMs)})`,
    hint: fault.hint,
  };
}

function objectsText(count: number): string {
  return `${counted(count, 'listed object')} not shipped`;
}

export const unreadableHint =
  'Deliver the object again, whole and in a format that is read. Until then, status counts it by workspace and date.';

/** Waiting would not help, so the agent stays ready. It names one object, also if an earlier process read it. */
function checkUnreadable({ unreadableObjects, damagedObjectCount }: Activity): HealthCheck {
  const objects = [...unreadableObjects];
  const [first] = [...objects.filter(([, { status }]) => status === 'damaged'), ...objects];
  if (first === undefined) return { name: 'unreadable', ok: true, message: 'none' };
  const unparsedCount = objects.length - damagedObjectCount;
  const counts = [
    ...(damagedObjectCount === 0 ? [] : [damagedText(damagedObjectCount)]),
    ...(unparsedCount === 0 ? [] : [`${counted(unparsedCount, 'object')} shipped as unparsed records`]),
  ];
  const [id, { code }] = first;
  const message = `${counts.join('; ')}: ${printable(id)} (${code})${objects.length === 1 ? '' : ' and others'}`;
  return { name: 'unreadable', ok: true, message, hint: unreadableHint };
}

function damagedText(count: number): string {
  return `${counted(count, 'damaged object')} not readable to the end`;
}

export const replayHint = 'Fix the cause, then run: databricks-audit-otel replay';

/** A record that was rejected does not keep the agent from shipping others, so it stays ready, if it can tell how many there are. */
function checkDeadLetters(activity: Activity): HealthCheck {
  const { waitingDeadLetterCount: count, deadLetterFault } = activity;
  if (deadLetterFault !== undefined) {
    const { message, hint } = deadLetterFault;
    return { name: 'dead letters', ok: false, message: `not known: ${message}`, hint };
  }
  if (count === 0) return { name: 'dead letters', ok: true, message: 'none' };
  return { name: 'dead letters', ok: true, message: deadLettersText(count), hint: replayHint };
}

function deadLettersText(count: number): string {
  return `${counted(count, 'dead letter')} not in the backend`;
}

function isComplete(activity: Activity): boolean {
  return isListed(activity) && shortcomings(activity).length === 0;
}

/** Every source, and every workspace in it, has been listed at least once: before that, nobody knows what there is. */
function isListed({ sources }: Activity): boolean {
  return [...sources.values()].every(
    ({ polledAtMs, isOlderListingDue, partlyListed }) =>
      polledAtMs !== undefined &&
      !isOlderListingDue &&
      [...partlyListed.values()].every(({ status }) => status !== 'underWay'),
  );
}

/** What keeps the agent from saying that everything was shipped. */
function shortcomings(activity: Activity): readonly string[] {
  const { objectCount } = activity.waitingObjects;
  const [damaged, deadLetters] = [activity.damagedObjectCount, activity.waitingDeadLetterCount];
  return [
    ...[...activity.sources].flatMap(([name, source]) => {
      if (isPartial(source.listingFault) || isPartial(source.olderListingFault))
        return `source ${name} could not be listed`;
      return incompleteWorkspaces(source).length === 0 ? [] : `source ${name}: ${workspacesText(source)}`;
    }),
    ...(objectCount === 0 ? [] : [objectsText(objectCount)]),
    ...(damaged === 0 ? [] : [damagedText(damaged)]),
    ...(activity.deadLetterFault === undefined
      ? deadLetters === 0
        ? []
        : [deadLettersText(deadLetters)]
      : ['the number of dead letters is not known']),
  ];
}

function checkAnswer(answer: CollectorAnswer | undefined): HealthCheck {
  return answer === undefined
    ? { name: 'collector', ok: true, message: 'accepting records' }
    : { name: 'collector', ...answer };
}

function checkWait(activity: Activity, what: WaitsFor, nowMs: number): HealthCheck | undefined {
  const wait = activity.waits.get(what);
  if (wait === undefined) return undefined;
  const { message, hint } = wait.fault;
  const name = { collector: 'collector', deadLetterFile: 'dead letters', state: 'state' }[what];
  const waitedMs = nowMs - wait.sinceMs;
  return { name, ok: waitedMs <= waitBoundMs, message: `${message} (for ${durationText(waitedMs)})`, hint };
}

export function doing(activity: Activity): Pick<Health, 'complete' | 'status' | 'reason'> {
  const missing = shortcomings(activity);
  const complete = isComplete(activity);
  const [wait] = activity.waits.values();
  if (wait !== undefined) return { complete, status: 'waiting', reason: wait.fault.message };
  const inFlight = activity.counters.linesInFlight;
  if (inFlight > 0) {
    const reason = [`${counted(inFlight, 'line')} in flight`, ...missing].join('; ');
    return { complete, status: 'shipping', reason };
  }
  const { objectCount, fault } = activity.waitingObjects;
  const isShipping = objectCount > 0 && fault === undefined;
  if (!isListed(activity) && missing.length === 0) {
    return { complete, status: 'starting', reason: 'The first listing is in progress' };
  }
  if (!complete) return { complete, status: isShipping ? 'shipping' : 'incomplete', reason: missing.join('; ') };
  if ([...activity.sources.values()].every(isEmpty)) {
    return { complete, status: 'idle', reason: `Nothing has been delivered yet; ${waitingForFirst}` };
  }
  return { complete, status: 'idle', reason: 'Everything that was listed has been shipped' };
}
