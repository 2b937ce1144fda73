/**
 * House rules that no linter checks.
 */
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const files = globSync('src/**/*.ts', { cwd: root }).map((path) => ({
  path,
  text: readFileSync(`${root}${path}`, 'utf8'),
}));
const linesMax = 400;

/** The files that read the real time or randomness instead of an injected clock, and why. */
const readsTheRealTime: Readonly<Record<string, string>> = {
  'src/runtime/clock.ts': 'is the real clock',
  'src/tools/preview.ts': 'standard input has no modification time, and a preview is not sent',
};

test('there are files to check', () => expect(files.length).toBeGreaterThan(50));

describe('every file in src', () => {
  test('starts with a comment about its purpose, unless it only re-exports', () => {
    const opening = /^(#!.*\n)?\/(\*\*|\/) ?/;
    const onlyExports = /^(export [^;]+ from '[^']+';\n)+$/;
    expect(pathsOf(({ text }) => !opening.test(text) && !onlyExports.test(text))).toEqual([]);
  });

  test(`has at most ${linesMax} lines`, () => {
    expect(pathsOf(({ text }) => text.split('\n').length - 1 > linesMax)).toEqual([]);
  });

  test('has no TODO or the like', () => {
    expect(pathsOf(({ text }) => /\b(TODO|FIXME|XXX|HACK)\b/.test(text))).toEqual([]);
  });

  test('takes time and randomness from an injected clock', () => {
    const reads = /\b(Date\.now|Math\.random)\(|new Date\(\)/;
    expect(pathsOf(({ text }) => reads.test(text))).toEqual(Object.keys(readsTheRealTime).sort());
  });
});

function pathsOf(isAtFault: (file: { readonly text: string }) => boolean): readonly string[] {
  return files
    .filter(isAtFault)
    .map(({ path }) => path)
    .sort();
}
