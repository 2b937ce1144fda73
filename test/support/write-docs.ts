/**
 * Writes the generated documents: `npm run docs`. Tests hold each of them up to date.
 */
import { writeFileSync } from 'node:fs';
import { renderMappingReference } from '../../src/mapping/reference.ts';

const documents = { 'mapping.md': renderMappingReference };

for (const [name, render] of Object.entries(documents)) {
  writeFileSync(new URL(`../../docs/${name}`, import.meta.url), render());
}
