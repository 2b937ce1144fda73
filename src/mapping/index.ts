/**
 * Maps lines of Databricks audit logs to OpenTelemetry log records.
 */

export { isJsonObject, parseOrNothing } from '../runtime/exact-json.ts';
export { type FieldUse, fieldUsesOf } from './field-uses.ts';
export { goldenLines, goldenOptions, goldenRecords, goldenText } from './golden.ts';
export { createMapper, type MapperOptions } from './mapper.ts';
export { loadMapping, type Mapping } from './mapping-file.ts';
export { encodeOtlpJson } from './otlp/replay.ts';
export { recordBatch } from './record-batch.ts';
export type { RedactionClass } from './redaction-classes.ts';
export { type MappingRow, mappingRows } from './reference.ts';
