/**
 * Checks that a backend has the records of settled lines. Objects are read twice: first to find out the services and time spans of
 * their records, then to query each record, so that memory does not grow with their size.
 */
import type { MapperFor } from '../../agent/mappers.ts';
import type { Backend, RecordSpan, StoredRecords, TimeRange } from '../../contracts/backend.ts';
import type { Decoder } from '../../contracts/decoder.ts';
import type { DeliveryReader } from '../../contracts/delivery-reader.ts';
import type { DeliveredObject } from '../../model/object.ts';
import { otlpLogs, textOf, uidOf } from '../../model/otlp-json.ts';
import { compareObject, type SettledLine } from './object-comparison.ts';
import { millisecondsPerDay, TimeRanges } from './time-ranges.ts';

export interface BackendParts {
  readonly backend: Backend;
  readonly mapperFor: MapperFor;
  readonly state: DeliveryReader;
  readonly decoder: Decoder;
  /** True for rejected records, which are waiting in the dead-letter files and need not be in the backend. */
  readonly isWaitingDeadLetter: (uid: string) => boolean;
  /** Called with lines that the backend is missing; their bytes are valid until it resolves. */
  readonly onMissing?: ((lines: readonly SettledLine[]) => Promise<void>) | undefined;
}

/** The settled lines of one object. */
export interface ObjectInBackend {
  readonly object: DeliveredObject;
  /** Lines that the backend should have: all but the undelivered ones. */
  expectedCount: number;
  missingCount: number;
  /** Lines that the backend does not have because they are waiting in a dead-letter file. */
  undeliveredCount: number;
  firstMissingUid: string | undefined;
}

export interface BackendFinding {
  readonly objects: readonly ObjectInBackend[];
  readonly repeatedCount: number;
}

/** Rejects as opening an object does, with ERR_BACKEND_READ, and as `onMissing` does. */
export async function compareWithBackend(
  objects: readonly DeliveredObject[],
  parts: BackendParts,
  signal: AbortSignal,
): Promise<BackendFinding> {
  const spans = await findSpans(objects, parts, signal);
  const stored = new Map<string, StoredRecords>();
  try {
    for (const [name, span] of spans) stored.set(name, await parts.backend.open(span, signal));
    const found: ObjectInBackend[] = [];
    for (const object of objects) found.push(await findMissing(object, stored, parts, signal));
    const repeatedCount = [...stored.values()].reduce((sum, each) => sum + each.repeatedCount, 0);
    return { objects: found, repeatedCount };
  } finally {
    for (const each of stored.values()) each.close();
  }
}

async function findSpans(
  objects: readonly DeliveredObject[],
  parts: BackendParts,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, RecordSpan>> {
  const found = new Map<string, Omit<RecordSpan, 'ranges'> & { readonly times: TimeRanges }>();
  for (const object of objects) {
    await eachSettled(object, parts, signal, async (records) => {
      for (const { stream, time, serviceName, serviceInstanceId } of records) {
        const { times } = found.get(stream) ?? { times: new TimeRanges() };
        found.set(stream, { serviceName, serviceInstanceId, times });
        times.add(time);
      }
    });
  }
  return new Map([...found].map(([stream, { times, ...service }]) => [stream, { ...service, ranges: times.joined() }]));
}

async function findMissing(
  object: DeliveredObject,
  stored: ReadonlyMap<string, StoredRecords>,
  parts: BackendParts,
  signal: AbortSignal,
): Promise<ObjectInBackend> {
  const found: ObjectInBackend = {
    object,
    expectedCount: 0,
    missingCount: 0,
    undeliveredCount: 0,
    firstMissingUid: undefined,
  };
  await eachSettled(object, parts, signal, async (records) => {
    for (const [stream, ofStream] of Map.groupBy(records, (record) => record.stream)) {
      const uids = ofStream.map(({ uid }) => uid);
      const absent = new Set(await stored.get(stream)?.missing(uids, signal));
      const undelivered = new Set([...absent].filter(parts.isWaitingDeadLetter));
      const missing = ofStream.filter(({ uid }) => absent.has(uid) && !undelivered.has(uid));
      const undeliveredCount = ofStream.filter(({ uid }) => undelivered.has(uid)).length;
      found.expectedCount += ofStream.length - undeliveredCount;
      found.undeliveredCount += undeliveredCount;
      found.missingCount += missing.length;
      found.firstMissingUid ??= missing[0]?.uid;
      if (missing.length > 0) await parts.onMissing?.(missing.map(({ settled }) => settled));
    }
  });
  return found;
}

interface LocatedRecord extends Omit<RecordSpan, 'ranges'> {
  readonly settled: SettledLine;
  readonly uid: string;
  /** Equal for records of one service and instance. */
  readonly stream: string;
  /** When the record is stored; more than a moment if the state does not know. */
  readonly time: TimeRange;
}

async function eachSettled(
  object: DeliveredObject,
  { mapperFor, state, decoder }: BackendParts,
  signal: AbortSignal,
  visit: (records: readonly LocatedRecord[]) => Promise<void>,
): Promise<void> {
  const mapper = mapperFor(object.origin.mapping);
  const onSettled = (lines: readonly SettledLine[]) =>
    visit(lines.map((settled) => locate(mapper.toJsonLine(settled.line), settled, object)));
  await compareObject(object, { state, decoder, onSettled, passesMax: 1 }, signal);
}

function locate(jsonLine: string, settled: SettledLine, object: DeliveredObject): LocatedRecord {
  const logs = otlpLogs.parse(JSON.parse(jsonLine));
  const attributes = logs.resourceLogs[0]?.resource.attributes ?? [];
  const serviceName = textOf(attributes, 'service.name');
  const serviceInstanceId = textOf(attributes, 'service.instance.id');
  const stream = JSON.stringify([serviceName, serviceInstanceId]);
  const timestamp = logs.resourceLogs[0]?.scopeLogs[0]?.logRecords[0]?.timeUnixNano;
  const time = timestamp === undefined ? observedTime(settled, object) : moment(Number(BigInt(timestamp) / 1_000_000n));
  return { settled, uid: uidOf(logs) ?? '', stream, time, serviceName, serviceInstanceId };
}

/** A record without a timestamp is stored at its observed time. */
function observedTime({ line, isAsSent }: SettledLine, { origin, version }: DeliveredObject): TimeRange {
  if (isAsSent) return moment(line.observedAtMs);
  const dayStartMs = origin.date === undefined ? Number.NaN : Date.parse(`${origin.date}T00:00:00Z`);
  const fromMs = Number.isNaN(dayStartMs) ? version.modifiedAtMs - millisecondsPerDay : dayStartMs;
  return { fromMs: Math.min(fromMs, version.modifiedAtMs), toMs: version.modifiedAtMs };
}

function moment(timeMs: number): TimeRange {
  return { fromMs: timeMs, toMs: timeMs };
}
