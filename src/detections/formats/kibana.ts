/**
 * Kibana's detection rules as NDJSON, for Rules > Import or POST /api/detection_engine/rules/_import. The query language is
 * Lucene: Kibana sends it as the `query_string` that the tests send.
 */
import { alertAttributes, runbookUrl } from '../alert.ts';
import { tactics, techniques, techniqueUrl } from '../attack.ts';
import { elasticsearch } from '../backends/elasticsearch.ts';
import type { MappingTables } from '../fields.ts';
import type { PackContext } from '../pack-context.ts';
import { type DetectionRule, type Finding, type Level, timespanOf } from '../rule.ts';
import { windowOf } from '../windows.ts';

const riskScores: Readonly<Record<Level, number>> = { informational: 1, low: 21, medium: 47, high: 73, critical: 99 };

export function kibanaFile(rules: readonly DetectionRule[], context: PackContext): string {
  return rules.map((rule) => `${JSON.stringify(kibanaRule(rule, context))}\n`).join('');
}

/**
 * As the Collector's elasticsearch exporter names data streams in its mode `otel`.
 *
 * @throws Error if the mapping names none: the exporter would write to another one.
 */
export function kibanaIndex({ scopeAttributes }: MappingTables): string {
  const dataset = scopeAttributes.get('data_stream.dataset');
  if (dataset === undefined)
    throw new Error(
      'the mapping has no attribute data_stream.dataset in its scope, so that no record arrives in a data stream that the rules could search; ' +
        'add the layer elastic, as in --mapping databricks-audit,elastic, or set the attribute in a layer of yours',
    );
  return `logs-${dataset.toLowerCase().replaceAll(/[-\\/*?"<>| ,#:]/g, '_')}.otel-*`;
}

export function kibanaRule(rule: DetectionRule, context: PackContext) {
  const { interval, range, offset } = windowOf(rule, context.delayMs);
  const until = offset?.ms ?? 0;
  return {
    rule_id: rule.id,
    name: rule.title,
    description: rule.description.replaceAll(/\s+/g, ' '),
    // An import must not flood anyone with alerts.
    enabled: false,
    severity: rule.level === 'informational' ? 'low' : rule.level,
    risk_score: riskScores[rule.level],
    interval: interval.text,
    from: `now-${timespanOf(until + range.ms).text}`,
    to: until === 0 ? 'now' : `now-${timespanOf(until).text}`,
    language: 'lucene',
    index: [kibanaIndex(context.mapping)],
    query: elasticsearch.query(rule.condition, context.attributeOf),
    ...typed(rule.finding, context, until + range.ms),
    max_signals: 100,
    tags: ['Databricks', ...rule.tactics.map((tag) => `Tactic: ${tactics[tag]?.name ?? tag}`)],
    threat: threatOf(rule),
    false_positives: rule.falsePositives,
    note: `## Triage\n\n${rule.triage.map((step, position) => `${position + 1}. ${step}`).join('\n')}\n\nSee ${runbookUrl(rule)}.`,
    references: [],
    investigation_fields: { field_names: alertAttributes(rule.fields, context.mapping).map(elasticsearch.fieldName) },
    author: ['databricks-audit-otel'],
    license: 'Apache-2.0',
    version: 1,
  };
}

/** What is a rule's type in Kibana, and the fields of that type. */
function typed(finding: Finding, context: PackContext, sinceMs: number) {
  const name = (field: string) => elasticsearch.fieldName(context.attributeOf(field));
  switch (finding.type) {
    case 'event':
      return { type: 'query' };
    case 'event_count':
      return {
        type: 'threshold',
        threshold: { field: finding.groupBy.map(name), value: finding.min, cardinality: [] },
      };
    case 'value_count': {
      const cardinality = [{ field: name(finding.field), value: finding.min }];
      return { type: 'threshold', threshold: { field: finding.groupBy.map(name), value: 1, cardinality } };
    }
    case 'new_terms':
      return {
        type: 'new_terms',
        new_terms_fields: finding.fields.map(name),
        history_window_start: `now-${timespanOf(finding.history.ms + sinceMs).text}`,
      };
  }
}

function threatOf({ tactics: tags, techniques: ids }: DetectionRule) {
  return tags.map((tag, position) => ({
    framework: 'MITRE ATT&CK',
    tactic: { ...tacticOf(tag), reference: `https://attack.mitre.org/tactics/${tacticOf(tag).id}/` },
    // Techniques belong to the first tactic that is named.
    technique: position > 0 ? [] : ids.map(techniqueOf),
  }));
}

function tacticOf(tag: string) {
  const tactic = tactics[tag];
  if (tactic === undefined) throw new Error(`expected a tactic of ATT&CK, got ${tag}`);
  return tactic;
}

function techniqueOf(id: string) {
  const [parent = id] = id.split('.');
  const named = (name: string) => ({ id: name, name: techniqueName(name), reference: techniqueUrl(name) });
  return parent === id ? named(id) : { ...named(parent), subtechnique: [named(id)] };
}

function techniqueName(id: string): string {
  const name = techniques[id];
  if (name === undefined) throw new Error(`expected a technique that attack.ts names, got ${id}`);
  return name;
}
