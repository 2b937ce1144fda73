/**
 * Every test is in one half: `npm test`, or one part of `npm run proof`.
 */
import { globSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import vitestConfig from '../../vitest.config.ts';
import { partNames } from '../proof/proof.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const projects = z
  .array(
    z.object({
      test: z.object({
        name: z.string(),
        include: z.array(z.string()),
        exclude: z.array(z.string()).default([]),
      }),
    }),
  )
  .parse(vitestConfig.test?.projects)
  .map(({ test: { name, include, exclude } }) => ({ name, files: globSync(include, { cwd: root, exclude }) }));

test('every test file belongs to exactly one half', () => {
  const files = globSync('**/*.test.ts', { cwd: root, exclude: ['node_modules', 'dist'] });
  expect(files.length).toBeGreaterThan(80);
  const misplaced = files
    .map((file) => ({
      file,
      runBy: projects.filter((project) => project.files.includes(file)).map(({ name }) => name),
    }))
    .filter(({ runBy }) => runBy.length !== 1);
  expect(misplaced).toEqual([]);
});

test('npm test runs everything outside test/proof, and each folder of test/proof is a part with tests', () => {
  expect(projects.map(({ name }) => name)).toEqual(['fast', ...partNames]);
  const folders = readdirSync(`${root}test/proof`, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  expect(folders.map(({ name }) => name).toSorted()).toEqual(partNames.toSorted());
  for (const { name, files } of projects) {
    expect(files, name).not.toEqual([]);
    expect(new Set(files.map((file) => file.startsWith('test/proof/'))), name).toEqual(new Set([name !== 'fast']));
  }
});

test('CI runs every part of the proof', () => {
  const workflow = parse(readFileSync(`${root}.github/workflows/ci.yml`, 'utf8'));
  expect(workflow.jobs.proof.strategy.matrix.part).toEqual(partNames);
});
