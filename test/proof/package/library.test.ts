/**
 * The package as a library: a program that has nothing but the packed package compiles and runs the examples of docs/library.md.
 */
import { cpSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runAgent, startAgent } from '../../support/agent-process.ts';
import { receiverForTest } from '../../support/delivery-place.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { serveWithIndex } from './indexed-server.ts';
import { InstalledPackage } from './installed-package.ts';
import { PublicTypes } from './public-types.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const document = readFileSync(join(root, 'docs/library.md'), 'utf8');
const examples = [...document.matchAll(/^```ts\n(?:\/\/ (\S+)\n)?(.*?)^```$/gms)].map(([, name, text = '']) => {
  return { name, text };
});

let installed: InstalledPackage;
let publicTypes: PublicTypes;
let compilerOutput: string;

beforeAll(() => {
  installed = new InstalledPackage();
  publicTypes = new PublicTypes(join(installed.packageDirectory, 'dist'));
  for (const { name, text } of examples) installed.write(name ?? 'unnamed.ts', text);
  installed.write('every-name.ts', everyName(publicTypes.exportedNames));
  compilerOutput = installed.compile();
}, 600_000);
afterAll(() => installed.remove());

test('every type in an exported signature can be named', () => {
  expect(publicTypes.exportedNames).toEqual(expect.arrayContaining(['Agent', 'Claim', 'Source', 'createAgent']));
  expect([...publicTypes.unnamable]).toEqual([]);
});

test('docs/library.md lists exactly the names that are exported', () => {
  const [, list = ''] = document.split('## What is exported');
  const listed = [...list.matchAll(/`(\w+)`/g)].map(([, name]) => name);
  expect(listed.toSorted()).toEqual([...publicTypes.exportedNames]);
});

test('every example has a name, and all of them compile under nodenext and strict', () => {
  expect(examples.map(({ name }) => name)).toEqual(['embed.ts', 'http-source.ts', 'file-exporter.ts', 'ship.ts']);
  expect(compilerOutput).toBe('');
});

test('embed.ts ships to a collector, goes on with a new state when the state is damaged, and stops by SIGTERM', async () => {
  installed.write('damaged.js', damagedAtFifthCommit);
  const receiver = await receiverForTest();
  const state = temporaryDirectory();
  const program = startAgent(
    [],
    {
      DATABRICKS_AUDIT_SOURCE: join(root, 'examples/sample-delivery/delivered'),
      DATABRICKS_AUDIT_STATE: state,
      DATABRICKS_AUDIT_BATCH_RECORDS: '1',
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    },
    { script: join(installed.directory, 'embed.js'), preload: join(installed.directory, 'damaged.js') },
  );
  await program.until('the state is moved aside', () => globSync('delivery.db.damaged-*', { cwd: state }).length > 0);
  await program.until('everything has arrived', () => new Set(receiver.acceptedUids()).size === 15);
  await program.until('the observer saw it', () =>
    /^workspace \d+: 1 accepted, 0 dead-lettered$/m.test(program.stdout),
  );
  expect(await program.stop()).toMatchObject({ code: 0 });
});

test('ship.ts ships from a source of its own through an exporter of its own, and of an overwritten object the added lines', async () => {
  const [delivered, records] = [temporaryDirectory(), join(temporaryDirectory(), 'records')];
  const url = await serveWithIndex(delivered);
  const environment = { DATABRICKS_AUDIT_STATE: temporaryDirectory() };
  for (const [delivery, shipped] of [
    ['delivered', 15],
    ['overwritten', 2],
    ['overwritten', 0],
  ] as const) {
    cpSync(join(root, 'examples/sample-delivery', delivery), delivered, { recursive: true });
    const { code, stdout, stderr } = await runAgent([url, records], environment, {
      script: join(installed.directory, 'ship.js'),
    });
    expect({ code, stdout }, stderr).toEqual({ code: 0, stdout: `${shipped} lines accepted, 0 dead-lettered\n` });
  }
  const written = globSync('*', { cwd: records }).map((name) => readFileSync(join(records, name), 'utf8'));
  const lines = written.join('').trimEnd().split('\n');
  expect(lines).toHaveLength(17);
  expect(lines.filter((line) => !line.includes('"databricks.audit"'))).toEqual([]);
});

/** A program that names everything that is exported, and finds out that it has nothing else. */
function everyName(names: readonly string[]): string {
  return `import type { ${names.join(', ')} } from 'databricks-audit-otel';
export type { ${names.join(', ')} };
// @ts-expect-error: what only tests replace is not part of the interface.
export type Hidden = AgentDependencies['createS3'];
// @ts-expect-error: nor is a file of the package.
export type Deep = typeof import('databricks-audit-otel/dist/agent/agent.js');
`;
}

/** As SQLite reports a damaged database, once. */
const damagedAtFifthCommit = `
import { DatabaseSync } from 'node:sqlite';
const { exec } = DatabaseSync.prototype;
let commitCount = 0;
DatabaseSync.prototype.exec = function (sql) {
  if (sql === 'COMMIT' && ++commitCount === 5) {
    throw Object.assign(new Error('database disk image is malformed'), { code: 'ERR_SQLITE_ERROR', errcode: 11 });
  }
  return exec.call(this, sql);
};
`;
