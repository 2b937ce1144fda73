/**
 * The mapping: from lines of Databricks audit logs to OpenTelemetry log records.
 */
export { createMapper, type MapperOptions } from './line-mapper.ts';
export type { RedactionClass } from './options.ts';
export { encodeOtlpJson } from './otlp-json.ts';
