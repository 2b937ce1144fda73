/**
 * The options of the mapping, as environment variables.
 */
import { z } from 'zod';
import { duration, variable } from '../runtime/variable.ts';
import { type RedactionClass, redactionClasses } from './redaction-classes.ts';

export { builtInNames, mappingMistakes } from './mapping-file.ts';
export type { RedactionClass } from './redaction-classes.ts';

const redactionExpected = 'expected a comma-separated list of none, secrets, commands';

export const mappingOptions = {
  DATABRICKS_AUDIT_MAPPING: z
    .string()
    .default('databricks-audit')
    .transform(listOf)
    // A URL may contain a password, and the report of a file that cannot be read shows its name.
    .refine(
      (layers) => layers.length > 0 && !layers.some((layer) => layer.includes('://')),
      'expected a comma-separated list of built-in names and paths',
    )
    .describe(
      'Comma-separated list of mapping layers: built-in names (`databricks-audit`, `immuta-audit`, `elastic`, `immuta-elastic`, `loki`) or paths of YAML files. Later layers extend or override earlier ones. Default `databricks-audit`.',
    ),
  DATABRICKS_AUDIT_REDACT: z
    .string()
    .default('secrets')
    .transform((text, context): readonly RedactionClass[] => {
      const classes = parseRedaction(listOf(text));
      if (classes !== undefined) return classes;
      context.addIssue({ code: 'custom', message: redactionExpected });
      return z.NEVER;
    })
    .describe(
      'What to replace with `[redacted]` in bodies, attributes and dead letters: `none`, `secrets` (passwords, tokens, keys, secret values), `commands` (code, SQL and arguments) or `secrets,commands`. Default `secrets`.',
    ),
  DATABRICKS_AUDIT_LATE_AFTER: variable(duration(0, '24h'))
    .transform((value) => value ?? 86_400_000)
    .describe(
      'Events delivered more than this long after they occurred count as late; `0` turns this off. Default `24h`.',
    ),
};

/** The layers in `?mapping=` of a source, and in `ObjectOrigin.mapping`. */
export const layersOf = listOf;

function listOf(text: string): readonly string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

function parseRedaction(items: readonly string[]): readonly RedactionClass[] | undefined {
  if (items.length === 1 && items[0] === 'none') return [];
  const classes = redactionClasses.filter((name) => items.includes(name));
  const known = items.every((item) => (redactionClasses as readonly string[]).includes(item));
  return known && classes.length > 0 ? classes : undefined;
}
