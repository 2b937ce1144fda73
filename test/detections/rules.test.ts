/**
 * The rules themselves: they are right Sigma, their texts are complete, and each finds what its cases say.
 */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { tactics, techniques } from '../../src/detections/attack.ts';
import { compilePack } from '../../src/detections/pack.ts';
import { formatNames } from '../../src/detections/rule.ts';
import { readRules } from '../../src/detections/rule-directory.ts';
import { parseRuleFile } from '../../src/detections/rule-file.ts';
import { loadMapping } from '../../src/mapping/index.ts';
import { parseCases, readCases } from './cases.ts';
import { mapLines, outcomeOf } from './matcher.ts';

const root = new URL('../../', import.meta.url);
const nowMs = Date.UTC(2026, 10, 30, 12);
const delayMs = 20 * 60_000;
const rules = readRules();
const mappings = new Map(
  [undefined, 'loki', 'elastic'].map((layer) => {
    const layers = ['databricks-audit', ...(layer === undefined ? [] : [layer])];
    return [layer, { layers, mapping: loadMapping(layers, '.') }] as const;
  }),
);

test('there are rules of every level, and each has a file of cases', () => {
  expect(rules.length).toBeGreaterThanOrEqual(50);
  expect(new Set(rules.map(({ level }) => level)).size).toBe(5);
  const files = (folder: string) => globSync('*.yml', { cwd: new URL(`detections/${folder}/`, root) }).toSorted();
  expect(files('cases')).toEqual(files('rules'));
});

describe.each(rules)('$slug', (rule) => {
  const cases = readCases(rule.slug, nowMs);

  test('has cases that it finds, and look-alikes that it does not', () => {
    expect(cases.some(({ finds }) => finds)).toBe(true);
    expect(cases.some(({ finds }) => !finds)).toBe(true);
  });

  test.each(cases)('cases: $title (found: $finds)', ({ finds, lines }) => {
    for (const { layers, mapping } of mappings.values()) {
      const { alerting } = outcomeOf(rule, mapLines(lines, layers, nowMs), mapping, nowMs, delayMs);
      expect(alerting.length > 0, layers.join()).toBe(finds);
    }
  });

  test('finds its cases however many and long parameters are put around theirs', () => {
    const found = cases.filter(({ finds }) => finds);
    for (const [{ title, lines }, padding] of found.flatMap((each) =>
      paddings.map((padding) => [each, padding] as const),
    )) {
      const paddedLines = lines.map((line) => padded(line, padding));
      for (const { layers, mapping } of mappings.values()) {
        const { alerting } = outcomeOf(rule, mapLines(paddedLines, layers, nowMs), mapping, nowMs, delayMs);
        expect(alerting.length > 0, `${layers.join()}: ${title}`).toBe(true);
      }
    }
  });

  const { finding } = rule;
  if (finding.type === 'event_count' || finding.type === 'value_count') {
    test('has a case just at its threshold, and one just below', () => {
      const sizes = cases.map(({ finds, lines }) => `${lines.length} ${finds}`);
      expect(sizes).toContain(`${finding.min} true`);
      expect(sizes).toContain(`${finding.min - 1} false`);
    });
  }

  test('is tagged with a tactic and a technique of ATT&CK that have names', () => {
    expect(rule.tactics.map((tag) => tactics[tag])).not.toContain(undefined);
    expect(rule.techniques.map((id) => techniques[id])).not.toContain(undefined);
    expect([rule.tactics.length, rule.techniques.length]).not.toContain(0);
  });

  test('keeps the conventions of SigmaHQ for names and texts', () => {
    const name = `databricks_${rule.slug.replaceAll('-', '_')}`;
    expect(rule.name).toBe(name);
    expect(`${name}.yml`.length).toBeLessThanOrEqual(70);
    expect(rule.description).toMatch(/^Detects /);
    expect(rule.title).toMatch(/^Databricks [A-Z]/);
    expect(rule.triage.length).toBeGreaterThanOrEqual(3);
    expect(rule.falsePositives.join()).not.toMatch(/none|pentest/i);
  });

  test('says of itself where its cases are', () => {
    const [path = ''] = /(?<=regression_tests_path: ).*/.exec(rule.source) ?? [];
    expect(existsSync(new URL(path, root)), path).toBe(true);
  });
});

/** Parameters that use up the limits of the map: 64 leaves, or 32 KiB down to the last bytes. */
const paddings = [
  Array.from({ length: 70 }, () => 'x'),
  [20_000, 10_000, 5_000, 2_000, 1_000, 500, 200, 100, 50, 20, 10, 5, 2].map((length) => 'x'.repeat(length)),
];

