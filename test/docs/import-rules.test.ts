/**
 * The check of the import levels must be able to fail: a parser that does not know the syntax finds no modules and reports
 * success.
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

/** A small tree that follows every rule. */
const orderly = {
  'src/cli.ts': ['./commands/run.ts'],
  'src/commands/run.ts': ['../agent/agent.ts', '../config/index.ts', '../tools/preview.ts'],
  'src/tools/preview.ts': [
    '../agent/wiring.ts',
    '../sources/index.ts',
    '../detections/index.ts',
    '../pipeline/line-identity.ts',
  ],
  'src/agent/agent.ts': [
    '../config/index.ts',
    '../sources/index.ts',
    '../mapping/index.ts',
    '../schedule/shipping.ts',
    './wiring.ts',
  ],
  'src/agent/wiring.ts': ['../config/index.ts', '../mapping/index.ts'],
  'src/schedule/shipping.ts': ['../pipeline/line-identity.ts', '../contracts/source.ts'],
  'src/config/index.ts': ['../sources/options.ts'],
  'src/pipeline/line-identity.ts': ['../contracts/source.ts', '../model/object.ts', '../runtime/clock.ts'],
  'src/sources/index.ts': ['./s3/source.ts', './directory/source.ts', './options.ts', '../contracts/source.ts'],
  'src/sources/s3/source.ts': ['../../model/object.ts', '../layout.ts'],
  'src/sources/directory/source.ts': ['../../model/object.ts'],
  'src/sources/layout.ts': [],
  'src/sources/options.ts': [],
  'src/mapping/index.ts': ['../model/object.ts', '../otlp/request.ts'],
  'src/otlp/request.ts': ['../contracts/source.ts'],
  'src/detections/index.ts': ['../runtime/clock.ts'],
  'src/contracts/source.ts': ['../model/object.ts'],
  'src/contracts/observer.ts': ['../model/object.ts'],
  'src/model/object.ts': [],
  'src/runtime/clock.ts': [],
};

describe('npm run imports', () => {
  test('passes a tree that follows the rules, and has read all of it', () => {
    const { exitCode, output } = cruise(orderly);
    expect(output).toContain(`${Object.keys(orderly).length} modules`);
    expect(exitCode).toBe(0);
  });

  test.each([
    ['a cycle', 'no-cycles', 'src/sources/options.ts', './index.ts'],
    ['an unresolvable import', 'unresolvable', 'src/agent/agent.ts', './absent.ts'],
    [
      'the model that imports a part',
      'level-0-model-and-runtime-import-only-each-other',
      'src/model/object.ts',
      '../mapping/index.ts',
    ],
    [
      'a contract that imports a part',
      'level-1-contracts-import-the-model',
      'src/contracts/source.ts',
      '../mapping/index.ts',
    ],
    [
      'the wire format that imports a part',
      'level-1-otlp-imports-contracts-and-the-model',
      'src/otlp/request.ts',
      '../mapping/index.ts',
    ],
    [
      'a part that imports another part',
      'level-2-parts-do-not-import-each-other',
      'src/sources/s3/source.ts',
      '../../mapping/index.ts',
    ],
    [
      'the detection pack that imports the mapping',
      'level-2-parts-do-not-import-each-other',
      'src/detections/index.ts',
      '../mapping/index.ts',
    ],
    [
      'a kind of source that imports another kind',
      'level-2-kinds-of-source-do-not-import-each-other',
      'src/sources/s3/source.ts',
      '../directory/source.ts',
    ],
    [
      'the pipeline that imports a part',
      'level-3-the-pipeline-imports-contracts-only',
      'src/pipeline/line-identity.ts',
      '../sources/index.ts',
    ],
    [
      'configuration that imports more of a part than its options',
      'level-3-configuration-imports-option-schemas-only',
      'src/config/index.ts',
      '../sources/s3/source.ts',
    ],
    [
      'the schedule that imports a part',
      'level-4-the-schedule-imports-pipeline-and-contracts',
      'src/schedule/shipping.ts',
      '../sources/index.ts',
    ],
    [
      'the agent that imports a command',
      'level-5-the-agent-does-not-import-tools-or-commands',
      'src/agent/wiring.ts',
      '../commands/run.ts',
    ],
    [
      'a tool that imports a command',
      'level-6-tools-do-not-import-commands',
      'src/tools/preview.ts',
      '../commands/run.ts',
    ],
    [
      'the agent that bypasses an index',
      'level-5-and-6-import-a-part-through-its-index',
      'src/agent/agent.ts',
      '../sources/s3/source.ts',
    ],
    [
      'a tool that bypasses an index',
      'level-5-and-6-import-a-part-through-its-index',
      'src/tools/preview.ts',
      '../sources/s3/source.ts',
    ],
    [
      'a command that imports a part',
      'level-7-commands-go-through-agent-and-tools',
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
    // Type-only imports count as well: most imports of contracts are of this kind.
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
