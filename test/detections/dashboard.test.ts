/**
 * The dashboard that counts what rules would find. Whether Loki takes its expressions is in test/proof/servers/.
 */
import { expect, test } from 'vitest';
import { z } from 'zod';
import { contains } from '../../src/detections/condition.ts';
import { renderDetectionsDashboard } from '../../src/detections/dashboard.ts';
import { contextOf } from '../../src/detections/pack-context.ts';
import { readRules } from '../../src/detections/rule-directory.ts';
import { loadMapping } from '../../src/mapping/index.ts';

const rules = readRules();
const layers = ['databricks-audit', 'loki'];
const context = contextOf({
  layers,
  mapping: loadMapping(layers, '.'),
  serviceName: 'databricks',
  delayMs: 0,
  level: 'informational',
  allInOne: false,
});
const schema = z.object({
  panels: z.array(z.object({ title: z.string(), targets: z.array(z.object({ expr: z.string() })) })),
});

function panelsOf(chosen: typeof rules) {
  return schema.parse(JSON.parse(renderDetectionsDashboard(chosen, context))).panels;
}

test('the dashboard counts the records of every rule, those that search the whole record too', () => {
  const counted = panelsOf(rules)
    .filter(({ title }) => title.endsWith(': records by rule'))
    .flatMap(({ targets }) => targets.map(({ expr }) => /"rule", "([^"]+)"/.exec(expr)?.[1]));
  expect(counted.toSorted()).toEqual(rules.map(({ slug }) => slug).toSorted());
});

test('a level with nothing but rules that search the whole record has no query that joins them', () => {
  const panels = panelsOf(rules.filter(({ condition }) => contains(condition, 'keywords')).slice(0, 1));
  expect(panels.map(({ title }) => title.replace(/^.*: /, ''))).toEqual(['records by rule']);
});
