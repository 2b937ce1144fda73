/**
 * What `npm ci` installs and runs on the machine of a developer, in CI and in the build of the image, and what CI itself runs.
 */
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { z } from 'zod';

const read = (path: string): unknown => JSON.parse(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8'));

const locked = z
  .object({
    packages: z.record(
      z.string(),
      z.object({
        integrity: z.string().optional(),
        link: z.boolean().optional(),
        hasInstallScript: z.boolean().optional(),
      }),
    ),
  })
  .transform(({ packages }) => Object.entries(packages).map(([path, entry]) => ({ path, ...entry })))
  .parse(read('package-lock.json'));
/** Folders of this repository are not below `node_modules`. */
const installed = locked.filter(({ path, link }) => path.includes('node_modules/') && link !== true);

test('every package that is installed is pinned by its hash', () => {
  expect(installed.length).toBeGreaterThan(100);
  expect(installed.filter(({ integrity }) => !integrity?.startsWith('sha512-'))).toEqual([]);
});

test('no package runs a script when it is installed: a script can install what no hash covers', () => {
  const { allowScripts } = z.object({ allowScripts: z.record(z.string(), z.boolean()) }).parse(read('package.json'));
  const scripted = installed.filter(({ hasInstallScript }) => hasInstallScript === true).map(({ path }) => path);
  expect(scripted.map((path) => path.replace(/^.*node_modules\//, '')).sort()).toEqual(
    Object.keys(allowScripts).sort(),
  );
  expect(Object.values(allowScripts)).not.toContain(true);
});

test('the Node.js of npm scripts is the same on every platform', () => {
  const folder = z
    .object({ optionalDependencies: z.record(z.string(), z.string()) })
    .parse(read('scripts/node-for-development/package.json'));
  const versions = Object.values(folder.optionalDependencies);
  expect(new Set(versions).size).toBe(1);
  expect(versions[0]).toMatch(/^26\.\d+\.\d+$/);
});

test('every action of the workflows is pinned by its commit, with its version as a comment', () => {
  const cwd = fileURLToPath(new URL('../../', import.meta.url));
  const workflows = globSync('.github/workflows/*.yml', { cwd }).map((path) => readFileSync(`${cwd}${path}`, 'utf8'));
  const uses = workflows.flatMap((text) => text.match(/(?<=uses: ).*/g) ?? []);
  expect(uses.length).toBeGreaterThan(10);
  expect(uses.filter((action) => !/^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(action))).toEqual([]);
});
