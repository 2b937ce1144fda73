/**
 * What the kernel has room for, and what happens beyond: rooms double, and the record comes out the same.
 */
import { describe, expect, it } from 'vitest';
import type { Mapper } from '../../src/contracts/mapper.ts';
import { createMapper } from '../../src/mapping/index.ts';
import type { IdentifiedLine } from '../../src/model/line.ts';
import { decodeLogsRequest, type OtlpKeyValue, plainAttributes, recordsOf } from '../support/otlp-decode.ts';
import { identifiedLine } from '../support/sample-lines.ts';

const createOne = (redact: readonly 'secrets'[] = ['secrets']) =>
  createMapper({ layers: ['databricks-audit'], redact, resourceAttributes: {} });
const lineBytesMax = 1024 * 1024;

describe('a line that fills a room', () => {
  it('of entries is mapped whole', () => {
    const line = lineOf({ requestParams: { list: filled(() => 1), note: 'x' }, actionName: 'behind' });
    const [record] = attributesOf(createOne(), [line]);
    expect(record).toMatchObject({
      'databricks.audit.action.name': 'behind',
      'databricks.request.params': { note: 'x' },
      'databricks.request.params_truncated': true,
    });
  });

  it('of keys is mapped whole, and equal keys in it are found', () => {
    const params = Object.fromEntries(filled((index) => `k${index}`).map((key) => [key, 1]));
    const text = lineText({ requestParams: params, actionName: 'behind' });
    const [record] = attributesOf(createOne(), [identifiedLine(text)]);
    expect(record?.['databricks.audit.action.name']).toBe('behind');
    // The last of equal keys counts, as for JSON.parse.
    const withEqualKeys = identifiedLine(`${text.slice(0, -1)},"actionName":"last"}`);
    expect(attributesOf(createOne(), [withEqualKeys])[0]?.['databricks.audit.action.name']).toBe('last');
  });

  it('of bytes of one key is mapped whole', () => {
    const [record] = attributesOf(createOne(), [lineOf({ ['k'.repeat(900_000)]: 1, actionName: 'behind' })]);
    expect(record?.['databricks.audit.action.name']).toBe('behind');
  });

  it('of texts to look into is searched for secrets to its end', () => {
    const texts = filled(() => '"');
    const line = lineOf({ requestParams: { list: [...texts, JSON.stringify({ password: 'hunter2' })] } });
    expect(createOne().toJsonLine(line)).not.toContain('hunter2');
    expect(createOne([]).toJsonLine(line)).toContain('hunter2');
  });

  it('of texts without their escapes is mapped whole', () => {
    const inner = JSON.stringify({ texts: filled(() => 'a\nb').slice(0, 50_000), status: 'end' });
    const [record] = attributesOf(createOne(), [lineOf({ requestParams: inner, actionName: 'behind' })]);
    expect(record).toMatchObject({
      'databricks.audit.action.name': 'behind',
      'databricks.request.params': { status: 'end' },
    });
  });

  it('with what becomes longer when it is redacted is mapped whole', () => {
    const line = lineOf({ requestParams: { token: filled(() => 1) }, actionName: 'behind' });
    const mapper = createOne();
    expect(attributesOf(mapper, [line])[0]?.['databricks.audit.action.name']).toBe('behind');
    expect(mapper.toJsonLine(line)).not.toMatch(/\[1,|,1,/);
  });

  it('of a resource attribute is cut to the limit of texts', () => {
    const request = decodeLogsRequest(encode(createOne(), [lineOf({ workspaceId: 'w'.repeat(900_000) })]));
    const [entry] = recordsOf(request);
    const attributes = plainAttributes((entry?.resource.attributes ?? []) as OtlpKeyValue[]);
    expect(attributes['databricks.workspace.id']).toBe('w'.repeat(4_096));
  });

  it('leaves the records behind it as they are', () => {
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
  it('gives the same records when it has met more keys than it remembers', () => {
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

  it('does not mistake where a line comes from, whether it can be read or not', () => {
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
    // Records of one resource are next to each other in a request.
    expect(keys).toEqual([...Array(6).fill('in 1'), ...Array(6).fill('in 2')]);
  });

  it('keeps requests apart that are filled in turns', () => {
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

  it('counts the occurrences of equal lines in their ids, whether they can be read or not', () => {
    for (const content of ['{"timestamp":1759795200000}', '{"password":"p","timestamp":1759795200000}', 'no record']) {
      const lines = [1, 2, 30].map((occurrence) => identifiedLine(content, { occurrence }));
      const { digest = '' } = lines[0] ?? {};
      const ids = attributesOf(createOne(), lines).map((record) => record['log.record.uid']);
      expect(ids).toEqual([digest, `${digest}-2`, `${digest}-30`]);
    }
  });
});

/** Values that make a list of nearly a megabyte of JSON. */
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
