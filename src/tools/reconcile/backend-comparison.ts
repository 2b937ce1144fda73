/**
 * Asks a backend for the records of settled lines. Objects are read twice: first to learn where in the backend their records
 * are, then to ask for each of them, so that memory does not grow with their size.
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
  /** True for records that were rejected and are in the dead-letter files: the backend need not hold them. */
  readonly isDeadLettered: (uid: string) => boolean;
}

export interface BackendFinding {
  /** Settled lines that were asked for, without the dead-lettered ones among those that are missing. */
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

interface RecordPlace extends RecordSpan {
  readonly uid: string;
  /** Equal for records of one service and instance. */
  readonly stream: string;
}

async function eachSettled(
  objects: readonly DeliveredObject[],
  { mapperFor, state, decoder }: BackendParts,
  signal: AbortSignal,
  take: (object: DeliveredObject, records: readonly RecordPlace[]) => Promise<void>,
): Promise<void> {
  for (const object of objects) {
    const onSettled = (lines: readonly IdentifiedLine[]) =>
      take(
        object,
        lines.map((line) => placeOf(mapperFor(object.origin.mapping).toJsonLine(line), object)),
      );
    await compareObject(object, { state, decoder, onSettled, passesMax: 1 }, signal);
  }
}

function placeOf(jsonLine: string, { origin, version }: DeliveredObject): RecordPlace {
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
  // Without a time of its own a record stands at its observed time: that of the version in which the line was first met.
  const dayStartMs = origin.date === undefined ? Number.NaN : Date.parse(`${origin.date}T00:00:00Z`);
  const fromMs = Number.isNaN(dayStartMs) ? version.modifiedAtMs - millisecondsPerDay : dayStartMs;
  return { ...names, fromMs: Math.min(fromMs, version.modifiedAtMs), toMs: version.modifiedAtMs };
}

const millisecondsPerDay = 86_400_000;
