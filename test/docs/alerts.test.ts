/**
 * Everything that the alert rules, the runbook and the dashboard refer to must exist.
 */
import { spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { errorCodes } from '../../src/model/agent-error.ts';
import { histograms } from '../../src/telemetry/histograms.ts';
import { observedInstruments } from '../../src/telemetry/instruments.ts';
import { prometheusSeries } from '../../src/telemetry/reference.ts';

const rulesPath = fileURLToPath(new URL('../../examples/prometheus/alerts.yaml', import.meta.url));
const runbook = readFileSync(new URL('../../docs/runbook.md', import.meta.url), 'utf8');
const rule = z.object({ alert: z.string(), expr: z.string(), annotations: z.record(z.string(), z.string()) });
const { groups } = z
  .object({ groups: z.array(z.object({ rules: z.array(rule) })) })
  .parse(parse(readFileSync(rulesPath, 'utf8')));
const rules = groups.flatMap((group) => group.rules);
const labels = [...observedInstruments, ...histograms].flatMap(({ attributes }) =>
  attributes.map((attribute) => attribute.replaceAll('.', '_')),
);

/** What Prometheus adds to every series. */
const ofTarget = ['job', 'instance'];

/** The metrics and labels of a query that no instrument has, and how many metrics it has. */
function unknownNames(expr: string) {
  const names = expr.match(/\b(?:databricks|process|http|error|cpu)_\w+/g) ?? [];
  const selected = [...expr.matchAll(/(\w+)(?:=~?|!=)"[^"]*"/g)].map(([, label = '']) => label);
  const metrics = names.filter((name) => prometheusSeries().includes(name));
  const known = [...labels, ...ofTarget];
  return {
    metricCount: metrics.length,
    unknown: [...names, ...selected].filter((name) => !metrics.includes(name) && !known.includes(name)),
  };
}

describe.each(rules)('$alert', ({ alert, expr, annotations }) => {
  it('refers to metrics, labels and codes that exist', () => {
    expect(unknownNames(expr)).toEqual({ metricCount: expect.any(Number), unknown: [] });
    expect(unknownNames(expr).metricCount).toBeGreaterThan(0);
    const codes: readonly string[] = expr.match(/\bERR_\w+/g) ?? [];
    expect(codes.filter((code) => !errorCodes.some((known) => known === code))).toEqual([]);
  });

  it('has a section in the runbook that says what it means, what to look at and what to do', () => {
    expect(annotations.runbook).toBe(`docs/runbook.md#${alert.toLowerCase()}`);
    const section = runbook.split(/^### /m).find((text) => text.startsWith(`${alert}\n`));
    for (const part of ['**Means**', '**Look at**', '**Do**']) expect(section).toContain(part);
  });
});

test('the runbook has no section for an unknown alert, and a row for every code', () => {
  const sections = [...runbook.matchAll(/^### (\w+)$/gm)].map(([, name]) => name);
  expect(sections).toEqual(rules.map(({ alert }) => alert));
  const codes = [...runbook.matchAll(/^\| \[(ERR_\w+)\]\(errors\.md#(\w+)\)/gm)];
  expect(codes.map(([, code]) => code).sort()).toEqual(errorCodes.toSorted());
  for (const [, code = '', anchor] of codes) expect(anchor).toBe(code.toLowerCase());
  const alerts = runbook.match(/\bDatabricksAudit\w+/g) ?? [];
  expect(alerts.filter((name) => !sections.includes(name))).toEqual([]);
});

const panels = z
  .object({
    panels: z.array(
      z.object({ title: z.string(), targets: z.array(z.object({ expr: z.string(), legendFormat: z.string() })) }),
    ),
  })
  .parse(JSON.parse(readFileSync(new URL('../../examples/prometheus/dashboard.json', import.meta.url), 'utf8'))).panels;

describe.each(panels)('panel "$title"', ({ targets }) => {
  test.each(targets)('refers to metrics and labels that exist: $expr', ({ expr, legendFormat }) => {
    expect(unknownNames(expr)).toEqual({ metricCount: expect.any(Number), unknown: [] });
    expect(unknownNames(expr).metricCount).toBeGreaterThan(0);
    const shown = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = '']) => label);
    expect(shown.filter((label) => ![...labels, ...ofTarget].includes(label))).toEqual([]);
  });
});

const promtool = spawnSync('promtool', ['--version']);

const historiesPath = fileURLToPath(new URL('alerts.promtool.yaml', import.meta.url));

test.skipIf(promtool.error !== undefined).each([
  ['accepts the rules', ['check', 'rules', rulesPath]],
  ['sees them fire when they should, and only then', ['test', 'rules', historiesPath]],
])('promtool %s', (_, options) => {
  const { stdout, stderr, status } = spawnSync('promtool', options, { encoding: 'utf8' });
  expect({ status, output: stdout + stderr }).toMatchObject({ status: 0 });
});

test('no document counts the alert rules, which would be wrong after the next one', () => {
  const root = fileURLToPath(new URL('../../', import.meta.url));
  const counting = globSync(['README.md', 'docs/*.md'], { cwd: root }).filter((path) =>
    /\b\d+ (alert rules|alerts)\b/.test(readFileSync(`${root}${path}`, 'utf8')),
  );
  expect(counting).toEqual([]);
});
