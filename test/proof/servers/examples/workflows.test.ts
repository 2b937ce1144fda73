import { execFileSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { serverDirectory } from '../recipes.ts';

const root = fileURLToPath(new URL('../../../../', import.meta.url));

test('actionlint accepts the workflows', () => {
  const workflows = globSync('.github/workflows/*.yml', { cwd: root });
  expect(workflows.map((path) => path.replace(/^.*\//, '')).toSorted()).toEqual(['ci.yml', 'release.yml']);
  execFileSync(join(serverDirectory('tools'), 'bin/actionlint'), workflows, { cwd: root, stdio: 'pipe' });
});
