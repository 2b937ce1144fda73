import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { renderMappingReference } from '../../../src/tools/mapping/reference.ts';

it('docs/mapping.md is what `npm run docs` writes', () => {
  expect(readFileSync(new URL('../../../docs/mapping.md', import.meta.url), 'utf8')).toBe(renderMappingReference());
});

it('docs/mapping.md names every attribute of the mapping file', () => {
  const mappingFile = readFileSync(new URL('../../../mappings/databricks-audit.yaml', import.meta.url), 'utf8');
  const targets = [...mappingFile.matchAll(/^ {2}([a-z][a-z0-9_]*\.[a-z0-9_.]+):/gm)].map(([, target]) => target);
  expect(targets.length).toBeGreaterThan(35);
  for (const target of targets) expect(renderMappingReference()).toContain(`| \`${target}\` |`);
});
