/**
 * From rules to the file of a format: which rules are in it, and what a backend refuses of them.
 */

import { type Attribute, attributeOf, type MappingTables } from './fields.ts';
import type { RuleFilter } from './filter-file.ts';
import { grafanaFile } from './formats/grafana.ts';
import { kibanaFile } from './formats/kibana.ts';
import { lokiFile } from './formats/loki.ts';
import { sigmaFile, sigmaPipelineFile } from './formats/sigma.ts';
import { type DetectionRule, type FormatName, type Level, levels } from './rule.ts';

export interface PackOptions {
  readonly mapping: MappingTables;
  /** The `service.name` of the records, which is a stream of Loki. */
  readonly serviceName: string;
  /** How late a record may be and still count. */
  readonly delayMs: number;
  /** The lowest level that is written. */
  readonly level: Level;
  /** For Loki: single-event rules of a level become one query. */
  readonly allInOne: boolean;
}

/** What the formats are given. */
export interface PackContext extends PackOptions {
  /** @throws Error for a field that no attribute holds. */
  readonly attributeOf: (field: string) => Attribute;
}

export interface CompiledPack {
  readonly text: string;
  /** Rules that say of themselves that they are not for this format, with the reason. */
  readonly leftOut: readonly { readonly rule: DetectionRule; readonly reason: string }[];
}

const formats: Readonly<Record<FormatName, (rules: readonly DetectionRule[], context: PackContext) => string>> = {
  loki: lokiFile,
  grafana: grafanaFile,
  kibana: kibanaFile,
  sigma: sigmaFile,
  'sigma-pipeline': sigmaPipelineFile,
};

/**
 * @param rules with filters applied.
 * @throws Error with every rule that cannot be written, and why.
 */
export function compilePack(
  format: FormatName,
  rules: readonly DetectionRule[],
  options: PackOptions,
  filters: readonly RuleFilter[] = [],
): CompiledPack {
  const context = contextOf(options);
  const chosen = rules.filter(({ level }) => levels.indexOf(level) >= levels.indexOf(options.level));
  const leftOut = chosen.flatMap((rule) => {
    const reason = rule.notOn[format];
    return reason === undefined ? [] : [{ rule, reason }];
  });
  const written = chosen.filter(({ notOn }) => notOn[format] === undefined);
  // Each rule by itself first, so that all that cannot be written are named at once.
  const mistakes = written.flatMap((rule) => {
    try {
      formats[format]([rule], context);
      return [];
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      return [`${rule.slug}: ${error.message}`];
    }
  });
  if (mistakes.length > 0) throw new Error(mistakes.join('\n'));
  const text = formats[format](written, context);
  return {
    text: format === 'sigma' ? [text, ...filters.map(({ source }) => source.trimEnd())].join('\n---\n') : text,
    leftOut,
  };
}

export function contextOf(options: PackOptions): PackContext {
  return {
    ...options,
    attributeOf: (field) => {
      const attribute = attributeOf(field, options.mapping);
      if (attribute === undefined) throw new Error(`the mapping has no attribute for the field ${field}`);
      return attribute;
    },
  };
}
