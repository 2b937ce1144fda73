/**
 * What an alert says, whatever backend raises it: labels, and texts with the reader's next steps.
 */
import { type Attribute, attributeOf, type MappingTables } from './fields.ts';
import type { DetectionRule } from './rule.ts';

/** Raw fields that every alert names: who, from where, in which workspace, and what. */
export const contextFields = [
  'userIdentity.email',
  'otel.databricks.principal.type',
  'sourceIPAddress',
  'workspaceId',
  'serviceName',
  'actionName',
] as const;

/** Of the context and of a rule's own fields, each once. Attributes that a layer removed are skipped. */
export function alertAttributes(fields: readonly string[], mapping: MappingTables): Attribute[] {
  const attributes = [...contextFields, ...fields].flatMap((field) => attributeOf(field, mapping) ?? []);
  return attributes.filter(({ name }, index) => attributes.findIndex((other) => other.name === name) === index);
}

/** Where docs/detections.md has the rule. */
export function runbookUrl({ title }: DetectionRule): string {
  const anchor = title
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-');
  return `docs/detections.md#${anchor}`;
}

/** What routing goes by. */
export function alertLabels({ level, slug, tactics, techniques }: DetectionRule): Record<string, string> {
  return {
    severity: level,
    rule: slug,
    tactic: tactics[0] ?? '',
    ...(techniques[0] === undefined ? {} : { technique: techniques[0] }),
  };
}
