/**
 * From rules to the file of a format: which rules are in it, and what a backend refuses of them.
 */

import type { QueryBackend } from './backends/backend.ts';
import { elasticsearch } from './backends/elasticsearch.ts';
import { loki } from './backends/loki.ts';
import { fieldsOf } from './condition.ts';
import type { RuleFilter } from './filter-file.ts';
import { grafanaFile } from './formats/grafana.ts';
import { kibanaFile, kibanaIndex } from './formats/kibana.ts';
import { lokiFile } from './formats/loki.ts';
import { sigmaFile, sigmaPipelineFile } from './formats/sigma.ts';
import { contextOf, type PackContext, type PackOptions } from './pack-context.ts';
import { type DetectionRule, type FormatName, levels } from './rule.ts';

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

/** Of the formats that are queries. */
const backends: Readonly<Partial<Record<FormatName, QueryBackend>>> = {
  loki,
  grafana: loki,
  kibana: elasticsearch,
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
  checkFilters(filters, format, context);
  // Here, as each rule would report it.
  if (format === 'kibana') kibanaIndex(context.mapping);
  const chosen = rules.filter(({ level }) => levels.indexOf(level) >= levels.indexOf(options.level));
  const leftOut = chosen.flatMap((rule) => {
    const reason = rule.notOn[format];
    return reason === undefined ? [] : [{ rule, reason }];
  });
  const written = chosen.filter(({ notOn }) => notOn[format] === undefined);
  // Each rule by itself first, so that all that cannot be written are named at once.
  const mistakes = written.flatMap((rule) =>
    mistakesOf(() => formats[format]([rule], context)).map((mistake) => `${rule.slug}: ${mistake}`),
  );
  if (mistakes.length > 0) throw new Error(mistakes.join('\n'));
  const text = formats[format](written, context);
  return {
    text: format === 'sigma' ? [text, ...filters.map(({ source }) => source.trimEnd())].join('\n---\n') : text,
    leftOut,
  };
}

/** Filters by themselves, as each rule that one is for would report its mistakes as its own. */
function checkFilters(filters: readonly RuleFilter[], format: FormatName, { attributeOf }: PackContext): void {
  const mistakes = filters.flatMap(({ fileName, condition }) => {
    const ofFields = fieldsOf(condition).flatMap((field) => mistakesOf(() => attributeOf(field)));
    const all = ofFields.length > 0 ? ofFields : mistakesOf(() => backends[format]?.query(condition, attributeOf));
    return all.map((mistake) => `${fileName}: ${mistake}`);
  });
  if (mistakes.length > 0) throw new Error(mistakes.join('\n'));
}

function mistakesOf(attempt: () => unknown): string[] {
  try {
    attempt();
    return [];
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return [error.message];
  }
}