/** With the padding in front of and behind the parameters of the record. */
function padded(line: string, padding: readonly string[]): string {
  if (!line.startsWith('{"')) return line;
  const parameters = (name: string) => Object.fromEntries(padding.map((text, index) => [`${name}${index}`, text]));
  const record: { readonly requestParams?: object } = JSON.parse(line);
  const requestParams = { ...parameters('a'), ...record.requestParams, ...parameters('z') };
  return JSON.stringify({ ...record, requestParams });
}

test('the example of docs/writing-detections.md is a rule that both backends can write, with cases that hold', () => {
  const guide = readFileSync(new URL('docs/writing-detections.md', root), 'utf8');
  const [ruleText = '', casesText = ''] = [...guide.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, block = '']) => block);
  const rule = parseRuleFile('databricks_repository_made_public.yml', ruleText);
  for (const { layers, mapping } of mappings.values()) {
    const options = { layers, mapping, serviceName: 'databricks', delayMs, level: 'low', allInOne: false } as const;
    const hasDataStream = mapping.scopeAttributes.has('data_stream.dataset');
    const possible = formatNames.filter((format) => hasDataStream || format !== 'kibana');
    for (const format of possible) expect(compilePack(format, [rule], options).text).not.toBe('');
    for (const { title, finds, lines } of parseCases(rule.slug, casesText, nowMs)) {
      const { alerting } = outcomeOf(rule, mapLines(lines, layers, nowMs), mapping, nowMs, delayMs);
      expect(alerting.length > 0, title).toBe(finds);
    }
  }
});

test('docs/detections.md says at how many bytes the mapping cuts values that rules inspect', () => {
  const page = readFileSync(new URL('docs/detections.md', root), 'utf8');
  const { limits, attributes } = loadMapping(['databricks-audit'], '.');
  const bytes = (size: number | undefined) => size?.toLocaleString('en');
  for (const name of ['databricks.error.message', 'databricks.response.result']) {
    const own = attributes.get(name)?.[0]?.limits?.bytes;
    expect(page).toContain(`are cut at ${bytes(own)} bytes and other values at ${bytes(limits.textBytes)}`);
  }
});

test('a refused sign-in of any kind that the mapping knows counts as a failed login', () => {
  const whole = readFileSync(new URL('mappings/databricks-audit.yaml', root), 'utf8');
  const [, { when }] = parse(whole).attributes['databricks.principal.name'];
  for (const slug of ['login-failed-repeatedly', 'password-spraying']) {
    const [record] = parseAllDocuments(rules.find((rule) => rule.slug === slug)?.source ?? '');
    const { actionName, 'response.statusCode': status } = record?.toJS().detection.selection ?? {};
    expect(new Set(actionName), slug).toEqual(new Set(when.action));
    expect(status, slug).toEqual(when.status);
  }
});

describe("the JSON schemas of Sigma's specification 2.1", () => {
  // `format` is an annotation in this draft; ids are checked as UUIDs when rules are read.
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  const validator = (name: string) => {
    const { $schema: _, ...schema } = JSON.parse(
      readFileSync(new URL(`sigma-schema/sigma-${name}-schema.json`, import.meta.url), 'utf8'),
    );
    return ajv.compile(schema);
  };
  const validateRule = validator('detection-rule');
  const validateCorrelation = validator('correlation-rules');
  const validateFilter = validator('filters');

  test.each(rules)('hold for $slug', ({ source }) => {
    for (const document of parseAllDocuments(source)) {
      const content: unknown = document.toJS();
      const validate =
        typeof content === 'object' && content !== null && 'correlation' in content
          ? validateCorrelation
          : validateRule;
      expect(validate(content), JSON.stringify(validate.errors)).toBe(true);
    }
  });

  test('hold for the examples of filters', () => {
    const names = globSync('*.yml', { cwd: new URL('examples/filters/', root) });
    expect(names.length).toBeGreaterThan(0);
    for (const name of names) {
      const content: unknown = parse(readFileSync(new URL(`examples/filters/${name}`, root), 'utf8'));
      expect(validateFilter(content), JSON.stringify(validateFilter.errors)).toBe(true);
    }
  });

  test('refuse a rule without a log source, and a level that there is not', () => {
    expect(validateRule({ title: 'a', detection: { condition: 'b' } })).toBe(false);
    expect(validateRule({ title: 'a', logsource: {}, detection: { condition: 'b' }, level: 'severe' })).toBe(false);
  });
});
