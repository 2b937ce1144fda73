/**
 * Compares the values that the kernel finds for paths with a definition that walks parsed JSON.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createMapper } from '../../src/mapping/index.ts';
import { decodeLogsRequest, plainAttributes, recordsOf } from '../support/otlp-decode.ts';
import { fc } from '../support/property-tests.ts';
import { identifiedLine } from '../support/sample-lines.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const paths = [
  'a',
  'a|b',
  'b|a.c',
  'a.b.c',
  'a|b.c|d',
  'a|b|c.a|b|c.a|b|c',
  'c.d|a.b',
  'd|c.d|c.d|c.d|c',
  'b.a|c',
  'a.a|a',
] as const;

type Json = string | null | { readonly [key: string]: Json };

/** Of the spellings of a segment, the first with a value counts. Objects may be embedded in strings. */
function valueAt(root: Json, path: string): Json | undefined {
  let value: Json | undefined = root;
  for (const segment of path.split('.')) {
    const object: Json | undefined = objectOf(value);
    value = segment
      .split('|')
      .map((key) => (typeof object === 'object' && object !== null ? object[key] : undefined))
      .find((inner) => inner !== undefined && inner !== null && inner !== '');
  }
  return value;
}

function objectOf(value: Json | undefined): Json | undefined {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
}

const { object } = fc.letrec<{ object: Record<string, Json> }>((tie) => ({
  object: fc.dictionary(
    fc.constantFrom('a', 'b', 'c', 'd'),
    fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.constantFrom<Json>('x', 'y', '', null, '{}', '{"a":"unfinished', '"text"', '{"a":"z"} '),
      tie('object') as fc.Arbitrary<Json>,
      (tie('object') as fc.Arbitrary<Json>).map((inner) => JSON.stringify(inner)),
      (tie('object') as fc.Arbitrary<Json>).map((inner) => JSON.stringify(inner).slice(0, -1)),
    ),
    { maxKeys: 4 },
  ),
}));

describe.each([[[]], [['secrets'] as const]])('with redaction %j, a path', (redact) => {
  it('leads to the same value as in parsed JSON', () => {
    const file = join(temporaryDirectory(), 'paths.yaml');
    writeFileSync(
      file,
      `attributes:\n${paths.map((path, index) => `  path${index}: { from: ${path}, as: json_text, limits: { bytes: 1000000 } }`).join('\n')}\n`,
    );
    const mapper = createMapper({ layers: ['databricks-audit', file], redact, resourceAttributes: {} });
    fc.assert(
      fc.property(object, (record) => {
        const line = identifiedLine(JSON.stringify({ timestamp: 1_759_795_200_000, ...record }));
        // Redaction replaces JSON that is embedded too deeply.
        fc.pre(!mapper.toJsonLine(line).includes('[redacted]'));
        const encoder = mapper.createEncoder('protobuf');
        encoder.append(line);
        const [entry] = recordsOf(decodeLogsRequest(encoder.finish()));
        const attributes = plainAttributes(entry?.record.attributes ?? []);
        for (const [index, path] of paths.entries()) {
          const value = valueAt(record, path);
          const expected = value === undefined || typeof value === 'string' ? value : JSON.stringify(value);
          expect(attributes[`path${index}`], path).toBe(expected);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
