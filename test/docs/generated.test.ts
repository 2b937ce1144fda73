import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { variables } from '../../src/config/variables.ts';
import { generatedDocuments } from '../support/write-docs.ts';

for (const [path, { render, says }] of Object.entries(generatedDocuments)) {
  test(`${path} is what ${says}; run npm run docs`, () => {
    expect(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')).toBe(render());
  });
}

test('docs/configuration.md has a row for every variable', () => {
  const text = generatedDocuments['docs/configuration.md'].render();
  for (const name of Object.keys(variables)) expect(text).toContain(`| \`${name}\` |`);
});
