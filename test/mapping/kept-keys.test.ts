/**
 * Keys of a map that are kept when the map exceeds its limits (`keep`): what the other keys hold cannot crowd them out.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { createMapper, loadMapping } from '../../src/mapping/index.ts';
import { decodeLogsRequest, plainAttributes, recordsOf } from '../support/otlp-decode.ts';
import { fc } from '../support/property-tests.ts';
import { identifiedLine } from '../support/sample-lines.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

function layer(content: string): string {
  const file = join(temporaryDirectory(), 'layer.yaml');
  writeFileSync(file, content);
  return file;
}

function mapperWith(content: string) {
  return createMapper({ layers: ['databricks-audit', layer(content)], redact: [], resourceAttributes: {} });
}

const limits = '{ leaves: 4, bytes: 100, depth: 3 }';
const map = `attributes:\n  kept.map: { from: m, as: map, limits: ${limits}, flag: kept.truncated }\n`;

function mapOf(m: unknown, mapper: ReturnType<typeof createMapper>) {
  const encoder = mapper.createEncoder('protobuf');
  encoder.append(identifiedLine(JSON.stringify({ timestamp: 1_759_795_200_000, m })));
  const [entry] = recordsOf(decodeLogsRequest(encoder.finish()));
  const { 'kept.map': map, 'kept.truncated': truncated = false } = plainAttributes(entry?.record.attributes ?? []);
  return { map: map as Readonly<Record<string, unknown>> | undefined, truncated };
}

const value = fc.oneof(
  fc.integer({ min: -9, max: 9 }),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom(null, true, '', [], [1, 2], {}, { a: 1 }, { a: 1, b: { c: 2, d: { e: 3 } } }, 'x'.repeat(90)),
);
const others = fc.dictionary(fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1 }), value, { maxKeys: 12 });

describe('keys that a map keeps', () => {
  let keeping: ReturnType<typeof createMapper>;
  let plain: ReturnType<typeof createMapper>;
  beforeEach(() => {
    plain = mapperWith(map);
    keeping = mapperWith(`${map}keep:\n  kept.map: [one, two, object]\n`);
  });

  it('have their values whatever is around them, as long as they fit by themselves', () => {
    fc.assert(
      fc.property(others, others, (before, after) => {
        const { map } = mapOf({ ...before, one: 1, ...after, two: 'zwei' }, keeping);
        expect(map).toMatchObject({ one: 1n, two: 'zwei' });
      }),
    );
  });

  it('change nothing about a map within its limits, and nothing about its order', () => {
    fc.assert(
      fc.property(others, value, value, value, (before, one, two, object) => {
        const content = { ...before, object, one, two };
        const without = mapOf(content, plain);
        const kept = mapOf(content, keeping);
        if (without.truncated === false) expect(kept).toEqual(without);
        const inOrder = Object.keys(content).filter((key) => kept.map !== undefined && key in kept.map);
        expect(Object.keys(kept.map ?? {})).toEqual(inOrder);
      }),
    );
  });

  it('stay within the limits together with the others', () => {
    fc.assert(
      fc.property(others, value, value, value, (before, one, two, object) => {
        const { map = {} } = mapOf({ ...before, object, one, two }, keeping);
        expect(leavesOf(map)).toBeLessThanOrEqual(4);
        expect(bytesOf(map)).toBeLessThanOrEqual(100);
      }),
    );
  });

  it('are kept with everything below them, and in a string that contains JSON', () => {
    const padding = Object.fromEntries(Array.from({ length: 9 }, (_, index) => [`key${index}`, index]));
    const content = { ...padding, object: { a: 1, b: [2] } };
    for (const m of [content, JSON.stringify(content)]) {
      const { map, truncated } = mapOf(m, keeping);
      expect(map).toEqual({ key0: 0n, key1: 1n, object: { a: 1n, b: [2n] } });
      expect(truncated).toBe(true);
    }
  });

  it('do not crowd out each other: one that exceeds the limits by itself is omitted', () => {
    const { map } = mapOf({ one: 'x'.repeat(200), two: 2 }, keeping);
    expect(map).toEqual({ two: 2n });
  });
});

describe('`keep` in a mapping', () => {
  it('is added to by layers, even by one that replaces the map', () => {
    const file = layer('keep:\n  databricks.request.params: [ours]\n');
    const keys = loadMapping(['databricks-audit', 'elastic', file], '.').keep.get('databricks.request.params') ?? [];
    expect(keys).toContain('ours');
    expect(keys).toContain('workspaceConfKeys');
  });

  it('names a map', () => {
    const file = layer('keep:\n  user.email: [a]\n');
    expect(() => loadMapping(['databricks-audit', file], '.')).toThrow(
      ':2:3: keep: expected the name of an attribute with `as: map`, got "user.email"',
    );
  });
});

function leavesOf(value: unknown): number {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 1;
  return Object.values(value).reduce((sum: number, inner) => sum + leavesOf(inner), 0);
}

/** Keys and strings, and eight for any other value. */
function bytesOf(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (typeof value !== 'object' || value === null) return 8;
  const entries = Array.isArray(value) ? value.map((inner) => ['', inner] as const) : Object.entries(value);
  return entries.reduce((sum, [key, inner]) => sum + Buffer.byteLength(key) + bytesOf(inner), 0);
}
