/**
 * A detection rule as the rest of this folder sees it: one file of detections/rules/, parsed.
 */
import type { Condition } from './condition.ts';

/** In ascending order. */
export const levels = ['informational', 'low', 'medium', 'high', 'critical'] as const;

export type Level = (typeof levels)[number];

export const formatNames = ['loki', 'grafana', 'kibana', 'sigma', 'sigma-pipeline'] as const;

/** What the command writes. */
export type FormatName = (typeof formatNames)[number];

export interface DetectionRule {
  /** The file's name without `databricks_` and `.yml`, with hyphens: `login-failed-repeatedly`. */
  readonly slug: string;
  /** The `name` of the document that holds the condition; filters and correlations refer to a rule by it or by an id. */
  readonly name: string;
  readonly id: string;
  /** Of all documents in the file. */
  readonly references: readonly string[];
  readonly title: string;
  readonly description: string;
  readonly level: Level;
  readonly tactics: readonly string[];
  /** Such as `T1098.001`. */
  readonly techniques: readonly string[];
  readonly falsePositives: readonly string[];
  /** What to do about an alert, in order. */
  readonly triage: readonly string[];
  /** What has to be switched on in Databricks, or not to be redacted, for the rule to find anything. */
  readonly requires: string | undefined;
  /** What is known not to work or was not verified. */
  readonly limitations: string | undefined;
  /** Formats that the rule is left out of, with the reason. */
  readonly notOn: Readonly<Partial<Record<FormatName, string>>>;
  /** Raw fields that an alert names besides who, from where, what and in which workspace. */
  readonly fields: readonly string[];
  readonly condition: Condition;
  readonly finding: Finding;
  /** The YAML as it is in the file. */
  readonly source: string;
}

/** What makes records that fit the condition an alert. */
export type Finding =
  /** Each record does. */
  | { readonly type: 'event' }
  /** So many records of a group within the time. */
  | {
      readonly type: 'event_count';
      readonly groupBy: readonly string[];
      readonly timespan: Timespan;
      readonly min: number;
    }
  /** So many different values of a field. */
  | {
      readonly type: 'value_count';
      readonly field: string;
      readonly groupBy: readonly string[];
      readonly timespan: Timespan;
      readonly min: number;
    }
  /** Values of these fields together that did not occur in the history. Not of Sigma. */
  | { readonly type: 'new_terms'; readonly fields: readonly string[]; readonly history: Timespan };

/** All fields that a finding counts or groups by. */
export function fieldsOfFinding(finding: Finding): readonly string[] {
  switch (finding.type) {
    case 'event':
      return [];
    case 'event_count':
      return finding.groupBy;
    case 'value_count':
      return [...finding.groupBy, finding.field];
    case 'new_terms':
      return finding.fields;
  }
}

export interface Timespan {
  /** As Sigma, Loki and Kibana write it: `90m`, `1h`, `14d`. */
  readonly text: string;
  readonly ms: number;
}

const unitsMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

export function parseTimespan(text: string): Timespan | undefined {
  const match = /^([1-9]\d{0,5})([smhd])$/.exec(text);
  if (match === null) return undefined;
  return { text, ms: Number(match[1]) * unitsMs[match[2] as keyof typeof unitsMs] };
}

/** In the largest unit that leaves a whole number. */
export function timespanOf(ms: number): Timespan {
  const unit = (['d', 'h', 'm', 's'] as const).find((candidate) => ms % unitsMs[candidate] === 0) ?? 's';
  return { text: `${Math.ceil(ms / unitsMs[unit])}${unit}`, ms };
}
