/**
 * Maps lines of Databricks audit logs to OpenTelemetry log records.
 */

export { conversionTypes, principalTypes } from './conversions.ts';
export { createMapper, type MapperOptions } from './mapper.ts';
export { loadMapping, type Mapping } from './mapping-file.ts';
export type { Condition, Redaction, ResourceRule, Rule } from './mapping-schema.ts';
export { type RedactionClass, redactionClasses } from './redaction-classes.ts';
