/**
 * Renders an OTLP/JSON record for people: a headline, then the attributes.
 */
import { styleText } from 'node:util';
import { type OtlpKeyValue, type OtlpValue, otlpLogs, textOf } from '../model/otlp-json.ts';
import { printable } from '../runtime/printable.ts';

const severityColours: Readonly<Record<string, 'green' | 'yellow' | 'red'>> = {
  INFO: 'green',
  WARN: 'yellow',
  ERROR: 'red',
};

/** @param jsonLine a record as `{"resourceLogs":[...]}`. */
export function renderRecord(jsonLine: string): string {
  const lines: string[] = [];
  for (const { resource, scopeLogs } of otlpLogs.parse(JSON.parse(jsonLine)).resourceLogs) {
    for (const { timeUnixNano, severityText, eventName, attributes } of scopeLogs.flatMap(
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

function headline(attributes: readonly OtlpKeyValue[]): string {
  const find = (key: string) => textOf(attributes, key);
  const action = [find('databricks.audit.service.name'), find('databricks.audit.action.name')]
    .filter(Boolean)
    .join('.');
  const who = find('databricks.principal.name');
  return printable(who === undefined ? action : `${action} by ${who}`);
}

function isoTime(timeUnixNano: string): string {
  return new Date(Number(BigInt(timeUnixNano) / 1_000_000n)).toISOString();
}

function text(of: OtlpValue): string {
  if (of.kvlistValue !== undefined) {
    return `{ ${(of.kvlistValue.values ?? []).map((entry) => `${entry.key}: ${text(entry.value)}`).join(', ')} }`;
  }
  if (of.arrayValue !== undefined) return `[ ${(of.arrayValue.values ?? []).map(text).join(', ')} ]`;
  return String(of.stringValue ?? of.intValue ?? of.doubleValue ?? of.boolValue ?? '');
}
