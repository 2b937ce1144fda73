/**
 * The slow half of the tests. Each part is a folder next to this file:
 *
 *     npm run proof                      all parts, in this order
 *     npm run proof -- kills simulation  only these
 *     npm run proof -- --list            lists the parts
 *     npx vitest run test/proof/kills    one folder or file
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const parts = {
  commands: 'every command of the real process: what it prints, its exit code, its health, metrics and logs',
  package: 'the packed package as a library: a program that has only the package compiles and runs docs/library.md',
  delivery: 'every line once, even if objects are overwritten, the collector or the disk fails, or the clock is wrong',
  kills: 'a process that is killed at each step loses nothing and repeats only what was in flight',
  replicas:
    'several replicas on one state: killed, stopped and continued at each step, and with the store killed (dynalite, PostgreSQL)',
  fuzz: 'hostile lines, responses, mapping files and settings',
  security: 'untrusted text never controls a terminal or a file name, and no secret leaks',
  simulation: 'three minutes of random histories in a simulated world',
  soak: 'memory, handles and state stay flat through an outage',
  browser: 'the live page in Chromium; skipped if it is not installed',
  servers:
    'the built package against the Collector, Loki, Elasticsearch and AWS (moto, MiniStack), PostgreSQL, and the examples',
} as const;

export type PartName = keyof typeof parts;
export const partNames = Object.keys(parts) as readonly PartName[];

const root = fileURLToPath(new URL('../../', import.meta.url));

if (import.meta.main) {
  const { positionals, values } = parseArgs({ allowPositionals: true, options: { list: { type: 'boolean' } } });
  const unknown = positionals.filter((name) => !isPartName(name));
  if (unknown.length > 0) {
    console.error(`Unknown part: ${unknown.join(', ')}. These are the parts:\n\n${describeParts()}`);
    process.exit(2);
  }
  if (values.list) console.log(describeParts());
  else runParts(partNames.filter((name) => positionals.length === 0 || positionals.includes(name)));
}

/** The other parts still run when one fails. */
function runParts(names: readonly PartName[]): void {
  const results = names.map((name) => {
    console.log(`\n=== ${name}: ${parts[name]}`);
    const startedMs = performance.now();
    const { status } = spawnSync(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', '--project', name], {
      cwd: root,
      stdio: 'inherit',
    });
    return { name, passed: status === 0, seconds: Math.round((performance.now() - startedMs) / 1000) };
  });
  console.log();
  for (const { name, passed, seconds } of results)
    console.log(`${passed ? 'passed' : 'FAILED'}  ${name.padEnd(12)} ${String(seconds).padStart(5)} s`);
  if (results.some(({ passed }) => !passed)) process.exitCode = 1;
}

function describeParts(): string {
  return partNames.map((name) => `  ${name.padEnd(12)} ${parts[name]}`).join('\n');
}

function isPartName(name: string): name is PartName {
  return partNames.some((known) => known === name);
}
