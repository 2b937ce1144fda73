import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { createMapper } from '../../src/mapping/index.ts';
import { otlpLogs } from '../../src/model/otlp-json.ts';
import { encodeOtlpJson } from '../../src/otlp/replay.ts';
import { identifiedLine, sampleRecords } from '../support/sample-lines.ts';

const cases = new URL('../mappings/', import.meta.url);
const lines = [
  ...readdirSync(cases).flatMap((name) => readFileSync(new URL(`${name}/input.jsonl`, cases), 'latin1').split('\n')),
  ...sampleRecords(20),
].filter((line) => line !== '');

it.each(['protobuf', 'json'] as const)(
  'gives the bytes as %s that the mapping gave, for one record and for many',
  (encoding) => {
    const mapper = createMapper({ layers: ['databricks-audit'], redact: ['secrets'], resourceAttributes: {} });
    const encoder = mapper.createEncoder(encoding);
    const identified = lines.map((line) => identifiedLine(Buffer.from(line, 'latin1')));
    const records = identified.map((line) => otlpLogs.parse(JSON.parse(mapper.toJsonLine(line))));
    for (const [index, line] of identified.entries()) {
      encoder.append(line);
      const first = Buffer.from(encoder.finish());
      const again = Buffer.from(encodeOtlpJson(records.slice(index, index + 1), encoding));
      expect(again.equals(first), lines[index]).toBe(true);
    }
    for (const line of identified) encoder.append(line);
    expect(Buffer.from(encodeOtlpJson(records, encoding)).equals(Buffer.from(encoder.finish()))).toBe(true);
  },
);

it.each(['protobuf', 'json'] as const)('puts records of different scopes into one %s request', (encoding) => {
  const record = (version: string) =>
    otlpLogs.parse({
      resourceLogs: [{ scopeLogs: [{ scope: { name: 'a', version }, logRecords: [{ attributes: [] }] }] }],
    });
  const both = encodeOtlpJson([record('1'), record('2')], encoding);
  if (encoding === 'json') expect(JSON.parse(Buffer.from(both).toString()).resourceLogs).toHaveLength(2);
  const apart = ['1', '2'].map((version) => encodeOtlpJson([record(version)], encoding));
  if (encoding === 'protobuf') expect(Buffer.from(both)).toEqual(Buffer.concat(apart));
});
