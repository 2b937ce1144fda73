import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { errorCodes } from '../../src/model/agent-error.ts';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

test('docs/errors.md has one section for each error code, in the order of the codes', () => {
  const sections = [...read('docs/errors.md').matchAll(/^### (ERR_\w+)$/gm)].map(([, code]) => code);
  expect(sections).toEqual([...errorCodes]);
});

test('every section says what to look at and what to do', () => {
  for (const section of read('docs/errors.md')
    .split(/^### (?=ERR_)/m)
    .slice(1)) {
    const [code] = section.split('\n', 1);
    expect(section, code).toContain('**Look at**');
    expect(section, code).toContain('**Do**');
  }
});

test('every error code is used somewhere', () => {
  const sources = readdirSync(new URL('../../src/', import.meta.url), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !path.endsWith('agent-error.ts'))
    .map((path) => read(`src/${path}`))
    .join('\n');
  expect(errorCodes.filter((code) => !sources.includes(`'${code}'`))).toEqual([]);
});
