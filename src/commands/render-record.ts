/**
 * A record of OTLP/JSON for people: one headline, then its attributes.
 */
import { styleText } from 'node:util';
import { z } from 'zod';
import { printable } from '../runtime/printable.ts';

type Value = {
  stringValue?: string | undefined;
  intValue?: string | number | undefined;
  doubleValue?: number | undefined;
  boolValue?: boolean | undefined;
  kvlistValue?: { values?: KeyValue[] | undefined } | undefined;
  arrayValue?: { values?: Value[] | undefined } | undefined;
};
type KeyValue = { key: string; value: Value };

const value: z.ZodType<Value> = z.lazy(() =>
  z.object({
    stringValue: z.string().optional(),
    intValue: z.union([z.string(), z.number()]).optional(),
    doubleValue: z.number().optional(),
    boolValue: z.boolean().optional(),
    kvlistValue: z.object({ values: z.array(keyValue).optional() }).optional(),
    arrayValue: z.object({ values: z.array(value).optional() }).optional(),
  }),
);
const keyValue: z.ZodType<KeyValue> = z.object({ key: z.string(), value });

const logsData = z.object({
  resourceLogs: z.array(
    z.object({
      resource: z.object({ attributes: z.array(keyValue) }),
      scopeLogs: z.array(
        z.object({
          logRecords: z.array(
            z.object({
              timeUnixNano: z.coerce.string().optional(),
              severityText: z.string().optional(),
              eventName: z.string().optional(),
              attributes: z.array(keyValue),
            }),
          ),
        }),
      ),
    }),
  ),
});

const severityColours: Readonly<Record<string, 'green' | 'yellow' | 'red'>> = {
  INFO: 'green',
  WARN: 'yellow',
  ERROR: 'red',
};

/** @param jsonLine one record as `{"resourceLogs":[...]}`. */
export function renderRecord(jsonLine: string): string {
  const lines: string[] = [];
  for (const { resource, scopeLogs } of logsData.parse(JSON.parse(jsonLine)).resourceLogs) {
    for (const { timeUnixNano, severityText = '', eventName = '', attributes } of scopeLogs.flatMap(
      (scope) => scope.logRecords,
    )) {
      const time = timeUnixNano === undefined || timeUnixNano === '0' ? 'no event time' : isoTime(timeUnixNano);
      const severity = styleText(severityColours[severityText] ?? 'white', severityText.padEnd(5));
      lines.push(`${styleText('dim', time)} ${severity} ${styleText('bold', headline(attributes) || eventName)}`);
      for (const { key, value } of [...resource.attributes, ...attributes]) {
        lines.push(`    ${styleText('cyan', printable(key))} ${printable(text(value), Number.POSITIVE_INFINITY)}`);
      }
    }
  }
  return `${lines.join('\n')}\n`;
}

function headline(attributes: readonly KeyValue[]): string {
  const find = (key: string) => attributes.find((attribute) => attribute.key === key)?.value.stringValue;
  const action = [find('databricks.audit.service.name'), find('databricks.audit.action.name')]
    .filter(Boolean)
    .join('.');
  const who = find('databricks.principal.name');
  return printable(who === undefined ? action : `${action} by ${who}`);
}

function isoTime(timeUnixNano: string): string {
  return new Date(Number(BigInt(timeUnixNano) / 1_000_000n)).toISOString();
}

function text(of: Value): string {
  if (of.kvlistValue !== undefined) {
    return `{ ${(of.kvlistValue.values ?? []).map((entry) => `${entry.key}: ${text(entry.value)}`).join(', ')} }`;
  }
  if (of.arrayValue !== undefined) return `[ ${(of.arrayValue.values ?? []).map(text).join(', ')} ]`;
  return String(of.stringValue ?? of.intValue ?? of.doubleValue ?? of.boolValue ?? '');
}
