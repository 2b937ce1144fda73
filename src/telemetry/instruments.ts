/**
 * All metrics of the agent but the histograms in one table, from which both the meter and docs/metrics.md are generated. Names and
 * units follow OpenTelemetry's semantic conventions where they define one (`http.client.request.duration`, `process.*`).
 */
import type { Attributes } from '@opentelemetry/api';
import { errorCodes } from '../model/agent-error.ts';
import { packageVersion } from '../runtime/package-version.ts';
import { printable } from '../runtime/printable.ts';
import { nodeVersion } from '../runtime/process-figures.ts';
import type { Activity } from './activity.ts';
import {
  errorType,
  grpcStatusCode,
  httpStatusCode,
  type ObservedInstrument,
  type Reading,
  status,
  unknown,
} from './instrument.ts';

export type { MetricSources, ObservedInstrument } from './instrument.ts';

import { sharingInstruments } from './sharing-instruments.ts';
import { unreadableObjects } from './unreadable-objects.ts';
import { sumOfWaiting, type WorkspaceActivity } from './workspace-activity.ts';

const workspaceId = 'databricks.workspace.id';
const sourceName = 'databricks.audit.source';

export const observedInstruments: readonly ObservedInstrument[] = [
  ofWorkspace(
    'counter',
    'lines.read',
    '{line}',
    'Lines read; always equals new + already shipped.',
    (it) => it.readCount,
  ),
  ofWorkspace(
    'counter',
    'lines.already_shipped',
    '{line}',
    'Lines read that had been shipped before.',
    (it) => it.alreadyShippedCount,
  ),
  ofWorkspace(
    'counter',
    'lines.new',
    '{line}',
    'Lines handed to the exporter; always equals accepted + dead-lettered + in flight.',
    (it) => it.newCount,
  ),
  ofWorkspace('counter', 'lines.accepted', '{line}', 'Lines accepted by the collector.', (it) => it.acceptedCount),
  ofWorkspace(
    'counter',
    'lines.dead_lettered',
    '{line}',
    'Lines permanently rejected by the collector; they are in the dead-letter files.',
    (it) => it.deadLetteredCount,
  ),
  ofWorkspace(
    'upDownCounter',
    'lines.in_flight',
    '{line}',
    'Lines neither accepted nor dead-lettered yet.',
    (it) => it.inFlightCount,
  ),
  ofWorkspace(
    'counter',
    'events.late',
    '{event}',
    'Events delivered more than `DATABRICKS_AUDIT_LATE_AFTER` after they occurred, judged by the LastModified of their object.',
    (it) => it.lateCount,
  ),
  {
    name: 'databricks.audit.lines.unparsed',
    type: 'counter',
    unit: '{line}',
    attributes: ['databricks.audit.reason'],
    meaning:
      'Lines that could not be parsed, by reason: shipped as they are, marked as unparsed. They count as accepted or dead-lettered as well. Without attributes and 0 before the first one.',
    // Before the first reason is known, so that Prometheus sees an increase.
    read: ({ activity: { counters } }) => [
      [0],
      ...[...counters.linesUnparsed].map(([reason, count]): Reading => [count, { 'databricks.audit.reason': reason }]),
    ],
  },
  {
    name: 'databricks.audit.dead_letters',
    type: 'counter',
    unit: '{record}',
    attributes: [errorType, httpStatusCode, grpcStatusCode],
    meaning:
      'Permanently rejected records (lines and silence notices) by error code and status, of HTTP or gRPC. The live page and the dead-letter files give the full reasons.',
    read: ({ activity }) =>
      sumBy(activity.deadLetters.values(), ({ code, response, count }) => [
        count,
        { [errorType]: code, ...status(response) },
      ]),
  },
  {
    name: 'databricks.audit.dead_letters.waiting',
    type: 'gauge',
    unit: '{record}',
    attributes: ['databricks.audit.reason', httpStatusCode, grpcStatusCode],
    meaning:
      'Records in the dead-letter files, by reason, until they are replayed or the files are deleted. Includes those of earlier processes, and all records of a partial success. Without attributes and 0 when there are none; absent while they cannot be counted.',
    read: ({ activity: { waitingDeadLetters, deadLetterFault } }) => {
      const series = sumBy(waitingDeadLetters, ({ response, reason, count }) => [
        count,
        { 'databricks.audit.reason': printable(reason, 120), ...status(response) },
      ]);
      if (deadLetterFault === undefined) return series.length === 0 ? [[0]] : series;
      return [[unknown], ...series.map(([, attributes]): Reading => [unknown, { ...attributes }])];
    },
  },
  {
    name: 'databricks.audit.notices',
    type: 'counter',
    unit: '{record}',
    attributes: ['databricks.audit.outcome'],
    meaning:
      'Completed silence notices (silence began or ended), `accepted` or `dead_lettered`. They do not count as lines.',
    read: ({ activity: { notices } }) => [
      [notices.accepted, { 'databricks.audit.outcome': 'accepted' }],
      [notices.deadLettered, { 'databricks.audit.outcome': 'dead_lettered' }],
    ],
  },
  {
    name: 'databricks.audit.decoded',
    type: 'counter',
    unit: 'By',
    attributes: [],
    meaning: 'Bytes read from objects, after decompression.',
    read: ({ activity }) => [[activity.counters.bytesDecoded]],
  },
  {
    name: 'databricks.audit.sent',
    type: 'counter',
    unit: 'By',
    attributes: [],
    meaning: 'Bytes sent in requests, including retries, before compression.',
    read: ({ activity }) => [[activity.sentBytes]],
  },
  {
    name: 'databricks.audit.batches',
    type: 'counter',
    unit: '{batch}',
    attributes: ['databricks.audit.outcome'],
    meaning: 'Completed batches: `accepted`, `dead_lettered`, or `mixed`.',
    read: ({ activity: { batches } }) => [
      [batches.accepted, { 'databricks.audit.outcome': 'accepted' }],
      [batches.deadLettered, { 'databricks.audit.outcome': 'dead_lettered' }],
      [batches.mixed, { 'databricks.audit.outcome': 'mixed' }],
    ],
  },
  {
    name: 'databricks.audit.retries',
    type: 'counter',
    unit: '{request}',
    attributes: ['databricks.audit.outcome', httpStatusCode, grpcStatusCode],
    meaning:
      'Failed requests that are retried: `unavailable` or `misconfigured`. Without a status if there was no response.',
    read: ({ activity }) =>
      [...activity.requests.values()]
        .filter(({ outcome }) => outcome === 'unavailable' || outcome === 'misconfigured')
        .map(({ outcome, response, count }) => [count, { 'databricks.audit.outcome': outcome, ...status(response) }]),
  },
  {
    name: 'databricks.audit.objects.listed',
    type: 'counter',
    unit: '{object}',
    attributes: [sourceName],
    meaning: 'Objects returned by listings.',
    read: ({ activity }) => ofSources(activity, ({ listedCount }) => listedCount),
  },
  {
    name: 'databricks.audit.objects.unchanged',
    type: 'counter',
    unit: '{object}',
    attributes: [sourceName],
    meaning: 'Listed objects whose version was already settled; they are not opened.',
    read: ({ activity }) => ofSources(activity, ({ unchangedCount }) => unchangedCount),
  },
  {
    name: 'databricks.audit.objects.found',
    type: 'counter',
    unit: '{object}',
    attributes: [sourceName, 'databricks.audit.found_by'],
    meaning:
      'Objects with something new, by what found them: `notification`, `listing` (only), or `catch_up` (the first listings after a start, before notifications are received).',
    read: ({ activity }) =>
      [...activity.sources].flatMap(([name, { found }]) =>
        [
          ['notification', found.notification] as const,
          ['listing', found.listing] as const,
          ['catch_up', found.catchUp] as const,
        ].map(([by, count]): Reading => [count, { [sourceName]: name, 'databricks.audit.found_by': by }]),
      ),
  },
  {
    name: 'databricks.audit.notifications',
    type: 'counter',
    unit: '{message}',
    attributes: ['databricks.audit.outcome', sourceName],
    meaning:
      'Messages of the queues by how they ended. About an object of a source: `settled`, `unchanged`, `damaged`, `gone`, or to come again as `released` (not read completely) or `elsewhere` (visited at that moment, or an earlier date of its workspace is). Without a source: `outside`, `removal`, `other`, `test`, `subscription`, `unknown`. Absent without a queue.',
    read: ({ activity: { notifications } }) =>
      notifications.all.map(({ source, outcome, count }) => [
        count,
        { 'databricks.audit.outcome': outcome, ...(source === undefined ? {} : { [sourceName]: source }) },
      ]),
  },
  {
    name: 'databricks.audit.objects.visited',
    type: 'counter',
    unit: '{object}',
    attributes: ['databricks.audit.outcome'],
    meaning:
      'Visits to objects by outcome: `settled`, `damaged` (final for this version), `growing`, `released` (retried later), `unchanged` (settled in the meantime).',
    read: ({ activity }) =>
      Object.entries(activity.visits).map(([outcome, count]) => [count, { 'databricks.audit.outcome': outcome }]),
  },
  {
    name: 'databricks.audit.faults',
    type: 'counter',
    unit: '{fault}',
    attributes: [errorType],
    meaning: 'Faults by error code; [errors.md](errors.md) explains each one.',
    // Include codes that have not occurred: if a series starts at 1, Prometheus sees no increase.
    read: ({ activity }) => errorCodes.map((code) => [activity.faults.get(code)?.count ?? 0, { [errorType]: code }]),
  },
  {
    name: 'databricks.audit.waiting',
    type: 'gauge',
    unit: '1',
    attributes: ['databricks.audit.waiting.for'],
    meaning: '1 while shipping waits for the `collector`, the `dead_letter_file` or the `state`, otherwise 0.',
    read: ({ activity: { waits } }) => [
      [waits.has('collector') ? 1 : 0, { 'databricks.audit.waiting.for': 'collector' }],
      [waits.has('deadLetterFile') ? 1 : 0, { 'databricks.audit.waiting.for': 'dead_letter_file' }],
      [waits.has('state') ? 1 : 0, { 'databricks.audit.waiting.for': 'state' }],
    ],
  },
  {
    name: 'databricks.audit.last_poll.timestamp',
    type: 'gauge',
    unit: 's',
    attributes: [sourceName],
    meaning:
      'Unix time of the last listing of recent dates that completed without a fault, in every workspace. Absent before the first one.',
    read: ({ activity }) => ofSources(activity, ({ completelyPolledAtMs }) => toSeconds(completelyPolledAtMs)),
  },
  ofWorkspace(
    'gauge',
    'last_event.timestamp',
    's',
    'Unix time of the newest accepted event. Absent before the first one.',
    (it) => toSeconds(it.lastEventMs),
  ),
  {
    name: 'databricks.audit.unsettled.oldest.age',
    type: 'gauge',
    unit: 's',
    attributes: [workspaceId],
    meaning: 'Age of the oldest event in flight; 0 if none is.',
    read: ({ activity, nowMs }) =>
      ofWorkspaces(activity, ({ oldestUnsettledMs }) => toSeconds(nowMs - (oldestUnsettledMs ?? nowMs))),
  },
  ofWorkspace(
    'gauge',
    'objects.waiting',
    '{object}',
    'Objects that were listed and are not shipped, or not to their end.',
    ({ waiting }) => sumOfWaiting(waiting).objectCount,
  ),
  ofWorkspace(
    'gauge',
    'bytes.waiting',
    'By',
    'Size of the objects that were listed and are not shipped.',
    ({ waiting }) => sumOfWaiting(waiting).sizeBytes,
  ),
  {
    name: 'databricks.audit.objects.waiting.oldest.age',
    type: 'gauge',
    unit: 's',
    attributes: [workspaceId],
    meaning: 'Time since the LastModified of the oldest object that was listed and is not shipped; 0 if there is none.',
    read: ({ activity, nowMs }) =>
      ofWorkspaces(activity, ({ waiting }) => {
        const { oldestMs = nowMs } = sumOfWaiting(waiting);
        return toSeconds(Math.max(0, nowMs - oldestMs));
      }),
  },
  unreadableObjects,
  {
    name: 'databricks.audit.silent',
    type: 'gauge',
    unit: '1',
    attributes: [workspaceId],
    meaning:
      '1 while the workspace has been silent for longer than `DATABRICKS_AUDIT_SILENCE_AFTER`, otherwise 0. With a shared state, one replica watches; the others have no such series, or 0 if they watched before.',
    read: ({ activity }) => (activity.knowsSilence ? ofWorkspaces(activity, (it) => (it.silence ? 1 : 0)) : []),
  },
  {
    name: 'databricks.audit.state.size',
    type: 'gauge',
    unit: 'By',
    attributes: [],
    meaning: 'Size of the state database and its write-ahead log.',
    read: ({ stateBytes }) => (stateBytes === undefined ? [] : [[stateBytes]]),
  },
  ...sharingInstruments,
  {
    name: 'databricks.audit.build.info',
    type: 'gauge',
    unit: '1',
    attributes: ['service.version', 'process.runtime.version'],
    meaning: 'Always 1; the attributes identify the build.',
    read: () => [[1, { 'service.version': packageVersion, 'process.runtime.version': nodeVersion }]],
  },
  {
    name: 'process.uptime',
    type: 'gauge',
    unit: 's',
    attributes: [],
    meaning: 'Time since the process started.',
    read: ({ process }) => [[process.uptimeS]],
  },
  {
    name: 'process.cpu.time',
    type: 'counter',
    unit: 's',
    attributes: ['cpu.mode'],
    meaning: 'CPU time, `user` and `system`.',
    read: ({ process }) => [
      [process.userCpuS, { 'cpu.mode': 'user' }],
      [process.systemCpuS, { 'cpu.mode': 'system' }],
    ],
  },
  {
    name: 'process.memory.usage',
    type: 'upDownCounter',
    unit: 'By',
    attributes: [],
    meaning: 'Resident memory.',
    read: ({ process }) => [[process.residentBytes]],
  },
];

