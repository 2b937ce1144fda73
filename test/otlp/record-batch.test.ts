import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Batch } from '../../src/contracts/exporter.ts';
import { createMapper } from '../../src/mapping/index.ts';
import type { IdentifiedLine } from '../../src/model/line.ts';
import { recordBatch } from '../../src/otlp/record-batch.ts';
import { decodeLogsRequest, plainAttributes, recordsOf } from '../support/otlp-decode.ts';
import { identifiedLine, sampleRecords } from '../support/sample-lines.ts';

const mapper = createMapper({ layers: ['databricks-audit'], redact: ['secrets'], resourceAttributes: {} });
const cases = new URL('../mappings/', import.meta.url);

/** Lines that can be read and lines that cannot, of one resource and of several. */
const lines = [
  ...readdirSync(cases).flatMap((name) => readFileSync(new URL(`${name}/input.jsonl`, cases), 'latin1').split('\n')),
  ...sampleRecords(5),
]
  .filter((text) => text !== '')
  .map((text) => identifiedLine(Buffer.from(text, 'latin1')));

describe.each(['protobuf', 'json'] as const)('a batch of records in %s', (encoding) => {
  it('has the request, byte for byte, that the mapper gave for their lines', () => {
    const batch = recordBatch(jsonLinesOf(lines), encoding);
    expect(batch.recordCount).toBe(lines.length);
    expect(Buffer.from(batch.request).equals(requestOf(lines))).toBe(true);
  });

  it.each([
    [2, 1],
    [5, 3],
    [8, 4],
  ])('of %i is split after record %i, each half with a request of its own', (count, firstCount) => {
    const some = lines.slice(0, count);
    const batch = recordBatch(jsonLinesOf(some), encoding);
    const [first, second] = batch.split();
    expect([first.recordCount, second.recordCount]).toEqual([firstCount, count - firstCount]);
    expect([...first.toJsonLines(), ...second.toJsonLines()]).toEqual(batch.toJsonLines());
    expect(Buffer.from(first.request).equals(requestOf(some.slice(0, firstCount)))).toBe(true);
    expect(Buffer.from(second.request).equals(requestOf(some.slice(firstCount)))).toBe(true);
    expect(Buffer.from(batch.request).equals(requestOf(some)), 'the whole is as it was').toBe(true);
  });

  it('can be split down to its single records, in their order', () => {
    const batch = recordBatch(jsonLinesOf(lines.slice(0, 11)), encoding);
    expect(singles(batch).map((single) => single.toJsonLines())).toEqual(
      batch.toJsonLines().map((jsonLine) => [jsonLine]),
    );
  });

  function requestOf(some: readonly IdentifiedLine[]): Buffer {
    const encoder = mapper.createEncoder(encoding);
    for (const line of some) encoder.append(line);
    return Buffer.from(encoder.finish());
  }
});

describe('a batch of records', () => {
  it('is encoded once, when its request is asked for', () => {
    const batch = recordBatch(jsonLinesOf(lines), 'protobuf');
    expect(batch.request).toBe(batch.request);
    // What is wrong with a record shows when it is sent, not while a batch is put together.
    const wrong = recordBatch(['{"resourceLogs":1}'], 'protobuf');
    expect(wrong.recordCount).toBe(1);
    expect(() => wrong.request).toThrow('resourceLogs');
  });

  it('shows its records as they were given, and no object that they come from', () => {
    const jsonLines = jsonLinesOf(lines);
    const batch = recordBatch(jsonLines, 'json');
    expect(batch.toJsonLines()).toEqual(jsonLines);
    expect([batch, ...batch.split()].map(({ objectId }) => objectId)).toEqual([undefined, undefined, undefined]);
  });

  it('of one record cannot be split', () => {
    expect(() => recordBatch(jsonLinesOf(lines.slice(0, 1)), 'json').split()).toThrow('cannot be split');
  });

  it('carries an alert event of the agent as it does records of lines', () => {
    const event = {
      eventName: 'databricks.audit.silence',
      timeMs: Date.UTC(2026, 0, 31),
      uid: 'uid-1',
      workspaceId: '7',
      severity: 'WARN',
      body: 'No event for a day',
      attributes: { 'databricks.audit.silence.threshold': 86_400 },
    } as const;
    const { request } = recordBatch([mapper.toAlertEventLine(event)], 'protobuf');
    const [sent, ...others] = recordsOf(decodeLogsRequest(request));
    expect(others).toEqual([]);
    expect(sent?.record).toMatchObject({ eventName: event.eventName, body: { stringValue: event.body } });
    expect(plainAttributes(sent?.record.attributes ?? [])).toMatchObject({ 'log.record.uid': event.uid });
  });
});

function jsonLinesOf(some: readonly IdentifiedLine[]): readonly string[] {
  return some.map((line) => mapper.toJsonLine(line));
}

function singles(batch: Batch): readonly Batch[] {
  return batch.recordCount === 1 ? [batch] : batch.split().flatMap(singles);
}
