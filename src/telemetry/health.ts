/**
 * Whether the agent lives, and whether it can do its work; each with its reason in words. To have nothing to do is no fault:
 * ready means that everything would go through.
 */
import type { WaitsFor } from '../contracts/observer.ts';
import { durationText } from '../runtime/duration.ts';
import type { Activity } from './activity.ts';

export interface Health {
  readonly ok: boolean;
  /** One word for what it is doing: `shipping`, `idle`, `starting`, `waiting` or `stuck`. */
  readonly status: 'shipping' | 'idle' | 'starting' | 'waiting' | 'stuck';
  /** A sentence. */
  readonly reason: string;
  readonly checks: readonly HealthCheck[];
}

export interface HealthCheck {
  readonly name: string;
  readonly ok: boolean;
  readonly message: string;
  readonly hint?: string | undefined;
}

/** What an empty request to the collector came to. */
export interface CollectorAnswer {
  readonly ok: boolean;
  readonly message: string;
  readonly hint: string | undefined;
}

/** So long may a wait last before the agent counts as unable to do its work. */
export const waitBoundMs = 60_000;
/**
 * Without any event for so long something hangs that should have given up by itself: every poll ends with an event, every
 * attempt to send too, and what takes long (a listing, an object) tells how far it is.
 */
export const stuckAfterMs = 3_600_000;

/** The event loop turns, or nobody would answer; what is left to ask is whether anything moves. */
export function liveness(activity: Activity, pollIntervalMs: number, nowMs: number): Health {
  const quietMs = nowMs - activity.lastSignOfLifeMs;
  if (quietMs > stuckAfterMs + 2 * pollIntervalMs) {
    const reason = `Nothing has moved for ${durationText(quietMs)}: no listing, no request, no object`;
    return { ok: false, status: 'stuck', reason, checks: [] };
  }
  return { ...doing(activity), ok: true, checks: [] };
}

/** @param collector what it answered when there was nothing to send for a while; undefined when it need not be asked. */
export function readiness(activity: Activity, collector: CollectorAnswer | undefined, nowMs: number): Health {
  const checks = [
    ...[...activity.sources].map(([name, source]): HealthCheck => {
      const subject = `source ${name}`;
      if (source.completelyPolledAtMs !== undefined && source.listingFault === undefined) {
        return { name: subject, ok: true, message: `listed ${durationText(nowMs - source.completelyPolledAtMs)} ago` };
      }
      if (source.listingFault === undefined) return { name: subject, ok: false, message: 'not listed yet' };
      const { message, hint } = source.listingFault;
      // Odd names beside the deliveries, or no deliveries yet: it could be listed, and there is nothing to do.
      return { name: subject, ok: source.listingFault.code === 'ERR_SOURCE_LAYOUT', message, hint };
    }),
    checkWait(activity, 'collector', nowMs) ?? checkAnswer(collector),
    checkWait(activity, 'deadLetterFile', nowMs) ?? { name: 'dead letters', ok: true, message: 'nothing waits' },
    checkWait(activity, 'state', nowMs) ?? { name: 'state', ok: true, message: 'can be written' },
  ];
  const failed = checks.find(({ ok }) => !ok);
  if (failed === undefined) return { ...doing(activity), ok: true, checks };
  const neverListed = [...activity.sources.values()].some(({ polledAtMs }) => polledAtMs === undefined);
  const status = neverListed && activity.waits.size === 0 ? 'starting' : 'waiting';
  return { ok: false, status, reason: `${failed.name}: ${failed.message}`, checks };
}

function checkAnswer(answer: CollectorAnswer | undefined): HealthCheck {
  return answer === undefined
    ? { name: 'collector', ok: true, message: 'takes records' }
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

function doing(activity: Activity): Pick<Health, 'status' | 'reason'> {
  const [wait] = activity.waits.values();
  if (wait !== undefined) return { status: 'waiting', reason: wait.fault.message };
  const inFlight = activity.counters.linesInFlight;
  if (inFlight > 0) return { status: 'shipping', reason: `${inFlight} lines are in flight` };
  const isListed = [...activity.sources.values()].every(({ polledAtMs }) => polledAtMs !== undefined);
  if (!isListed) return { status: 'starting', reason: 'The first listing is under way' };
  return { status: 'idle', reason: 'There is nothing to do: what was listed is shipped' };
}
