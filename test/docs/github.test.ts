/**
 * What GitHub reads: the forms for issues, and what Dependabot looks after.
 */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';

const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string) => readFileSync(`${root}${path}`, 'utf8');

const form = z.strictObject({
  name: z.string(),
  description: z.string(),
  labels: z.array(z.string()),
  body: z.array(
    z.discriminatedUnion('type', [
      z.strictObject({ type: z.literal('markdown'), attributes: z.strictObject({ value: z.string() }) }),
      z.strictObject({
        type: z.enum(['textarea', 'input', 'dropdown']),
        id: z.string().regex(/^[a-z-]+$/),
        attributes: z.strictObject({
          label: z.string(),
          description: z.string().optional(),
          placeholder: z.string().optional(),
          render: z.string().optional(),
          options: z.array(z.string()).optional(),
        }),
        validations: z.strictObject({ required: z.boolean() }).optional(),
      }),
    ]),
  ),
});

const forms = globSync('.github/ISSUE_TEMPLATE/*.yml', { cwd: root }).filter((path) => !path.endsWith('/config.yml'));

describe.each(forms)('%s', (path) => {
  const { body } = form.parse(parse(read(path)));

  test('asks each question once', () => {
    const ids = body.flatMap((part) => (part.type === 'markdown' ? [] : [part.id]));
    expect(ids.length).toBeGreaterThan(0);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('links to files that exist', () => {
    const links = [...read(path).matchAll(/\]\(\.\.\/blob\/main\/([^)#]+)/g)].map(([, target = '']) => target);
    expect(links.filter((target) => !existsSync(`${root}${target}`))).toEqual([]);
  });
});

describe('Dependabot', () => {
  const update = z.object({
    'package-ecosystem': z.string(),
    directory: z.string().optional(),
    directories: z.array(z.string()).default([]),
  });
  const { updates } = z.object({ updates: z.array(update) }).parse(parse(read('.github/dependabot.yml')));
  const directoriesOf = (ecosystem: string) =>
    updates.flatMap((each) =>
      each['package-ecosystem'] === ecosystem
        ? [...each.directories, ...(each.directory === undefined ? [] : [each.directory])]
        : [],
    );

  test('looks after packages, actions and base images', () => {
    for (const ecosystem of ['npm', 'github-actions', 'docker']) expect(directoriesOf(ecosystem)).toContain('/');
  });

  test('looks after every folder of the examples that names the image of somebody else', () => {
    const files = globSync('examples/**/*.{yaml,yml}', { cwd: root }).filter((path) =>
      [...read(path).matchAll(/^\s*-?\s*image: *(\S+)/gm)].some(
        ([, image = '']) => !/databricks-audit-otel/.test(image),
      ),
    );
    const foldersOf = (isCompose: boolean) =>
      new Set(files.filter((path) => /\/compose[^/]*$/.test(path) === isCompose).map((path) => `/${dirname(path)}`));
    expect(foldersOf(true).size).toBeGreaterThan(0);
    expect([...foldersOf(true)].filter((folder) => !directoriesOf('docker-compose').includes(folder))).toEqual([]);
    expect([...foldersOf(false)].filter((folder) => !directoriesOf('docker').includes(folder))).toEqual([]);
  });

  test('looks where there is something', () => {
    const folders = updates.flatMap((each) => each.directories);
    expect(folders.filter((folder) => !existsSync(`${root}${folder.slice(1)}`))).toEqual([]);
  });
});
