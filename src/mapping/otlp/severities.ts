/**
 * SeverityNumber and its short name (OpenTelemetry specification, logs/data-model.md).
 */
export const severities = {
  TRACE: { number: 1, text: 'TRACE' },
  DEBUG: { number: 5, text: 'DEBUG' },
  INFO: { number: 9, text: 'INFO' },
  WARN: { number: 13, text: 'WARN' },
  ERROR: { number: 17, text: 'ERROR' },
  FATAL: { number: 21, text: 'FATAL' },
} as const satisfies Record<string, Severity>;

export interface Severity {
  readonly number: number;
  readonly text: string;
}
