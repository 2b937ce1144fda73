/**
 * Checks that a backend has the records of settled lines. Objects are read twice: first to find out the services and time spans of
 * their records, then to query each record, so that memory does not grow with their size.
 */
import type { MapperFor } from '../../agent/mappers.ts';
import type { Backend, RecordSpan, StoredRecords } from '../../contracts/backend.ts';
import type { Decoder } from '../../contracts/decoder.ts';
import type { DeliveryReader } from '../../contracts/delivery-reader.ts';
import type { IdentifiedLine } from '../../model/line.ts';
import type { DeliveredObject } from '../../model/object.ts';
import { otlpLogs, textOf, uidOf } from '../../model/otlp-json.ts';
import { compareObject } from './object-comparison.ts';

export interface BackendParts {
  readonly backend: Backend;
  readonly mapperFor: MapperFor;
  readonly state: DeliveryReader;
  readonly decoder: Decoder;
  /** True for rejected records, which are in the dead-letter files and need not be in the backend. */
  readonly isDeadLettered: (uid: string) => boolean;
}

export interface BackendFinding {
  /** Settled lines that were queried, except missing ones that are dead letters. */
  readonly expectedCount: number;
  readonly missingCount: number;
  readonly repeatedCount: number;
  readonly firstMissing: { readonly object: DeliveredObject; readonly uid: string } | undefined;
}

/** Rejects as opening an object does, and with ERR_BACKEND_READ. */
export async function compareWithBackend(
  objects: readonly DeliveredObject[],
  parts: BackendParts,
  signal: AbortSignal,
): Promise<BackendFinding> {
  const spans = await findSpans(objects, parts, signal);
  const stored = new Map<string, StoredRecords>();
  try {
    for (const [name, span] of spans) stored.set(name, await parts.backend.open(span, signal));
    return await findMissing(objects, stored, parts, signal);
  } finally {
    for (const each of stored.values()) each.close();
  }
}

async function findSpans(
  objects: readonly DeliveredObject[],
  parts: BackendParts,
  signal: AbortSignal,
): Promise<Map<string, RecordSpan>> {
  const spans = new Map<string, RecordSpan>();
  await eachSettled(objects, parts, signal, async (_object, records) => {
    for (const { stream, fromMs, toMs, ...names } of records) {
      const known = spans.get(stream);
      spans.set(stream, {
        ...names,
        fromMs: Math.min(fromMs, known?.fromMs ?? fromMs),
        toMs: Math.max(toMs, known?.toMs ?? toMs),
      });
    }
  });
  return spans;
}

async function findMissing(
  objects: readonly DeliveredObject[],
  stored: ReadonlyMap<string, StoredRecords>,
  parts: BackendParts,
  signal: AbortSignal,
): Promise<BackendFinding> {
  let expectedCount = 0;
  let missingCount = 0;
  let firstMissing: BackendFinding['firstMissing'];
  await eachSettled(objects, parts, signal, async (object, records) => {
    for (const [stream, ofStream] of Map.groupBy(records, (record) => record.stream)) {
      const uids = ofStream.map(({ uid }) => uid);
      const absent = (await stored.get(stream)?.missing(uids, signal)) ?? [];
      const missing = absent.filter((uid) => !parts.isDeadLettered(uid));
      expectedCount += uids.length - (absent.length - missing.length);
      missingCount += missing.length;
      if (missing[0] !== undefined) firstMissing ??= { object, uid: missing[0] };
    }
  });
  const repeatedCount = [...stored.values()].reduce((sum, each) => sum + each.repeatedCount, 0);
  return { expectedCount, missingCount, repeatedCount, firstMissing };
}

interface LocatedRecord extends RecordSpan {
  readonly uid: string;
  /** Equal for records of one service and instance. */
  readonly stream: string;
}

async function eachSettled(
  objects: readonly DeliveredObject[],
  { mapperFor, state, decoder }: BackendParts,
  signal: AbortSignal,
  visit: (object: DeliveredObject, records: readonly LocatedRecord[]) => Promise<void>,
): Promise<void> {
  for (const object of objects) {
    const onSettled = (lines: readonly IdentifiedLine[]) =>
      visit(
        object,
        lines.map((line) => locate(mapperFor(object.origin.mapping).toJsonLine(line), object)),
      );
    await compareObject(object, { state, decoder, onSettled, passesMax: 1 }, signal);
  }
}

function locate(jsonLine: string, { origin, version }: DeliveredObject): LocatedRecord {
  const logs = otlpLogs.parse(JSON.parse(jsonLine));
  const attributes = logs.resourceLogs[0]?.resource.attributes ?? [];
  const serviceName = textOf(attributes, 'service.name');
  const serviceInstanceId = textOf(attributes, 'service.instance.id');
  const stream = JSON.stringify([serviceName, serviceInstanceId]);
  const names = { uid: uidOf(logs) ?? '', stream, serviceName, serviceInstanceId };
  const time = logs.resourceLogs[0]?.scopeLogs[0]?.logRecords[0]?.timeUnixNano;
  if (time !== undefined) {
    const timeMs = Number(BigInt(time) / 1_000_000n);
    return { ...names, fromMs: timeMs, toMs: timeMs };
  }
  // A record without a timestamp is stored at its observed time, which is that of the version in which the line first appeared.
  const dayStartMs = origin.date === undefined ? Number.NaN : Date.parse(`${origin.date}T00:00:00Z`);
  const fromMs = Number.isNaN(dayStartMs) ? version.modifiedAtMs - millisecondsPerDay : dayStartMs;
  return { ...names, fromMs: Math.min(fromMs, version.modifiedAtMs), toMs: version.modifiedAtMs };
}

const millisecondsPerDay = 86_400_000;