function ofWorkspace(
  type: ObservedInstrument['type'],
  name: string,
  unit: string,
  meaning: string,
  value: (workspace: WorkspaceActivity) => number | undefined,
): ObservedInstrument {
  return {
    name: `databricks.audit.${name}`,
    type,
    unit,
    attributes: [workspaceId],
    meaning,
    read: ({ activity }) => ofWorkspaces(activity, value),
  };
}

function ofWorkspaces(activity: Activity, value: (workspace: WorkspaceActivity) => number | undefined): Reading[] {
  return [...activity.workspaces].flatMap(([id, workspace]) => {
    const reading = value(workspace);
    return reading === undefined ? [] : [[reading, id === '' ? {} : { [workspaceId]: id }]];
  });
}

function ofSources(
  activity: Activity,
  value: (
    source: typeof activity.sources extends ReadonlyMap<string, infer Source> ? Source : never,
  ) => number | undefined,
): Reading[] {
  return [...activity.sources].flatMap(([name, source]) => {
    const reading = value(source);
    return reading === undefined ? [] : [[reading, { [sourceName]: name }]];
  });
}

/** Adds up entries that have the same attributes. */
function sumBy<Entry>(entries: Iterable<Entry>, toReading: (entry: Entry) => readonly [number, Attributes]): Reading[] {
  const sums = new Map<string, readonly [number, Attributes]>();
  for (const entry of entries) {
    const [count, attributes] = toReading(entry);
    const key = JSON.stringify(attributes);
    sums.set(key, [(sums.get(key)?.[0] ?? 0) + count, attributes]);
  }
  return [...sums.values()];
}

function toSeconds(timeMs: number | undefined): number | undefined {
  return timeMs === undefined ? undefined : timeMs / 1000;
}
