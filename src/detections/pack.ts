/**
 * From rules to the file of a format: which rules are in it, and what a backend refuses of them.
 */

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
  checkFields(filters, context);
  // Here, as each rule would report it.
  if (format === 'kibana') kibanaIndex(context.mapping);
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

/** Of filters by themselves, as each rule that one is for would name the field as its own. */
function checkFields(filters: readonly RuleFilter[], { attributeOf }: PackContext): void {
  const mistakes = filters.flatMap(({ fileName, condition }) =>
    fieldsOf(condition).flatMap((field) => {
      try {
        attributeOf(field);
        return [];
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        return [`${fileName}: ${error.message}`];
      }
    }),
  );
  if (mistakes.length > 0) throw new Error(mistakes.join('\n'));
}
