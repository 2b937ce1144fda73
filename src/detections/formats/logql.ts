/**
 * A rule as a LogQL expression. Every series that it returns is an alert.
 */

import { alertAttributes } from '../alert.ts';
import { labelName, logqlString, loki } from '../backends/loki.ts';
import type { Condition } from '../condition.ts';
import { attributeOf, type MappingTables } from '../fields.ts';
import type { PackContext } from '../pack-context.ts';
import type { DetectionRule, Finding } from '../rule.ts';
import { type Window, windowOf } from '../windows.ts';

/** The records that fit the condition: a log query. */
export function logqlSelection(condition: Condition, context: PackContext): string {
  return `{service_name=${logqlString(context.serviceName)}} ${loki.query(condition, context.attributeOf)}`;
}

export function logqlExpression(rule: DetectionRule, context: PackContext): string {
  const { finding } = rule;
  const window = windowOf(rule, context.delayMs);
  const labels = alertAttributes(rule.fields, context.mapping).map(labelName);
  const selection = logqlSelection(rule.condition, context);
  const label = (field: string) => labelName(context.attributeOf(field));
  switch (finding.type) {
    case 'event':
      return `sum by (${labels.join(', ')}) (${counted(selection, window)}) > 0`;
    case 'event_count':
    case 'value_count':
      return thresholdExpression(finding, selection, context.allInOne ? [] : labels, label, window);
    case 'new_terms': {
      const terms = finding.fields.map(label);
      const known = `${selection} ${presence(terms)}`;
      const before: Window = { ...window, range: finding.history, offset: window.range };
      return `sum by (${unique([...terms, ...labels])}) (${counted(known, window)}) unless on (${terms.join(', ')}) sum by (${terms.join(', ')}) (${counted(known, before)})`;
    }
  }
}

/** For several rules at once, which the action in the alert tells apart. */
export function logqlExpressionOfAll(conditions: readonly Condition[], context: PackContext, window: Window): string {
  const labels = alertAttributes([], context.mapping).map(labelName);
  const selection = logqlSelection({ type: 'or', parts: conditions }, context);
  return `sum by (${labels.join(', ')}) (${counted(selection, window)}) > 0`;
}

/**
 * A group that has reached its threshold, and beside it who, from where and in which workspace: one series for each of
 * those, as the group itself may be a principal or an address only. That reads the window twice; without labels it is the
 * group alone.
 */
function thresholdExpression(
  finding: Extract<Finding, { readonly min: number }>,
  selection: string,
  labels: readonly string[],
  label: (field: string) => string,
  window: Window,
): string {
  const groups = finding.groupBy.map(label);
  const value = finding.type === 'value_count' ? [label(finding.field)] : [];
  const present = `${selection} ${presence([...groups, ...value])}`;
  const count =
    finding.type === 'value_count'
      ? `count by (${groups.join(', ')}) (sum by (${unique([...groups, ...value])}) (${counted(present, window)}))`
      : `sum by (${groups.join(', ')}) (${counted(present, window)})`;
  if (labels.length === 0) return `${count} >= ${finding.min}`;
  return `sum by (${unique([...groups, ...labels])}) (${counted(present, window)}) and on (${groups.join(', ')}) (${count} >= ${finding.min})`;
}

function counted(selection: string, { range, offset }: Window): string {
  return `count_over_time(${selection} [${range.text}]${offset === undefined ? '' : ` offset ${offset.text}`})`;
}

/** A record without a value belongs to no group, as in Elasticsearch. */
function presence(labels: readonly string[]): string {
  return `| ${labels.map((name) => `${name}!=\`\``).join(' and ')}`;
}

/** For an annotation: who, from where, in which workspace; or what was counted by, when an alert has nothing else. */
export function who({ finding }: DetectionRule, { mapping, allInOne }: PackContext): string {
  if (allInOne && 'groupBy' in finding) return finding.groupBy.map((field) => labelTemplate(field, mapping)).join(', ');
  return whoOfEvent(mapping);
}

export function whoOfEvent(mapping: MappingTables): string {
  const template = (field: string) => labelTemplate(field, mapping);
  return `${template('userIdentity.email')} from ${template('sourceIPAddress')} in workspace ${template('workspaceId')}`;
}

/** The value of an alert's label, as annotations name it. */
export function labelTemplate(field: string, mapping: MappingTables): string {
  const attribute = attributeOf(field, mapping);
  return attribute === undefined ? '(not mapped)' : `{{ $labels.${labelName(attribute)} }}`;
}

function unique(names: readonly string[]): string {
  return [...new Set(names)].join(', ');
}
