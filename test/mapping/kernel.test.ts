/**
 * Lines that overflow a buffer of the kernel, which then doubles: their records, and those after them, must be complete.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Mapper } from '../../src/contracts/mapper.ts';
import { createMapper } from '../../src/mapping/index.ts';
import type { IdentifiedLine } from '../../src/model/line.ts';
import { decodeLogsRequest, type OtlpKeyValue, plainAttributes, recordsOf } from '../support/otlp-decode.ts';
import { identifiedLine } from '../support/sample-lines.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const createOne = (redact: readonly 'secrets'[] = ['secrets']) =>
  createMapper({ layers: ['databricks-audit'], redact, resourceAttributes: {} });
const lineBytesMax = 1024 * 1024;

describe('a line that overflows a buffer', () => {
  it('with its values is mapped completely', () => {
    const line = lineOf({ requestParams: { list: filled(() => 1), note: 'x' }, actionName: 'behind' });
    const [record] = attributesOf(createOne(), [line]);
    expect(record).toMatchObject({
      'databricks.audit.action.name': 'behind',
      'databricks.request.params': { note: 'x' },
      'databricks.request.truncated': true,
    });
  });

  it('with its keys is mapped completely, and duplicate keys are found', () => {
    const params = Object.fromEntries(filled((index) => `k${index}`).map((key) => [key, 1]));
    const text = lineText({ requestParams: params, actionName: 'behind' });
    const [record] = attributesOf(createOne(), [identifiedLine(text)]);
    expect(record?.['databricks.audit.action.name']).toBe('behind');
    // The last of duplicate keys counts, as in JSON.parse.
    const withDuplicateKeys = identifiedLine(`${text.slice(0, -1)},"actionName":"last"}`);
    expect(attributesOf(createOne(), [withDuplicateKeys])[0]?.['databricks.audit.action.name']).toBe('last');
  });

  it('with a single key is mapped completely', () => {
    const [record] = attributesOf(createOne(), [lineOf({ ['k'.repeat(900_000)]: 1, actionName: 'behind' })]);
    expect(record?.['databricks.audit.action.name']).toBe('behind');
  });

  it('with strings that may embed JSON is redacted to its end', () => {
    const texts = filled(() => '"');
    const line = lineOf({ requestParams: { list: [...texts, JSON.stringify({ password: 'hunter2' })] } });
    expect(createOne().toJsonLine(line)).not.toContain('hunter2');
    expect(createOne([]).toJsonLine(line)).toContain('hunter2');
  });

  it('with unescaped strings is mapped completely', () => {
    const inner = JSON.stringify({ texts: filled(() => 'a\nb').slice(0, 50_000), status: 'end' });
    const [record] = attributesOf(createOne(), [lineOf({ requestParams: inner, actionName: 'behind' })]);
    expect(record).toMatchObject({
      'databricks.audit.action.name': 'behind',
      'databricks.request.params': { status: 'end' },
    });
  });

  it('once it is redacted is mapped completely', () => {
    const line = lineOf({ requestParams: { token: filled(() => 1) }, actionName: 'behind' });
    const mapper = createOne();
    expect(attributesOf(mapper, [line])[0]?.['databricks.audit.action.name']).toBe('behind');
    expect(mapper.toJsonLine(line)).not.toMatch(/\[1,|,1,/);
  });

  it('with its JSON, in which a control character takes six bytes, is rendered completely', () => {
    const text = lineText({ requestParams: { command: '\u0001'.repeat(130_000) }, actionName: 'behind' });
    const mapper = createOne();
    for (const content of [text, '\u0001'.repeat(lineBytesMax - 1)]) {
      const { resourceLogs } = JSON.parse(mapper.toJsonLine(identifiedLine(content)));
      expect(resourceLogs[0].scopeLogs[0].logRecords[0].body.stringValue).toBe(content);
    }
  });

  it('with its JSON, of an array without strings, is rendered completely', () => {
    const layer = join(temporaryDirectory(), 'layer.yaml');
    writeFileSync(layer, 'attributes:\n  large: { from: m, as: map, limits: { leaves: 9, bytes: 9000000 } }\n');
    const mapper = createMapper({ layers: ['databricks-audit', layer], redact: [], resourceAttributes: {} });
    const list = Array.from({ length: 50_000 }, () => [1]);
    const { logRecords } = JSON.parse(mapper.toJsonLine(lineOf({ m: { list } }))).resourceLogs[0].scopeLogs[0];
    const large = logRecords[0].attributes.find(({ key }: OtlpKeyValue) => key === 'large');
    expect(large.value.kvlistValue.values[0].value.arrayValue.values).toHaveLength(list.length);
  });

  it('with a resource attribute is truncated to the limit of strings', () => {
    const request = decodeLogsRequest(encode(createOne(), [lineOf({ workspaceId: 'w'.repeat(900_000) })]));
    const [entry] = recordsOf(request);
    const attributes = plainAttributes((entry?.resource.attributes ?? []) as OtlpKeyValue[]);
    expect(attributes['databricks.workspace.id']).toBe('w'.repeat(4_096));
  });

  it('does not change the records after it', () => {
    const usual = lineOf({ actionName: 'usual', requestParams: { a: [1, { b: 'c' }] }, workspaceId: '7' });
    const expected = Buffer.from(encode(createOne(), [usual]));
    const mapper = createOne();
    for (const long of [filled(() => 1), filled((index) => `${index}`), [JSON.stringify(filled(() => '"'))]]) {
      const token = mapper.toJsonLine(lineOf({ requestParams: { token: long } }));
      expect(token).toContain('[redacted]');
      expect(Buffer.from(encode(mapper, [usual]))).toEqual(expected);
    }
  });
});

describe('a mapper', () => {
  it('gives the same records after more keys than the key table holds', () => {
    const mapper = createOne();
    const ofKeys = (from: number) =>
      lineOf({
        requestParams: Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`key${from + index}`, 1])),
      });
    for (let from = 0; from < 30_000; from += 500) mapper.toJsonLine(ofKeys(from));
    const line = lineOf({ requestParams: { password: 'p', key7: 'seven' }, actionName: 'x' });
    expect(mapper.toJsonLine(line)).toBe(createOne().toJsonLine(line));
    expect(mapper.toJsonLine(line)).not.toContain('"p"');
  });

  it('attributes each line to its object, whether it can be parsed or not', () => {
    const mapper = createOne();
    const [here, there] = ['1', '2'].map((workspaceId) => ({
      ...identifiedLine('x').origin,
      location: { 'aws.s3.key': `in ${workspaceId}` },
      workspaceId,
    }));
    const lines = Array.from({ length: 12 }, (_, index) => {
      const origin = index % 2 === 0 ? here : there;
      return identifiedLine(index % 3 === 0 ? 'no record' : '{"timestamp":1759795200000}', origin && { origin });
    });
    const keys = attributesOf(mapper, lines).map((record) => record['aws.s3.key']);
    // A request groups records by resource.
    expect(keys).toEqual([...Array(6).fill('in 1'), ...Array(6).fill('in 2')]);
  });

  it('keeps requests separate that are filled in turns', () => {
    const mapper = createOne();
    const encoders = [1, 2, 3].map(() => mapper.createEncoder('protobuf'));
    const lines = encoders.map((_, index) =>
      Array.from({ length: 20 }, (_record, number) => lineOf({ workspaceId: `${index}`, actionName: `a${number}` })),
    );
    for (let number = 0; number < 20; number++) {
      for (const [index, encoder] of encoders.entries()) encoder.append(lines[index]?.[number] ?? lineOf({}));
    }
    for (const [index, encoder] of encoders.entries()) {
      expect(Buffer.from(encoder.finish())).toEqual(Buffer.from(encode(createOne(), lines[index] ?? [])));
    }
  });

  it('numbers identical lines in their ids, whether they can be parsed or not', () => {
    for (const content of ['{"timestamp":1759795200000}', '{"password":"p","timestamp":1759795200000}', 'no record']) {
      const lines = [1, 2, 30].map((occurrence) => identifiedLine(content, { occurrence }));
      const { digest = '' } = lines[0] ?? {};
      const ids = attributesOf(createOne(), lines).map((record) => record['log.record.uid']);
      expect(ids).toEqual([digest, `${digest}-2`, `${digest}-30`]);
    }
  });
});

/** Values whose JSON is nearly a megabyte long. */
function filled<Value>(make: (index: number) => Value): Value[] {
  const values: Value[] = [];
  const sizeBytesMax = lineBytesMax - 10_000;
  for (let sizeBytes = 0; sizeBytes < sizeBytesMax; ) {
    const value = make(values.length);
    sizeBytes += JSON.stringify(value).length + 1;
    values.push(value);
  }
  return values;
}

function lineText(members: object): string {
  return JSON.stringify({ timestamp: 1_759_795_200_000, ...members });
}

function lineOf(members: object): IdentifiedLine {
  return identifiedLine(lineText(members));
}

function encode(mapper: Mapper, lines: readonly IdentifiedLine[]): Uint8Array {
  const encoder = mapper.createEncoder('protobuf');
  for (const each of lines) encoder.append(each);
  return encoder.finish();
}

/** Of each record, through protobuf. */
function attributesOf(mapper: Mapper, lines: readonly IdentifiedLine[]): Record<string, unknown>[] {
  return recordsOf(decodeLogsRequest(encode(mapper, lines))).map(({ record }) => plainAttributes(record.attributes));
}
