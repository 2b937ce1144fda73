/**
 * A short part of `npm run fuzz`, its previous findings, and a test that it would find them again.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createMapper } from '../../../src/mapping/index.ts';
import { type OtlpLogRecord, recordsOf } from '../../support/otlp-decode.ts';
import { identifiedLine } from '../../support/sample-lines.ts';
import { testSeed } from '../../support/seed.ts';
import { checkObject } from './check-object.ts';
import { expectedLines } from './expected-lines.ts';
import { describeFinding, fuzzLines } from './fuzz-lines.ts';
import { makeFuzzedObject, mappingSettings, plainObject } from './fuzzed-object.ts';
import { minimise } from './minimise.ts';
import { checkRecord, checkRedacted } from './record-rules.ts';

const corpus = new URL('corpus/', import.meta.url);
const shortRunLines = 40_000;

describe('hostile lines', () => {
  it('each become one valid record, and nothing crashes', async () => {
    const { finding, lineCount } = await fuzzLines({ seed: testSeed, until: (done) => done >= shortRunLines });
    expect(finding === undefined ? '' : describeFinding(testSeed, finding)).toBe('');
    expect(lineCount).toBeGreaterThanOrEqual(shortRunLines);
  });

  it.each(readdirSync(corpus))('that were once a finding remain harmless: %s', async (name) => {
    const content = readFileSync(new URL(name, corpus));
    for (const mapping of mappingSettings) {
      expect(await checkObject(plainObject(content, mapping))).toBe(expectedLines(content, 1_048_576).length);
    }
  });
});

describe('the fuzz itself', () => {
  it('derives the same object from the same seed and index', () => {
    expect(makeFuzzedObject(7, 3)).toEqual(makeFuzzedObject(7, 3));
    expect(makeFuzzedObject(7, 3).content.equals(makeFuzzedObject(7, 4).content)).toBe(false);
  });

  it('finds the smallest input that fails', async () => {
    const bytes = [...Buffer.from('a long text with "x" and, far behind it, a "y"')];
    const fails = async (fewer: readonly number[]) => /x.*y/.test(Buffer.from(fewer).toString());
    expect(Buffer.from(await minimise(bytes, fails)).toString()).toBe('xy');
  });

  it.each<[string, Partial<OtlpLogRecord>]>([
    ['an empty key', { attributes: [{ key: '', value: { boolValue: true } }] }],
    ['twice', { attributes: ['a', 'a'].map((key) => ({ key, value: { boolValue: true } })) }],
    ['an AnyValue of one kind', { attributes: [{ key: 'a', value: { boolValue: true, intValue: '1' } }] }],
    ['the number NaN', { attributes: [{ key: 'a', value: { doubleValue: Number.NaN } }] }],
    ['an integer of 64 bits', { attributes: [{ key: 'a', value: { intValue: '9223372036854775808' } }] }],
    ['no Unicode', { attributes: [{ key: 'a', value: { stringValue: '\ud800' } }] }],
    ['severity', { severityNumber: 0 }],
    ['event name', { eventName: 'other' }],
    ['observed time', { observedTimeUnixNano: '1' }],
    ['time range', { timeUnixNano: '1759795200000' }],
    ['the body is the line', { body: { stringValue: 'other' } }],
    ['log.record.uid', { attributes: [] }],
  ])('detects a record with a mistake: %s', (rule, mistake) => {
    const { record, resource, line, object } = goodRecord();
    expect(() => checkRecord(record, resource, line, object)).not.toThrow();
    expect(() => checkRecord({ ...record, ...mistake }, resource, line, object)).toThrow(rule);
  });

  it('detects a value that should have been redacted', () => {
    const { object } = goodRecord();
    expect(() => checkRedacted('... planted-secret ...', object)).toThrow('redaction');
  });
});

function goodRecord() {
  const mapping = { layers: ['databricks-audit'], redact: ['secrets'], resourceAttributes: {} } as const;
  const object = plainObject(Buffer.from('{"timestamp":1759795200000,"actionName":"login"}'), mapping);
  const [line] = expectedLines(object.content, object.lineBytesMax);
  if (line === undefined) throw new Error('the object has a line');
  const mapped = createMapper(mapping).toJsonLine(identifiedLine(line.bytes, { observedAtMs: object.observedAtMs }));
  const [entry] = recordsOf(JSON.parse(mapped));
  if (entry === undefined) throw new Error('the line has a record');
  return { ...entry, line, object };
}
