/**
 * The location that a source gives to an object reaches the record.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createMapper } from '../../src/mapping/index.ts';
import type { IdentifiedLine } from '../../src/model/line.ts';
import type { ObjectId } from '../../src/model/object.ts';
import { decodeLogsRequest, recordsOf } from '../support/otlp-decode.ts';
import { identifiedLine } from '../support/sample-lines.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const recordText = '{"timestamp":1759795200000,"serviceName":"clusters","actionName":"start"}';

test('attributes of any source reach parsed and unparsed records, and end with the object', () => {
  const mapper = createMapper({ layers: ['databricks-audit'], redact: ['secrets'], resourceAttributes: {} });
  const location = { 'url.full': 'https://example.com/ü', 'azure.storage.container.name': 'logs' };
  const lines = [recordText, 'no JSON'].map((text) => lineAt(text, location));
  const encoder = mapper.createEncoder('protobuf');
  for (const line of [...lines, lineAt(recordText, {}), lineAt(recordText, { 'url.full': 'x' })]) encoder.append(line);
  const found = recordsOf(decodeLogsRequest(encoder.finish())).map(({ record }) => valuesOf(record.attributes));
  expect(found).toMatchObject([location, location, {}, { 'url.full': 'x' }]);
  expect(found[2]).not.toHaveProperty('url.full');
  expect(found[3]).not.toHaveProperty('azure.storage.container.name');
});

test('an attribute that the mapping writes or removes is not repeated or brought back', () => {
  const layer = join(temporaryDirectory(), 'ours.yaml');
  writeFileSync(layer, "version: '1+ours.1'\nattributes:\n  url.full: null\n  url.path: { value: ours }\n");
  const mapper = createMapper({ layers: ['databricks-audit', layer], redact: [], resourceAttributes: {} });
  const location = {
    'aws.s3.bucket': 'logs',
    'url.full': 'https://example.com',
    'url.path': 'theirs',
    'databricks.audit.attributes_truncated': 'theirs',
    'log.file.name': 'theirs',
    'log.file.path': 'a/b.json',
  };
  const attributes = attributesOf(mapper.toJsonLine(lineAt(recordText, location)));
  expect(new Set(attributes.map(({ key }) => key)).size).toBe(attributes.length);
  expect(valuesOf(attributes)).toMatchObject({
    'aws.s3.bucket': 'logs',
    'url.path': 'ours',
    'log.file.path': 'a/b.json',
  });
  expect(valuesOf(attributes)).not.toHaveProperty('url.full');
  expect(valuesOf(attributes)['log.file.name']).not.toBe('theirs');
});

test('without a rule for them, the attributes of S3 stay out of the record', () => {
  const layer = join(temporaryDirectory(), 'ours.yaml');
  writeFileSync(layer, "version: '1+ours.1'\nattributes:\n  aws.s3.bucket: null\n  bucket: { from: $bucket }\n");
  const mapper = createMapper({ layers: ['databricks-audit', layer], redact: [], resourceAttributes: {} });
  const line = lineAt(recordText, { 'aws.s3.bucket': 'logs', 'aws.s3.key': 'a' });
  const values = valuesOf(attributesOf(mapper.toJsonLine(line)));
  expect(values).toMatchObject({ bucket: 'logs', 'aws.s3.key': 'a' });
  expect(values).not.toHaveProperty(['aws.s3.bucket']);
});

test('empty and oversized attributes are left out, and invalid characters replaced', () => {
  const mapper = createMapper({ layers: ['databricks-audit'], redact: [], resourceAttributes: {} });
  const location = { '': 'a', empty: '', long: 'x'.repeat(100_000), half: 'a\ud800', last: 'b' };
  const values = valuesOf(attributesOf(mapper.toJsonLine(lineAt(recordText, location))));
  expect(values).toMatchObject({ half: 'a\ufffd', last: 'b' });
  for (const name of ['', 'empty', 'long']) expect(Object.keys(values)).not.toContain(name);
});

function lineAt(text: string, location: Readonly<Record<string, string>>): IdentifiedLine {
  const line = identifiedLine(text);
  return { ...line, origin: { ...line.origin, id: 'test://object' as ObjectId, location } };
}

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string };
}

function attributesOf(jsonLine: string): readonly Attribute[] {
  return JSON.parse(jsonLine).resourceLogs[0].scopeLogs[0].logRecords[0].attributes;
}

function valuesOf(attributes: readonly unknown[]): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries((attributes as readonly Attribute[]).map(({ key, value }) => [key, value.stringValue]));
}
