/**
 * Builders for agent events.
 */

import type { AgentEvent, Fault } from '../../src/contracts/observer.ts';
import type { SettledFault } from '../../src/contracts/settled-fault.ts';
import type { ObjectId } from '../../src/model/object.ts';
import type { ResponseCode } from '../../src/model/response-code.ts';

export const startMs = Date.parse('2026-03-10T12:00:00Z');
export const sourceName = 's3://audit';

export const unavailable: Fault = {
  code: 'ERR_EXPORT_UNAVAILABLE',
  message: 'http://collector:4318/v1/logs could not be reached: connect ECONNREFUSED',
  hint: 'Check that the collector is running.',
};

export function linesRead(newCount: number, changes: Partial<AgentEvent & { kind: 'linesRead' }> = {}): AgentEvent {
  const alreadyShippedCount = changes.alreadyShippedCount ?? 0;
  return {
    kind: 'linesRead',
    workspaceId: '1',
    readCount: newCount + alreadyShippedCount,
    alreadyShippedCount,
    newCount,
    eventTimes: { oldestMs: startMs - 120_000, newestMs: startMs - 60_000, lateCount: 0 },
    decodedBytes: newCount * 100,
    ...changes,
  };
}

export function batchEnded(
  acceptedCount: number,
  deadLetteredCount = 0,
  changes: Partial<AgentEvent & { kind: 'batchEnded' }> = {},
): AgentEvent {
  return {
    kind: 'batchEnded',
    workspaceId: '1',
    date: '2026-03-10',
    lineCount: acceptedCount + deadLetteredCount,
    acceptedCount,
    deadLetteredCount,
    eventTimes: { oldestMs: startMs - 120_000, newestMs: startMs - 60_000, lateCount: 0 },
    modifiedAtMs: startMs - 30_000,
    requestBytes: acceptedCount * 200,
    ...changes,
  };
}

export function requestEnded(
  outcome: (AgentEvent & { kind: 'requestEnded' })['outcome'],
  status?: number | ResponseCode,
): AgentEvent {
  const response = typeof status === 'number' ? httpResponse(status) : status;
  return { kind: 'requestEnded', outcome, response, durationMs: 20, recordCount: 1, requestBytes: 200 };
}

export function httpResponse(code: number): ResponseCode {
  return { protocol: 'http', code };
}

export function waiting(sinceMs = startMs, fault = unavailable): AgentEvent {
  return { kind: 'waiting', for: 'collector', fault, sinceMs, failedAttempts: 3, retryAtMs: sinceMs + 8_000 };
}

export function listingEnded(fault?: Fault, source = sourceName): AgentEvent {
  return { kind: 'listingEnded', source, dates: 'recent', atMs: startMs, fault };
}

export function objectsWaiting(changes: Partial<AgentEvent & { kind: 'objectsWaiting' }>): AgentEvent {
  return {
    kind: 'objectsWaiting',
    source: sourceName,
    dates: 'recent',
    workspaceId: '1',
    objectCount: 2,
    sizeBytes: 10,
    oldestMs: startMs,
    fault: undefined,
    faultSinceMs: undefined,
    ...changes,
  };
}

export function objectVisited(status: (AgentEvent & { kind: 'objectVisited' })['status'], fault?: Fault): AgentEvent {
  const objectId = 's3://audit/workspaceId=1/date=2026-03-10/a.json' as ObjectId;
  return {
    kind: 'objectVisited',
    source: sourceName,
    foundBy: 'listing',
    objectId,
    workspaceId: '1',
    status,
    sizeBytes: 1,
    fault,
  };
}

/** @param code undefined if another version without a fault is settled now. */
export function settledFaultKnown(
  name: string,
  status: SettledFault['status'],
  code: Fault['code'] | undefined,
  workspaceId = '1',
): AgentEvent {
  const fault = code && { status, code, message: 'not readable' };
  return { kind: 'settledFaultKnown', source: sourceName, objectId: name as ObjectId, workspaceId, fault };
}
