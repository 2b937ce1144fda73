/**
 * The timestamp of a record (`timestamp.as: time`), compared with a definition in plain JavaScript.
 */

import { describe, expect, it } from 'vitest';
import { createMapper } from '../../src/mapping/index.ts';
import { decodeLogsRequest, recordsOf } from '../support/otlp-decode.ts';
import { fc } from '../support/property-tests.ts';
import { identifiedLine } from '../support/sample-lines.ts';

const mapper = createMapper({ layers: ['databricks-audit'], redact: [], resourceAttributes: {} });

function timeOf(json: string): string | undefined {
  const encoder = mapper.createEncoder('protobuf');
  encoder.append(identifiedLine(`{"timestamp":${json}}`));
  const [entry] = recordsOf(decodeLogsRequest(encoder.finish()));
  return entry?.record.timeUnixNano;
}

const isoPattern = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d+))?(?:Z|([+-])((?:[01]\d|2[0-3])):?([0-5]\d))$/;

/** `Date` decides which days and hours exist; the fraction and the zone are calculated exactly. */
function definition(text: string): string | undefined {
  const [, date, time, fraction = '', sign, hours, minutes] = isoPattern.exec(text) ?? [];
  const localMs = Date.parse(`${date}T${time}Z`);
  if (Number.isNaN(localMs) || !new Date(localMs).toISOString().startsWith(`${date}T${time}`)) return undefined;
  const offsetMs = (Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * 60_000 * (sign === '-' ? -1 : 1);
  const nanoseconds = BigInt(localMs - offsetMs) * 1_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, '0'));
  const isInRange = nanoseconds >= 631_152_000_000_000_000n && nanoseconds <= 2n ** 63n - 1n;
  return isInRange ? String(nanoseconds) : undefined;
}

const two = (max: number) => fc.integer({ min: 0, max }).map((number) => String(number).padStart(2, '0'));
const isoTime = fc
  .tuple(
    fc.oneof(fc.integer({ min: 1985, max: 2265 }).map(String), fc.constantFrom('0000', '1600', '2000', '2100', '9999')),
    two(13),
    two(32),
    fc.constantFrom('T', 'T', 'T', ' ', 't', '_'),
    fc.tuple(two(24), two(60), two(61)).map((parts) => parts.join(':')),
    fc.oneof(fc.constantFrom('', '.', ','), fc.stringMatching(/^\.\d{1,12}$/)),
    fc.oneof(
      fc.constantFrom('Z', 'Z', '', 'z', '+0', '+00', '+00:0', ' Z', '+24:00', '+00:60', '-00:00', '+01:00Z'),
      fc.tuple(fc.constantFrom('+', '-'), two(24), fc.constantFrom(':', ''), two(60)).map((parts) => parts.join('')),
    ),
  )
  .map(
    ([year, month, day, separator, time, fraction, zone]) =>
      `${year}-${month}-${day}${separator}${time}${fraction}${zone}`,
  );

describe('a time in ISO 8601', () => {
  it('is read exactly as defined, whatever the text', () => {
    fc.assert(
      fc.property(isoTime, fc.boolean(), (text, isEscaped) => {
        const json = isEscaped ? `"${text.replaceAll('2', '\\u0032')}"` : JSON.stringify(text);
        expect(timeOf(json), text).toBe(definition(text));
      }),
      { numRuns: 5_000 },
    );
  });

  it.each([
    ['2025-05-15T15:58:35Z', '1747324715000000000'],
    ['2023-01-01T01:01:01.123+00:00', '1672534861123000000'],
    ['2023-01-01T03:01:01.123456-0200', '1672549261123456000'],
    ['2023-01-01 01:01:01.1234567899999Z', '1672534861123456789'],
    ['2024-02-29T00:00:00Z', '1709164800000000000'],
    ['1990-01-01T00:00:00Z', '631152000000000000'],
    ['2262-04-11T23:47:16.854775807Z', '9223372036854775807'],
  ])('%s', (text, nanoseconds) => {
    expect(timeOf(JSON.stringify(text))).toBe(nanoseconds);
  });

  it.each([
    ['no zone', '2025-05-15T15:58:35'],
    ['no time', '2025-05-15'],
    ['a day that does not exist', '2023-02-29T00:00:00Z'],
    ['a leap second', '2016-12-31T23:59:60Z'],
    ['before 1990', '1989-12-31T23:59:59.999999999Z'],
    ['after the range of nanoseconds', '2262-04-11T23:47:16.854775808Z'],
    ['something after it', '2025-05-15T15:58:35Z.'],
    ['another order', '15-05-2025T15:58:35Z'],
    ['letters', '2025-O5-15T15:58:35Z'],
  ])('is none with %s', (_, text) => {
    expect(timeOf(JSON.stringify(text))).toBeUndefined();
  });
});

it('a number of milliseconds is a time as before, and not one in ISO 8601 of any length', () => {
  expect(timeOf('1759795200123')).toBe('1759795200123000000');
  expect(timeOf('"1759795200123"')).toBe('1759795200123000000');
  for (const json of ['1759795200', '"1759795200"', '"00001759795200123456"', 'true', '{}', '"-175979520012"']) {
    expect(timeOf(json), json).toBeUndefined();
  }
});
