/**
 * Sends one object through decoder and mapper, in every encoding, and compares the result with independent expectations. Throws on
 * the first violated rule.
 */
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { gzipSync } from 'node:zlib';
import type { Mapper, OtlpEncoding, RequestEncoder } from '../../../src/contracts/mapper.ts';
import { createDecoder } from '../../../src/decoders/index.ts';
import { createMapper } from '../../../src/mapping/index.ts';
import type { DeliveredLine, IdentifiedLine } from '../../../src/model/line.ts';
import {
  decodeLogsRequest,
  type OtlpLogsRequest,
  type OtlpResourceLogs,
  recordsOf,
} from '../../support/otlp-decode.ts';
import { type ExpectedLine, expectedLines } from './expected-lines.ts';
import type { FuzzedObject, MappingSettings } from './fuzzed-object.ts';
import { checkRecord, checkRedacted } from './record-rules.ts';

interface MapperUnderTest {
  readonly mapper: Mapper;
  /** Reused for every object, like the encoder of a batch. */
  readonly encoders: Readonly<Record<OtlpEncoding, RequestEncoder>>;
}

/** @returns the number of lines, all of which became records. */
export async function checkObject(object: FuzzedObject): Promise<number> {
  const expected = expectedLines(object.content, object.lineBytesMax);
  const lines = identify(await decode(object), object);
  assert.deepEqual(lines.map(shownLine), expected.map(shownLine), 'every line of the object, and nothing else');
  if (expected.length === 0) return 0;

  const { mapper, encoders } = mapperFor(object.mapping);
  const protobuf = encode(encoders.protobuf, lines);
  const json = encode(encoders.json, lines).toString();
  assert.equal(json.isWellFormed(), true, 'JSON is Unicode');
  checkRedacted(protobuf.toString('latin1'), object);
  checkRedacted(json, object);
  const request = decodeLogsRequest(protobuf);
  assertSame(request, readJson(json), 'protobuf and JSON carry the same request');
  assert.equal(recordsOf(request).length, expected.length, 'one record for each line');

  const alone = lines.map((line) => readJson(mapper.toJsonLine(line)));
  assertSame(grouped(alone), request, 'a record is the same in every request');
  for (const [index, each] of alone.entries()) checkAlone(each, expected[index], object);

  assert(protobuf.equals(encode(mapper.createEncoder('protobuf'), lines)), 'the same lines give the same bytes');
  return expected.length;
}

function checkAlone(request: OtlpLogsRequest, line: ExpectedLine | undefined, object: FuzzedObject): void {
  const [entry, ...others] = recordsOf(request);
  assert(entry !== undefined && line !== undefined && others.length === 0, 'one record for the line');
  checkRecord(entry.record, entry.resource, line, object);
}

async function decode({ content, compressed, chunkBytes, lineBytesMax }: FuzzedObject): Promise<DeliveredLine[]> {
  const decoder = createDecoder({ lineBytesMax });
  const splitter = decoder.createLineSplitter(0);
  const lines: DeliveredLine[] = [];
  for await (const chunk of decoder.decompress(chunksOf(compressed ? gzipSync(content) : content, chunkBytes))) {
    lines.push(...splitter.push(chunk));
  }
  const lastLine = splitter.end();
  return lastLine === undefined ? lines : [...lines, lastLine];
}

async function* chunksOf(bytes: Buffer, chunkBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
}

function identify(lines: readonly DeliveredLine[], { origin, observedAtMs }: FuzzedObject) {
  const occurrences = new Map<string, number>();
  return lines.map((line): IdentifiedLine & { endOffsetBytes: number } => {
    const digest = line.digest ?? hash('sha256', line.bytes);
    const occurrence = (occurrences.get(digest) ?? 0) + 1;
    occurrences.set(digest, occurrence);
    return { ...line, digest, occurrence, origin, observedAtMs };
  });
}

function shownLine({
  bytes,
  sizeBytes,
  endOffsetBytes,
  digest,
  occurrence,
}: Omit<ExpectedLine, 'bytes'> & { bytes: Uint8Array }) {
  return { text: Buffer.from(bytes).toString('latin1'), sizeBytes, endOffsetBytes, digest, occurrence };
}

/** A copy, because the encoder's memory is reused for the next request. */
function encode(encoder: RequestEncoder, lines: readonly IdentifiedLine[]): Buffer {
  for (const line of lines) encoder.append(line);
  assert.equal(encoder.recordCount, lines.length, 'the encoder counts its records');
  return Buffer.from(encoder.finish());
}

/** As in a protobuf request, where a time of 0 means that it is not set. */
function readJson(text: string): OtlpLogsRequest {
  return JSON.parse(text.replaceAll('"observedTimeUnixNano":"0",', ''));
}

/** The expected request with these records: grouped by resource, in the order in which they were added. */
function grouped(requests: readonly OtlpLogsRequest[]): OtlpLogsRequest {
  const groups = new Map<string, OtlpResourceLogs>();
  for (const { resourceLogs } of requests) {
    for (const each of resourceLogs) {
      const identity = JSON.stringify(each.resource);
      const known = groups.get(identity);
      groups.set(identity, known === undefined ? each : joined(known, each));
    }
  }
  return { resourceLogs: [...groups.values()] };
}

function joined(first: OtlpResourceLogs, second: OtlpResourceLogs): OtlpResourceLogs {
  const [scope] = first.scopeLogs;
  assert(scope !== undefined, 'a group has a scope');
  const logRecords = [...scope.logRecords, ...second.scopeLogs.flatMap((each) => each.logRecords)];
  return { ...first, scopeLogs: [{ ...scope, logRecords }] };
}

/** Compares first, because describing a difference is slow. */
function assertSame(actual: unknown, expected: unknown, rule: string): void {
  if (!isDeepStrictEqual(actual, expected)) assert.deepEqual(actual, expected, rule);
}

const mappers = new Map<MappingSettings, MapperUnderTest>();

function mapperFor(settings: MappingSettings): MapperUnderTest {
  const known = mappers.get(settings);
  if (known !== undefined) return known;
  const mapper = createMapper(settings);
  const encoders = { protobuf: mapper.createEncoder('protobuf'), json: mapper.createEncoder('json') };
  const made = { mapper, encoders };
  mappers.set(settings, made);
  return made;
}
