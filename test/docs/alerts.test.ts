/**
 * Everything that the alert rules and the runbook refer to must exist.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
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

describe.each(rules)('$alert', ({ alert, expr, annotations }) => {
  it('refers to metrics, labels and codes that exist', () => {
    const metrics = expr.match(/\b(?:databricks_audit|process|http_client)_\w+(?=[\s[){]|$)/g) ?? [];
    const selected = [...expr.matchAll(/(\w+)(?:=~?|!=)"([^"]*)"/g)];
    const named = new Set([...labels, ...selected.map(([, label = '']) => label)]);
    expect(metrics.filter((name) => !named.has(name)).length).toBeGreaterThan(0);
    expect(metrics.filter((name) => !prometheusSeries().includes(name) && !labels.includes(name))).toEqual([]);
    expect(selected.filter(([, label = '']) => !labels.includes(label))).toEqual([]);
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

const promtool = spawnSync('promtool', ['--version']);

const historiesPath = fileURLToPath(new URL('alerts.promtool.yaml', import.meta.url));

test.skipIf(promtool.error !== undefined).each([
  ['accepts the rules', ['check', 'rules', rulesPath]],
  ['sees them fire when they should, and only then', ['test', 'rules', historiesPath]],
])('promtool %s', (_, options) => {
  const { stdout, stderr, status } = spawnSync('promtool', options, { encoding: 'utf8' });
  expect({ status, output: stdout + stderr }).toMatchObject({ status: 0 });
});
