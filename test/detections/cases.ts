/**
 * The cases of rules, detections/cases/*.yml, as lines of a delivery. A case says which records there are and whether the
 * rule finds something in them:
 *
 *     - title: five refused logins of one user
 *       finds: true
 *       records:
 *         - $repeat: 5
 *           serviceName: accounts
 *           actionName: login
 *           response: { statusCode: 401 }
 *
 * What a record leaves out is filled in, with a user and an address that no other case has; `null` leaves it out for good.
 * `$repeat` makes several of it, `$ago: 3d` an older one, `$line` is a line that is no record. In texts, `{n}` is the number
 * of the repetition, `{case}` a name of the case, `{time+30d}` a time after the event, and `{x*100}` a hundred letters.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';
import { parseTimespan } from '../../src/detections/rule.ts';

export interface RuleCase {
  readonly title: string;
  readonly finds: boolean;
  /** Lines as delivered. */
  readonly lines: readonly string[];
}

const casesSchema = z.array(
  z.strictObject({
    title: z.string().min(1),
    finds: z.boolean(),
    records: z.array(z.record(z.string(), z.unknown())).min(1),
  }),
);

/** So long ago is what a case does not say otherwise of: within all windows, with 20 minutes of delay. */
const agoMs = 30 * 60_000;

/** @param slug of the rule. */
export function readCases(slug: string, nowMs: number): RuleCase[] {
  const file = `databricks_${slug.replaceAll('-', '_')}.yml`;
  return parseCases(slug, readFileSync(new URL(`../../detections/cases/${file}`, import.meta.url), 'utf8'), nowMs);
}

export function parseCases(slug: string, text: string, nowMs: number): RuleCase[] {
  return casesSchema.parse(parse(text)).map(({ title, finds, records }, index) => {
    const name = `${slug}-${index}`;
    const lines = records.flatMap((record, position) => linesOf(record, name, position, nowMs));
    return { title, finds, lines };
  });
}

function linesOf(record: Readonly<Record<string, unknown>>, name: string, position: number, nowMs: number): string[] {
  const { $repeat = 1, $ago, $line, ...fields } = record;
  const timestamp = nowMs - agoMs - (parseTimespan(String($ago ?? ''))?.ms ?? 0);
  return Array.from({ length: Number($repeat) }, (_, index) => {
    const fill = (value: unknown) => filledIn(value, { name, number: index + 1, timestamp });
    if ($line !== undefined) return String(fill($line));
    const whole = { ...defaults(name, `${position}-${index}`, timestamp), ...fields };
    const present = Object.entries(whole).filter(([, value]) => value !== null);
    return JSON.stringify(fill(Object.fromEntries(present)));
  });
}

function defaults(name: string, number: string, timestamp: number) {
  const [first = 0, second = 0] = createHash('sha256').update(name).digest();
  return {
    version: '2.0',
    auditLevel: 'WORKSPACE_LEVEL',
    timestamp,
    workspaceId: '1234567890123456',
    sourceIPAddress: `198.18.${first}.${second}`,
    userAgent: 'Mozilla/5.0',
    userIdentity: { email: `${name}@example.com` },
    requestId: `${name}-${number}`,
    response: { statusCode: 200 },
  };
}

interface Filling {
  readonly name: string;
  readonly number: number;
  readonly timestamp: number;
}

function filledIn(value: unknown, filling: Filling): unknown {
  if (Array.isArray(value)) return value.map((element) => filledIn(element, filling));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, filledIn(inner, filling)]));
  }
  if (typeof value !== 'string') return value;
  const { name, number, timestamp } = filling;
  const time = (text: string) => timestamp + (parseTimespan(text)?.ms ?? 0);
  const [, whole] = /^\{time\+(\w+)\}$/.exec(value) ?? [];
  if (whole !== undefined) return time(whole);
  return value
    .replace(/^text \{time\+(\w+)\}$/, (_, text: string) => String(time(text)))
    .replaceAll('{n}', String(number))
    .replaceAll('{case}', name)
    .replaceAll('{case8}', createHash('sha256').update(name).digest('hex').slice(0, 8))
    .replaceAll(/\{x\*(\d+)\}/g, (_, count: string) => 'x'.repeat(Number(count)));
}
