/**
 * A mapper reuses its memory from record to record: nothing of one record may appear in another.
 */

import { describe, expect, it } from 'vitest';
import { createMapper } from '../../src/mapping/index.ts';
import type { IdentifiedLine } from '../../src/model/line.ts';
import { fc } from '../support/property-tests.ts';
import { identifiedLine } from '../support/sample-lines.ts';

const createOne = () =>
  createMapper({ layers: ['databricks-audit', 'elastic', 'loki'], redact: ['secrets'], resourceAttributes: {} });

/** Values of one member: of other kinds, of other lengths, with escapes, or with nothing in them. */
const members: Readonly<Record<string, readonly string[]>> = {
  timestamp: ['1759795200000', '"1759795200001"', '17597952', 'null'],
  workspaceId: ['"1"', '"2"', '""', '3'],
  orgId: ['0', '12345678901234567890'],
  sourceIPAddress: ['"203.0.113.7"', '"203.0.113.7:443"', '"nowhere"', '""', 'null'],
  serviceName: ['"secrets"', '"accounts"', '"c\\u006custers"'],
  actionName: ['"IpAccessDenied"', '"login"', '"get\\"Secret"'],
  userIdentity: [
    '{"email":"a@example.com"}',
    '{"email":"System-User","subjectName":""}',
    '"{\\"email\\":\\"b@example.com\\"}"',
    '"{\\"subjectName\\":\\"C\\",\\"email\\":\\"c@example.com\\"}"',
    'null',
  ],
  requestParams: [
    '{}',
    '{"a":1,"a.b":"x"}',
    '{"value":"v","password":"p"}',
    '{"list":[1,{"token":"t"}]}',
    '"{\\"k\\":\\"v\\"}"',
  ],
  response: [
    '{"statusCode":200}',
    '{"statusCode":403,"errorMessage":"no"}',
    '{"statusCode":"1e3","result":{"a":[]}}',
    '{"errorMessage":"no"}',
    '"{\\"statusCode\\":500}"',
  ],
  eventId: ['"e-1"', '7', '"ü"'],
};

/** Mostly whole, in one order and of the same kinds, so that many are alike. */
const record = fc
  .tuple(
    fc.tuple(
      ...Object.entries(members).map(([key, [usual, ...others]]) =>
        fc.oneof(
          { weight: 12, arbitrary: fc.constant([key, usual] as const) },
          { weight: 4, arbitrary: fc.constantFrom(...others).map((value) => [key, value] as const) },
          { weight: 1, arbitrary: fc.constant(undefined) },
        ),
      ),
    ),
    fc.constantFrom(':', ':', ' : '),
    fc.constantFrom(false, false, true),
  )
  .map(([values, colon, isReversed]) => {
    const texts = values.flatMap((entry) => (entry === undefined ? [] : [`"${entry[0]}"${colon}${entry[1]}`]));
    return `{${(isReversed ? texts.reverse() : texts).join(',')}}`;
  });

describe('records that take turns', () => {
  it('come out as each of them alone', () => {
    const shared = createOne();
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 6 }), (records) => {
        for (const text of records) {
          const line = identifiedLine(text);
          expect(bytesOf(shared, line)).toEqual(bytesOf(createOne(), line));
        }
      }),
      { numRuns: 150 },
    );
  });

  it('come out as each of them alone after tens of thousands of different keys', () => {
    const shared = createOne();
    for (let index = 0; index < 40_000; index++)
      shared.toJsonLine(identifiedLine(`{"timestamp":1,"requestParams":{"k${index}":1}}`));
    for (const text of [
      `{"timestamp":1759795200000,"requestParams":{"k1":"one"}}`,
      `{"timestamp":1759795200000,"requestParams":{"k39999":{}}}`,
    ]) {
      expect(shared.toJsonLine(identifiedLine(text))).toBe(createOne().toJsonLine(identifiedLine(text)));
    }
  });

  it('come out as each of them alone when they differ only after a long array', () => {
    const shared = createOne();
    const long = (last: string) =>
      `{"timestamp":1759795200000,"requestParams":{"list":[${'1,'.repeat(400)}${last}]},"serviceName":"x"}`;
    for (const last of ['1', '"two"', '{"password":"p"}', '1']) {
      const line = identifiedLine(long(last));
      expect(shared.toJsonLine(line)).toBe(createOne().toJsonLine(line));
    }
  });
});

function bytesOf(mapper: ReturnType<typeof createOne>, line: IdentifiedLine): string {
  const encoder = mapper.createEncoder('protobuf');
  encoder.append(line);
  return Buffer.from(encoder.finish()).toString('latin1');
}
