/**
 * The detection pack: from Sigma rules to what backends alert by. A file of detections/rules/ becomes a rule
 * (`rule-file.ts`), its condition a tree (`detection-section.ts`), the tree a query (`backends/`), and queries become the
 * file of a format (`formats/`).
 */

export type { MappingTables } from './fields.ts';
export { applyFilters } from './filter-file.ts';
export { type CompiledPack, compilePack } from './pack.ts';
export type { PackOptions } from './pack-context.ts';
export { type FormatName, formatNames, type Level, levels } from './rule.ts';
export { readFilters, readRules } from './rule-directory.ts';
