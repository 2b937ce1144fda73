/**
 * Everything that the documents link to, and every command that they show, must exist.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { variables } from '../../src/config/variables.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const documents = globSync(['*.md', 'docs/**/*.md'], { cwd: root });
const read = (path: string) => readFileSync(join(root, path), 'utf8');

test('there are documents to check', () => {
  expect(documents).toEqual(
    expect.arrayContaining(['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md', 'docs/delivery.md']),
  );
});

describe.each(documents)('%s', (document) => {
  const text = read(document);

  test('links to files and headings that exist', () => {
    const dead = linksOf(text).filter((target) => !leadsSomewhere(document, target));
    expect(dead).toEqual([]);
  });

  test('names only environment variables that exist', () => {
    // A name that ends with an underscore is a prefix (`OTEL_EXPORTER_OTLP_*`).
    const names = [...text.matchAll(/\b(?:DATABRICKS_AUDIT|OTEL)_[A-Z_]*[A-Z]\b(?![_*])/g)].map(([name]) => name);
    expect(names.filter((name) => !(name in variables))).toEqual([]);
  });

  test('shows only commands that exist', () => {
    for (const block of shellBlocksOf(text)) {
      for (const [, script = ''] of block.matchAll(/\bnpm run ([\w:-]+)/g)) expect(scripts).toContain(script);
      for (const [script] of block.matchAll(/(?<=\bnpm )(?:start|test)\b/g)) expect(scripts).toContain(script);
      for (const [, command = ''] of block.matchAll(/(?:src\/cli\.ts|npx databricks-audit-otel) +([a-z]+)/g)) {
        expect(commands).toContain(command);
      }
      for (const [path] of block.matchAll(/\b(?:src|examples)\/[\w./=-]+/g))
        expect(existsSync(join(root, path)), path).toBe(true);
    }
  });
});

test('docs/decisions has numbers without gaps, and no number twice', () => {
  const numbers = documents.filter((path) => path.startsWith('docs/decisions/')).map((path) => path.slice(15, 19));
  expect(numbers.sort()).toEqual(numbers.map((_, index) => String(index + 1).padStart(4, '0')));
});

test('comments in src, charts and examples name documents that exist', () => {
  const files = ['src/**/*.ts', 'charts/**/*.{yaml,tpl,txt,json}', 'examples/**/*.{yaml,yml,tf,ts,sh}', 'Dockerfile'];
  const named = globSync(files, { cwd: root }).flatMap(
    (path) => read(path).match(/(?<!opentelemetry-proto, )\bdocs\/[\w/-]+\.md/g) ?? [],
  );
  expect(named.length).toBeGreaterThan(0);
  expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

const { scripts: scriptTable } = z
  .object({ scripts: z.record(z.string(), z.string()) })
  .parse(JSON.parse(read('package.json')));
const scripts = Object.keys(scriptTable);
const help = execFileSync(process.execPath, [join(root, 'src/cli.ts'), '--help'], { encoding: 'utf8' });
const commands = [...help.matchAll(/^ {2}([a-z]+) [[<a-z ]/gm)].map(([, name]) => name);

function linksOf(markdown: string): readonly string[] {
  const links = [...markdown.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
  return links.filter((target) => !/^[a-z]+:/.test(target));
}

function leadsSomewhere(document: string, target: string): boolean {
  const [path = '', heading] = target.split('#');
  const file = path === '' ? document : relative(root, join(root, dirname(document), path));
  if (!existsSync(join(root, file))) return false;
  return heading === undefined || anchorsOf(read(file)).includes(heading);
}

/** As GitHub generates them: lower case, no punctuation, hyphens for spaces. */
function anchorsOf(markdown: string): readonly string[] {
  return [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

function shellBlocksOf(markdown: string): readonly string[] {
  return [...markdown.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block = '']) => block);
}
