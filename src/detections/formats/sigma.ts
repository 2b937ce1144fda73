/**
 * Sigma itself, for every other backend: the rules as they are, with raw field names, and a pySigma pipeline that puts the
 * names of our attributes in their place.
 */
import { stringify } from 'yaml';
import { contextFields } from '../alert.ts';
import { fieldsOf } from '../condition.ts';
import { attributeOf } from '../fields.ts';
import type { PackContext } from '../pack-context.ts';
import { type DetectionRule, fieldsOfFinding } from '../rule.ts';

export function sigmaFile(rules: readonly DetectionRule[]): string {
  return rules
    .map(({ source }) => source.trimEnd())
    .join('\n---\n')
    .concat('\n');
}

export function sigmaPipelineFile(rules: readonly DetectionRule[], context: PackContext): string {
  const needed = new Set(rules.flatMap((rule) => [...fieldsOf(rule.condition), ...fieldsOfFinding(rule.finding)]));
  const shown = [...contextFields, ...rules.flatMap((rule) => rule.fields)];
  const mapping = [...new Set([...needed, ...shown])].toSorted().flatMap((field) => {
    const attribute = needed.has(field) ? context.attributeOf(field) : attributeOf(field, context.mapping);
    return attribute === undefined ? [] : [[field, attribute.name] as const];
  });
  const pipeline = {
    name: 'Databricks audit logs as databricks-audit-otel ships them',
    priority: 20,
    transformations: [
      {
        id: 'databricks_audit_otel_names',
        type: 'field_name_mapping',
        mapping: Object.fromEntries(mapping),
        rule_conditions: [{ type: 'logsource', product: 'databricks', service: 'audit' }],
      },
    ],
  };
  return `# Written by \`databricks-audit-otel detections --format sigma-pipeline\`, for pySigma.\n${stringify(pipeline, { lineWidth: 0 })}`;
}
