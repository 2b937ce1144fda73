/**
 * Golden pairs: test/mappings/<case>/input.jsonl gives expected.json. `npx vitest run test/mapping -u` writes the expected
 * records anew, to be read before they are committed.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createMapper, type RedactionClass } from '../../src/mapping/index.ts';
import type { IdentifiedLine } from '../../src/model/line.ts';
import { decodeLogsRequest, type OtlpLogRecord, recordsOf } from '../support/otlp-decode.ts';
import { identifiedLine } from '../support/sample-lines.ts';

interface CaseOptions {
  readonly layers?: readonly string[];
  readonly redact?: readonly RedactionClass[];
  /** The size of the lines that the input holds the beginnings of. */
  readonly cutFrom?: number;
}

const cases = new URL('../mappings/', import.meta.url);

describe('the built-in mapping', () => {
  it.each(readdirSync(cases))('gives the expected records: %s', async (name) => {
    const directory = new URL(`${name}/`, cases);
    const options = readOptions(new URL('options.json', directory));
    const mapper = createMapper({
      layers: options.layers ?? ['databricks-audit'],
      redact: options.redact ?? ['secrets'],
      resourceAttributes: {},
    });
    const encoder = mapper.createEncoder('protobuf');
    const lines = readLines(new URL('input.jsonl', directory), options.cutFrom);
    const records = lines.flatMap((line) => {
      encoder.append(line);
      return recordsOf(decodeLogsRequest(encoder.finish()));
    });
    expect(records).toHaveLength(lines.length);
    const text = `[\n${records.map(({ resource, record }) => readable(resource, record)).join(',\n')}\n]\n`;
    await expect(text).toMatchFileSnapshot(new URL('expected.json', directory).pathname);

    const asJson = lines.flatMap((line) => recordsOf(JSON.parse(mapper.toJsonLine(line))));
    expect(asJson).toEqual(records);
  });
});

function readOptions(file: URL): CaseOptions {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
}

function readLines(file: URL, cutFrom: number | undefined): IdentifiedLine[] {
  const occurrences = new Map<string, number>();
  return splitLines(readFileSync(file)).map((bytes) => {
    const occurrence = (occurrences.get(bytes.toString('hex')) ?? 0) + 1;
    occurrences.set(bytes.toString('hex'), occurrence);
    return identifiedLine(bytes, { occurrence, sizeBytes: cutFrom ?? bytes.length });
  });
}

function splitLines(content: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let start = 0; start < content.length; ) {
    const end = content.indexOf(0x0a, start);
    lines.push(content.subarray(start, end));
    start = end + 1;
  }
  return lines;
}

/** One attribute a line, and long texts cut, so that a difference reads well. */
function readable(resource: { attributes: readonly unknown[] }, record: OtlpLogRecord): string {
  const { attributes, ...fields } = record;
  const head = Object.entries(fields).map(([name, value]) => `  ${JSON.stringify(name)}: ${shortened(value)}`);
  return [
    '{',
    `  "resource": {"attributes": [\n${listed(resource.attributes)}\n  ]},`,
    `${head.join(',\n')},`,
    `  "attributes": [\n${listed(attributes)}\n  ]`,
    '}',
  ].join('\n');
}

function listed(values: readonly unknown[]): string {
  return values.map((value) => `    ${shortened(value)}`).join(',\n');
}

function shortened(value: unknown): string {
  const lengthMax = 2_000;
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'string' && inner.length > lengthMax ? `${inner.slice(0, 40)}… ${inner.length} characters` : inner,
  );
}
