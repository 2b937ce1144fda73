/**
 * The rules of this package, and the filters of a user, from their folders.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseFilterFile, type RuleFilter } from './filter-file.ts';
import type { DetectionRule } from './rule.ts';
import { parseRuleFile } from './rule-file.ts';

/** The package has its rules at its root, one level above both src/ and dist/. */
const builtInDirectory = fileURLToPath(new URL('../../detections/rules/', import.meta.url));

/** In the order of their names. @throws Error with every mistake of every file. */
export function readRules(directory: string = builtInDirectory): DetectionRule[] {
  const rules = readAll(directory, '.yml', parseRuleFile);
  const twice = rules.flatMap(({ references, name }, index) =>
    [name, ...references].filter((id) =>
      rules.slice(0, index).some((other) => other.name === id || other.references.includes(id)),
    ),
  );
  if (twice.length > 0) throw new Error(`expected each name and id once, got twice: ${twice.join(', ')}`);
  return rules;
}

/** @throws Error with every mistake of every file. */
export function readFilters(directory: string): RuleFilter[] {
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new Error(`expected a folder of Sigma filters, got ${JSON.stringify(directory)}`);
  const filters = readAll(directory, '', parseFilterFile);
  if (filters.length === 0)
    throw new Error(
      `expected Sigma filters (mf_*.yml) in the folder ${JSON.stringify(directory)}, found no file that ends with .yml or .yaml`,
    );
  return filters;
}

function readAll<Parsed>(
  directory: string,
  ending: string,
  parse: (fileName: string, text: string) => Parsed,
): Parsed[] {
  const mistakes: string[] = [];
  const names = readdirSync(directory).filter((name) => name.endsWith(ending) && /\.ya?ml$/.test(name));
  const parsed = names.toSorted().flatMap((name) => {
    try {
      return [parse(name, readFileSync(join(directory, name), 'utf8'))];
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      mistakes.push(...error.message.split('\n').map((line) => `${name}: ${line}`));
      return [];
    }
  });
  if (mistakes.length > 0) throw new Error(mistakes.join('\n'));
  return parsed;
}
