/**
 * What the kernel has room for, and what happens beyond.
 */
import { describe, expect, it } from 'vitest';
import type { Mapper } from '../../src/contracts/mapper.ts';
import { createMapper } from '../../src/mapping/index.ts';
import { Kernel, noObject, unkeptShape } from '../../src/mapping/kernel/kernel.ts';
import { type Kind, kinds } from '../../src/mapping/kernel/tape.ts';
import type { IdentifiedLine } from '../../src/model/line.ts';
import { decodeLogsRequest, plainAttributes, recordsOf } from '../support/otlp-decode.ts';
import { identifiedLine } from '../support/sample-lines.ts';

const createOne = () => createMapper({ layers: ['databricks-audit'], redact: ['secrets'], resourceAttributes: {} });

describe('the tape', () => {
  it.each<[string, Kind]>([
    ['null', kinds.null],
    ['""', kinds.emptyText],
    ['false', kinds.false],
    ['true', kinds.true],
    ['-7', kinds.integer],
    ['1234567890123456', kinds.number],
    ['1e3', kinds.number],
    ['"text"', kinds.text],
    ['"te\\txt"', kinds.escapedText],
    ['{}', kinds.object],
    ['[]', kinds.array],
  ])('says of %s what it is, and where it stands', (value, kind) => {
    const kernel = new Kernel();
    expect(kernel.scan('record', Buffer.from(`{"key":${value}}`), 2)).toBeGreaterThan(unkeptShape);
    expect(kernel.entryCount).toBe(2);
    const { record } = kernel;
    expect(record.kind(1)).toBe(kind);
    expect(record.bytes.toString('utf8', record.keyStart(1), record.keyEnd(1))).toBe('key');
    const isText = value.startsWith('"');
    const text = record.bytes.toString('utf8', record.start(1), record.end(1));
    expect(isText ? `"${text}"` : text).toBe(value);
  });

  it('has the same shape for records that differ in their values, and another for others', () => {
    const kernel = new Kernel();
    const shapeOf = (text: string) => kernel.scan('record', Buffer.from(text), 8);
    const shape = shapeOf('{"a":1,"b":{"c":"x"}}');
    expect(shapeOf('{"a":2,"b":{"c":"y"}}')).toBe(shape);
    expect(shapeOf('{"a":"2","b":{"c":"y"}}')).not.toBe(shape);
    expect(shapeOf('{"a":2,"b":{},"c":"y"}')).not.toBe(shape);
    expect(shapeOf('{"a":2,"b":{"c":"y"}} x')).toBe(noObject);
  });

  it('keeps no shape of a record that is very long or has a very long key', () => {
    const kernel = new Kernel();
    const shapeOf = (text: string) => kernel.scan('record', Buffer.from(text), 8);
    expect(shapeOf(`{"list":[${'1,'.repeat(300)}1]}`)).toBe(unkeptShape);
    expect(shapeOf(`{"${'k'.repeat(10_000)}":1}`)).toBe(unkeptShape);
    expect(kernel.record.keyEnd(1) - kernel.record.keyStart(1)).toBe(10_000);
  });

  it('has room for a line that is full of values and opens containers to its end', () => {
    const kernel = new Kernel();
    // As long as the tape has room for, and of as many entries as can be.
    const lineBytes = 16_384;
    const begin = '{"a":[';
    const values = '1,'.repeat((lineBytes - begin.length - 66) / 2);
    kernel.scan('text', Buffer.from('{"key":"value"}'), 2);
    kernel.scan('record', Buffer.from(`${begin}${values}${'['.repeat(66)}`), 65);
    expect(kernel.text.bytes.toString('utf8', kernel.text.start(1), kernel.text.end(1))).toBe('value');
  });

  it('still holds the record when a text of it needs more room', () => {
    const kernel = new Kernel();
    kernel.scan('record', Buffer.from('{"key":"value"}'), 2);
    kernel.scan('text', Buffer.from(`{"long":"${'x'.repeat(1_000_000)}"}`), 2);
    const { record } = kernel;
    expect(record.bytes.toString('utf8', record.start(1), record.end(1))).toBe('value');
  });
});

describe('a mapper', () => {
  it('gives the same records when more is kept than there is room for', () => {
    const mapper = createOne();
    const ofUser = (user: number) =>
      line({ userIdentity: { email: `somebody-with-a-name-${user}@a-company.example.com` } });
    // Each user three times, so that what follows from it is kept: 200 bytes for each, and there is room for a mebibyte.
    const users = Array.from({ length: 8_000 }, (_, user) => [user, user, user, 0]).flat();
    const records = attributesOf(mapper, users.map(ofUser));
    for (const [index, record] of records.entries()) {
      expect(record['user.email']).toContain(`-${users[index]}@`);
    }
  });

  it('gives the same records when there are more plans than are kept', () => {
    const mapper = createOne();
    const first = line({ requestId: 'r', sessionId: 's' });
    const expected = attributesOf(mapper, [first]);
    const members = [
      'shardName',
      'auditLevel',
      'version',
      'userAgent',
      'sessionId',
      'serviceName',
      'actionName',
      'accountId',
    ];
    for (let combination = 0; combination < 2 ** members.length; combination++) {
      const present = members.filter((_, bit) => (combination >> bit) % 2 === 1);
      for (const kind of ['text', 1]) {
        const [record] = attributesOf(mapper, [
          line({ ...Object.fromEntries(present.map((name) => [name, kind])), requestId: 'r' }),
        ]);
        expect(record?.['databricks.request_id']).toBe('r');
        expect(record?.['user_agent.original']).toBe(present.includes('userAgent') ? String(kind) : undefined);
      }
    }
    expect(attributesOf(mapper, [first])).toEqual(expected);
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
    // Records of one resource stand together in a request.
    expect(keys).toEqual([...Array(6).fill('in 1'), ...Array(6).fill('in 2')]);
  });
});

function line(members: object): IdentifiedLine {
  return identifiedLine(JSON.stringify({ timestamp: 1_759_795_200_000, ...members }));
}

/** Of each record, through protobuf. */
function attributesOf(mapper: Mapper, lines: readonly IdentifiedLine[]): Record<string, unknown>[] {
  const encoder = mapper.createEncoder('protobuf');
  for (const each of lines) encoder.append(each);
  return recordsOf(decodeLogsRequest(encoder.finish())).map(({ record }) => plainAttributes(record.attributes));
}
