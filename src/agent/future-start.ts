/**
 * A start date in the future, as after a mistyped year. Agents that wait for a day and have nothing else to do look like those that
 * have shipped everything.
 */
import type { Configuration } from '../config/index.ts';
import { utcDate } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';

export interface FutureStart {
  readonly message: string;
  readonly hint: string;
}

/** Undefined if the start date has come. */
export function futureStart({ start }: Pick<Configuration, 'start'>, nowMs: number): FutureStart | undefined {
  const today = utcDate(nowMs);
  if (typeof start === 'string' || start.date <= today) return undefined;
  return {
    message: 'DATABRICKS_AUDIT_START is in the future: nothing of the days before it is shipped',
    hint: `It is ${start.date}, and today is ${today} (UTC). Set an earlier date, unless you want to wait.`,
  };
}

export function warnOfFutureStart(configuration: Pick<Configuration, 'start'>, logger: Logger, nowMs: number): void {
  const warning = futureStart(configuration, nowMs);
  if (warning !== undefined) logger.warn({ hint: warning.hint }, warning.message);
}
