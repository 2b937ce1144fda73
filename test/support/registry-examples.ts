/**
 * Examples for the registry of semantic conventions: what the attributes are in golden pairs with usual records.
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { RegistryExamples } from '../../src/tools/mapping/registry.ts';

/** The first ones count. */
const cases = [
  'system-table',
  'public-samples',
  'gcp',
  'principals',
  'other-fields',
  'outcomes',
  'client-addresses',
  'token-lifetimes',
  'unparsed',
  'cut-lines',
  'immuta-spark',
  'immuta-uam',
  'immuta-unparsed',
];
const examplesMax = 2;
const textLengthMax = 200;

const attributes = z.array(
  z.object({
    key: z.string(),
    value: z.object({ stringValue: z.string().optional(), intValue: z.string().optional() }),
  }),
);
const records = z.array(z.object({ resource: z.object({ attributes }), attributes }));

export function registryExamples(): RegistryExamples {
  const examples = new Map<string, (string | number)[]>();
  for (const name of cases) {
    const file = new URL(`../mappings/${name}/expected.json`, import.meta.url);
    for (const record of records.parse(JSON.parse(readFileSync(file, 'utf8')))) {
      for (const { key, value } of [...record.resource.attributes, ...record.attributes]) {
        const example = value.stringValue ?? (value.intValue === undefined ? undefined : Number(value.intValue));
        if (example === undefined || String(example).length > textLengthMax) continue;
        const known = examples.get(key) ?? [];
        if (known.length < examplesMax && !known.includes(example)) examples.set(key, [...known, example]);
      }
    }
  }
  return examples;
}
