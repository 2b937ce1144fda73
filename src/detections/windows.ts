/**
 * Which stretch of time an evaluation looks at. Records come late: Databricks delivers typically within 15 minutes, and
 * backends go by the time of the event. `delay` is how late a record may be and still count.
 */
import { type DetectionRule, type Timespan, timespanOf } from './rule.ts';

export interface Window {
  /** How often a rule is evaluated. */
  readonly interval: Timespan;
  /** The length that is looked at. */
  readonly range: Timespan;
  /** How long ago it ends. */
  readonly offset: Timespan | undefined;
}

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
/** Rules that read a day or more are evaluated less often, for the sake of the backend. */
const longRangeMs = 12 * hourMs;

export function windowOf({ finding }: DetectionRule, delayMs: number): Window {
  const often = 5 * minuteMs;
  switch (finding.type) {
    case 'event_count':
    case 'value_count':
      return {
        interval: timespanOf(finding.timespan.ms >= longRangeMs ? hourMs : often),
        range: finding.timespan,
        // A window that is counted too early is incomplete, and its late records would never be counted with the others.
        offset: delayMs === 0 ? undefined : timespanOf(delayMs),
      };
    case 'new_terms':
      return { interval: timespanOf(hourMs), range: timespanOf(hourMs + delayMs), offset: undefined };
    default:
      // Every evaluation sees records up to `range` old, so a late one is not missed.
      return { interval: timespanOf(often), range: timespanOf(Math.max(hourMs, delayMs + often)), offset: undefined };
  }
}
