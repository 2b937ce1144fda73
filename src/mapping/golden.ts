/**
 * Golden pairs: a folder with `input.jsonl` and the records that a mapping has to make of it, `expected.json`. They hold for the
 * built-in mapping (test/mappings/) and for layers of users (`mapping test --golden`).
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Mapper } from '../contracts/mapper.ts';
import type { IdentifiedLine } from '../model/line.ts';
import type { ObjectId } from '../model/object.ts';
import type { OtlpKeyValue } from '../model/otlp-json.ts';
import { redactionClasses } from './options.ts';

/** `options.json` of a pair. */
export const goldenOptions = z.strictObject({
  layers: z.array(z.string()).optional(),
  redact: z.array(z.enum(redactionClasses)).optional(),
  /** The size of the lines that the input holds the beginnings of. */
  cutFrom: z.int().optional(),
});

export type GoldenOptions = z.infer<typeof goldenOptions>;

/** A record in OTLP/JSON and the resource that it stands under. */
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

/** The line as if it stood in an S3 object of workspace 1234567890123456. */
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
  return lines.map((line) => {
    const [{ resource, scopeLogs }] = (JSON.parse(mapper.toJsonLine(line)) as SingleRecord).resourceLogs;
    return { resource, record: scopeLogs[0].logRecords[0] };
  });
}

interface SingleRecord {
  readonly resourceLogs: readonly [
    {
      readonly resource: GoldenRecord['resource'];
      readonly scopeLogs: readonly [
        { readonly logRecords: readonly [{ readonly attributes: readonly OtlpKeyValue[] }] },
      ];
    },
  ];
}

/** What `expected.json` holds: one attribute a line, and long texts cut, so that a difference reads well. */
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
  const lines: Buffer[] = [];
  for (let start = 0; start < content.length; ) {
    const newline = content.indexOf(0x0a, start);
    const end = newline === -1 ? content.length : newline;
    if (end > start) lines.push(content.subarray(start, end));
    start = end + 1;
  }
  return lines;
}
