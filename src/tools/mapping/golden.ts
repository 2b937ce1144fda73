/**
 * Golden pairs: a folder with `input.jsonl` and the records that a mapping must produce from it, `expected.json`. They test the
 * built-in mapping (test/mappings/) and users' layers (`mapping test --golden`).
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Mapper } from '../../contracts/mapper.ts';
import { redactionClasses } from '../../mapping/index.ts';
import type { IdentifiedLine } from '../../model/line.ts';
import type { ObjectId } from '../../model/object.ts';
import type { OtlpLogs } from '../../model/otlp-json.ts';

/** `options.json` of a pair. */
export const goldenOptions = z.strictObject({
  layers: z.array(z.string()).optional(),
  redact: z.array(z.enum(redactionClasses)).optional(),
  /** The size of the whole lines, if the input contains truncated lines. */
  cutFrom: z.int().optional(),
});

export type GoldenOptions = z.infer<typeof goldenOptions>;

/** A record in OTLP/JSON, and its resource. */
export interface GoldenRecord {
  readonly resource: { readonly attributes: readonly unknown[] };
  readonly record: { readonly attributes: readonly unknown[] };
}

const key = 'audit/workspaceId=1234567890123456/date=2025-10-07/auditlogs_0001.json';
const origin = {
  id: `s3://logs/${key}` as ObjectId,
  fileName: 'auditlogs_0001.json',
  location: { 'aws.s3.bucket': 'logs', 'aws.s3.key': key },
  workspaceId: '1234567890123456',
  date: '2025-10-07',
};
const observedAtMs = Date.UTC(2025, 9, 7, 0, 15);

/** The line as part of an S3 object of workspace 1234567890123456. */
export function goldenLine(bytes: Uint8Array): IdentifiedLine {
  const digest = createHash('sha256').update(bytes).digest('hex');
  return { bytes, sizeBytes: bytes.length, origin, digest, occurrence: 1, observedAtMs };
}

export function goldenLines(input: Buffer, { cutFrom }: GoldenOptions): IdentifiedLine[] {
  const occurrences = new Map<string, number>();
  return splitLines(input).map((bytes) => {
    const line = goldenLine(bytes);
    const occurrence = (occurrences.get(line.digest) ?? 0) + 1;
    occurrences.set(line.digest, occurrence);
    return { ...line, occurrence, sizeBytes: cutFrom ?? bytes.length };
  });
}

export function goldenRecords(lines: readonly IdentifiedLine[], mapper: Mapper): GoldenRecord[] {
  return lines.flatMap((line) => {
    const { resourceLogs }: OtlpLogs = JSON.parse(mapper.toJsonLine(line));
    return resourceLogs.flatMap(({ resource, scopeLogs }) =>
      scopeLogs.flatMap(({ logRecords }) => logRecords.map((record) => ({ resource, record }))),
    );
  });
}

/** The content of `expected.json`: one attribute per line and long strings shortened, so that diffs are readable. */
export function goldenText(records: readonly GoldenRecord[]): string {
  return `[\n${records.map(readable).join(',\n')}\n]\n`;
}

const fieldOrder = ['timeUnixNano', 'severityNumber', 'severityText', 'body', 'observedTimeUnixNano', 'eventName'];

function readable({ resource, record }: GoldenRecord): string {
  const { attributes, ...fields } = record;
  const head = Object.entries(fields)
    .sort(([one], [other]) => fieldOrder.indexOf(one) - fieldOrder.indexOf(other))
    .map(([name, value]) => `  ${JSON.stringify(name)}: ${shortened(value)}`);
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

function splitLines(content: Buffer): Buffer[] {
  const lines = content.toString('latin1').split('\n');
  return lines.filter((line) => line !== '').map((line) => Buffer.from(line, 'latin1'));
}
