/**
 * The cases have to notice when a rule is changed: each part of a condition is left out once, each threshold is moved by one,
 * and each group is undone. What the cases still agree with is a part that nothing tests.
 */
import { describe, expect, test } from 'vitest';
import type { Condition } from '../../src/detections/condition.ts';
import type { DetectionRule } from '../../src/detections/rule.ts';
import { readRules } from '../../src/detections/rule-directory.ts';
import { loadMapping } from '../../src/mapping/index.ts';
import { readCases } from './cases.ts';
import { mapLines, outcomeOf } from './matcher.ts';

const layers = ['databricks-audit'];
const mapping = loadMapping(layers, '.');
const nowMs = Date.UTC(2026, 10, 30, 12);
const delayMs = 20 * 60_000;

interface Mutant {
  readonly change: string;
  readonly rule: DetectionRule;
}

describe.each(readRules())('$slug', (rule) => {
  const cases = readCases(rule.slug, nowMs).map(({ finds, lines }) => ({
    finds,
    records: mapLines(lines, layers, nowMs),
  }));

  test('has a case that fails when any part of it is changed', () => {
    const survivors = mutantsOf(rule).filter((mutant) =>
      cases.every(({ finds, records }) => {
        const { alerting } = outcomeOf(mutant.rule, records, mapping, nowMs, delayMs);
        return alerting.length > 0 === finds;
      }),
    );
    expect(survivors.map(({ change }) => change)).toEqual([]);
  });
});

function mutantsOf(rule: DetectionRule): Mutant[] {
  const conditions = [...smaller(rule.condition)];
  return [...conditions.map(({ change, condition }) => ({ change, rule: { ...rule, condition } })), ...recounted(rule)];
}

function* smaller(condition: Condition): Generator<{ readonly change: string; readonly condition: Condition }> {
  if (condition.type === 'not') {
    for (const { change, condition: part } of smaller(condition.part))
      yield { change, condition: { type: 'not', part } };
  }
  if (condition.type !== 'and' && condition.type !== 'or') return;
  const { type, parts } = condition;
  for (const [index, part] of parts.entries()) {
    const name = 'field' in part ? `${part.type} ${part.field}` : part.type;
    yield { change: `without ${name}`, condition: { type, parts: parts.filter((other) => other !== part) } };
    for (const { change, condition: other } of smaller(part))
      yield { change, condition: { type, parts: parts.with(index, other) } };
  }
}

function recounted(rule: DetectionRule): Mutant[] {
  const { finding } = rule;
  if (finding.type !== 'event_count' && finding.type !== 'value_count') return [];
  const changed: readonly (readonly [string, DetectionRule['finding']])[] = [
    ['one more', { ...finding, min: finding.min + 1 }],
    ['one less', { ...finding, min: finding.min - 1 }],
    ['each record is a group', { ...finding, groupBy: ['otel.log.record.uid'] }],
    ['all records are a group', { ...finding, groupBy: ['version'] }],
    ['any values count', { ...finding, type: 'event_count' }],
  ];
  const of = finding.type === 'value_count' ? changed : changed.slice(0, -1);
  return of.map(([change, other]) => ({ change, rule: { ...rule, finding: other } }));
}
