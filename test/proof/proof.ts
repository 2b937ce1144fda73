/**
 * The slow half of the tests. Each part is a folder next to this file:
 *
 *     npm run proof                      all parts, in this order
 *     npm run proof -- kills simulation  only these
 *     npm run proof -- --list            lists the parts
 *     npx vitest run test/proof/kills    one folder or file
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, stripVTControlCharacters } from 'node:util';

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

/** The other parts still run when one fails. What failed is repeated at the end, where a reader of a long log looks first. */
function runParts(names: readonly PartName[]): void {
  const reports = mkdtempSync(join(tmpdir(), 'databricks-audit-otel-proof-'));
  const results = names.map((name) => {
    console.log(`\n=== ${name}: ${parts[name]}`);
    const startedMs = performance.now();
    const report = join(reports, `${name}.json`);
    const reporters = ['--reporter', 'default', '--reporter', 'json', `--outputFile.json=${report}`];
    const { status } = spawnSync(
      process.execPath,
      ['node_modules/vitest/vitest.mjs', 'run', '--project', name, ...reporters],
      { cwd: root, stdio: 'inherit' },
    );
    const seconds = Math.round((performance.now() - startedMs) / 1000);
    return { name, passed: status === 0, seconds, failures: status === 0 ? [] : failuresIn(report) };
  });
  rmSync(reports, { recursive: true });
  console.log();
  for (const { name, failures } of results)
    for (const failure of failures) console.log(`FAILED in ${name}: ${failure}\n`);
  for (const { name, passed, seconds } of results)
    console.log(`${passed ? 'passed' : 'FAILED'}  ${name.padEnd(12)} ${String(seconds).padStart(5)} s`);
  if (results.some(({ passed }) => !passed)) process.exitCode = 1;
}

/** The part of Vitest's JSON report that is read here. */
interface TestReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

/** Each test that failed, with the beginning of its message, and each file that failed without a test. */
function failuresIn(reportFile: string): string[] {
  let report: TestReport;
  try {
    report = JSON.parse(readFileSync(reportFile, 'utf8'));
  } catch (error) {
    return [`no report (${error instanceof Error ? error.message : error}); see the output of this part`];
  }
  return report.testResults.flatMap(({ name, status, message, assertionResults }) => {
    const failures = assertionResults
      .filter((result) => result.status === 'failed')
      .map(({ fullName, failureMessages }) => `${fullName}\n${failureMessages.join('\n')}`);
    if (failures.length === 0 && status === 'failed') failures.push(`${name}\n${message}`);
    return failures.map((failure) => stripVTControlCharacters(failure).slice(0, 1_500));
  });
}

function describeParts(): string {
  return partNames.map((name) => `  ${name.padEnd(12)} ${parts[name]}`).join('\n');
}

function isPartName(name: string): name is PartName {
  return partNames.some((known) => known === name);
}
