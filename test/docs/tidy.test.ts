/**
 * House rules that no linter knows.
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

/** Where the real time or chance is read, and why not from a clock that was passed in. */
const readsTheRealTime: Readonly<Record<string, string>> = {
  'src/runtime/clock.ts': 'is the clock',
  'src/tools/preview.ts': 'standard input has no modification time, and nothing of a preview is sent',
};

test('there are files to look at', () => expect(files.length).toBeGreaterThan(50));

describe('every file in src', () => {
  test('opens with what it is for, unless it does nothing but pass on exports', () => {
    const opening = /^(#!.*\n)?\/(\*\*|\/) ?/;
    const onlyExports = /^(export [^;]+ from '[^']+';\n)+$/;
    expect(pathsOf(({ text }) => !opening.test(text) && !onlyExports.test(text))).toEqual([]);
  });

  test(`has at most ${linesMax} lines`, () => {
    expect(pathsOf(({ text }) => text.split('\n').length - 1 > linesMax)).toEqual([]);
  });

  test('has nothing put off in it', () => {
    expect(pathsOf(({ text }) => /\b(TODO|FIXME|XXX|HACK)\b/.test(text))).toEqual([]);
  });

  test('takes time and chance from the clock that it was given', () => {
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
