/**
 * The check of the import levels has to be able to fail: a parser that does not know the syntax sees no module at all and
 * reports success.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'import-rules-'));
  for (const file of ['.dependency-cruiser.mjs', 'tsconfig.json', 'package.json']) {
    cpSync(join(root, file), join(directory, file));
  }
});

afterEach(() => rmSync(directory, { recursive: true }));

/** A small tree that keeps every rule. */
const orderly = {
  'src/cli.ts': ['./commands/run.ts'],
  'src/commands/run.ts': ['../agent.ts', '../config/index.ts'],
  'src/agent.ts': [
    './config/index.ts',
    './sources/index.ts',
    './mapping/index.ts',
    './pipeline/shipping.ts',
    './wiring.ts',
    './workers/index.ts',
  ],
  'src/workers/index.ts': ['../config/index.ts', '../sources/index.ts', '../pipeline/shipping.ts', '../wiring.ts'],
  'src/wiring.ts': ['./config/index.ts', './mapping/index.ts'],
  'src/config/index.ts': ['../sources/options.ts'],
  'src/pipeline/shipping.ts': ['../source.ts', '../model/object.ts', '../runtime/clock.ts'],
  'src/sources/index.ts': ['./s3.ts', './options.ts', '../source.ts'],
  'src/sources/s3.ts': ['../model/object.ts'],
  'src/sources/options.ts': [],
  'src/mapping/index.ts': ['../model/object.ts'],
  'src/source.ts': ['./model/object.ts'],
  'src/observer.ts': ['./model/object.ts'],
  'src/model/object.ts': [],
  'src/runtime/clock.ts': [],
};

describe('npm run imports', () => {
  test('passes a tree that keeps the levels, and has seen all of it', () => {
    const { exitCode, output } = cruise(orderly);
    expect(output).toContain(`${Object.keys(orderly).length} modules`);
    expect(exitCode).toBe(0);
  });

  test.each([
    ['a circle', 'no-circles', 'src/sources/options.ts', './index.ts'],
    ['an import of nothing', 'unresolvable', 'src/agent.ts', './absent.ts'],
    [
      'the model that imports a contract',
      'level-0-model-and-runtime-import-nothing-of-ours',
      'src/model/object.ts',
      '../mapping/index.ts',
    ],
    ['a contract that imports a part', 'level-1-contracts-import-the-model', 'src/source.ts', './mapping/index.ts'],
    [
      'a contract of events that imports a part',
      'level-1-contracts-import-the-model',
      'src/observer.ts',
      './mapping/index.ts',
    ],
    ['a part that imports another', 'level-2-parts-do-not-know-each-other', 'src/sources/s3.ts', '../mapping/index.ts'],
    [
      'the pipeline that imports a part',
      'level-3-the-pipeline-knows-contracts-only',
      'src/pipeline/shipping.ts',
      '../sources/index.ts',
    ],
    [
      'configuration that imports more of a part than its options',
      'level-3-configuration-reads-the-parts-option-schemas',
      'src/config/index.ts',
      '../sources/s3.ts',
    ],
    [
      'the agent that passes by an index',
      'level-4-the-agent-meets-parts-by-their-index',
      'src/agent.ts',
      './sources/s3.ts',
    ],
    [
      'a worker that imports a command',
      'level-4-workers-know-what-the-agent-and-they-share',
      'src/workers/index.ts',
      '../commands/run.ts',
    ],
    [
      'a worker that passes by an index',
      'level-4-the-agent-meets-parts-by-their-index',
      'src/workers/index.ts',
      '../sources/s3.ts',
    ],
    [
      'a command that imports a part',
      'level-5-commands-go-through-the-agent',
      'src/commands/run.ts',
      '../sources/index.ts',
    ],
  ])('fails on %s', (_, rule, from, to) => {
    const { exitCode, output } = cruise({ ...orderly, [from]: [...importsOf(from), to] });
    expect(output).toContain(rule);
    expect(exitCode).not.toBe(0);
  });
});

function importsOf(path: string): readonly string[] {
  return new Map<string, readonly string[]>(Object.entries(orderly)).get(path) ?? [];
}

function cruise(tree: Readonly<Record<string, readonly string[]>>): { exitCode: number | null; output: string } {
  for (const [path, imports] of Object.entries(tree)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    // Types only, as most imports of contracts are: those count as well.
    const lines = imports.map((target, index) => `import type { name as name${index} } from '${target}';\n`);
    writeFileSync(join(directory, path), `${lines.join('')}export const name = 1;\n`);
  }
  const depcruise = join(root, 'node_modules/.bin/depcruise');
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [depcruise, '--config', '.dependency-cruiser.mjs', 'src'],
    { cwd: directory, encoding: 'utf8' },
  );
  return { exitCode: status, output: `${stdout}${stderr}` };
}
