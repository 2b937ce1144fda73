/**
 * A file for Loki's ruler: one alerting rule for each rule of the pack, or, all in one, the rules of a level that look at single
 * events as one query.
 */
import { stringify } from 'yaml';
import { printable } from '../../runtime/printable.ts';
import { alertLabels, runbookUrl } from '../alert.ts';
import { contains } from '../condition.ts';
import type { PackContext } from '../pack-context.ts';
import { type DetectionRule, levels } from '../rule.ts';
import { windowOf } from '../windows.ts';
import { labelTemplate, logqlExpression, logqlExpressionOfAll, who, whoOfEvent } from './logql.ts';

interface AlertingRule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export function lokiFile(rules: readonly DetectionRule[], context: PackContext): string {
  const intervals = [...new Set(rules.map((rule) => windowOf(rule, context.delayMs).interval.text))];
  const groups = intervals.map((interval) => ({
    name: `databricks-audit-${interval}`,
    interval,
    rules: rulesOf(
      rules.filter((rule) => windowOf(rule, context.delayMs).interval.text === interval),
      context,
    ),
  }));
  return `${heading(context)}${stringify({ groups }, { lineWidth: 0 })}`;
}

function rulesOf(rules: readonly DetectionRule[], context: PackContext): AlertingRule[] {
  if (!context.allInOne) return rules.map((rule) => alertingRule(rule, context));
  const joinable = rules.filter(isJoinable);
  const joined = levels.flatMap((level) => {
    const ofLevel = joinable.filter((rule) => rule.level === level);
    return ofLevel.length === 0 ? [] : [joinedRule(ofLevel, context)];
  });
  return [...joined, ...rules.filter((rule) => !isJoinable(rule)).map((rule) => alertingRule(rule, context))];
}

/** Line filters stand in front of the labels of a whole query, and thresholds count what is theirs alone. */
function isJoinable({ finding, condition }: DetectionRule): boolean {
  return finding.type === 'event' && !contains(condition, 'keywords');
}

function alertingRule(rule: DetectionRule, context: PackContext): AlertingRule {
  return {
    alert: rule.title,
    expr: logqlExpression(rule, context),
    labels: alertLabels(rule),
    annotations: {
      summary: `${rule.title}: ${who(rule, context)}`,
      description: rule.description.replaceAll(/\s+/g, ' '),
      runbook_url: runbookUrl(rule),
    },
  };
}

function joinedRule(rules: readonly DetectionRule[], context: PackContext): AlertingRule {
  const [first] = rules;
  if (first === undefined) throw new Error('unreachable');
  const { level } = first;
  const template = (field: string) => labelTemplate(field, context.mapping);
  return {
    alert: `Databricks Audit Event of Level ${level}`,
    expr: logqlExpressionOfAll(
      rules.map(({ condition }) => condition),
      context,
      windowOf(first, context.delayMs),
    ),
    labels: { severity: level, rule: `all-of-level-${level}` },
    annotations: {
      summary: `${template('serviceName')} ${template('actionName')}: ${whoOfEvent(context.mapping)}`,
      description: `One of: ${rules.map(({ title }) => title).join('; ')}.`,
      runbook_url: 'docs/detections.md',
    },
  };
}

function heading({ layers, delayMs, allInOne }: PackContext): string {
  const command = `databricks-audit-otel detections --format loki${allInOne ? ' --all-in-one' : ''}`;
  return [
    `# Written by \`${command}\`; docs/detections.md has what each rule is for.`,
    `# For the mapping layers ${layers.map((name) => `\`${printable(name)}\``).join(', ')}. Records may be ${delayMs / 60_000} minutes late.`,
    '',
  ].join('\n');
}
