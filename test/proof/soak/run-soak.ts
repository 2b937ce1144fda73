/**
 * `npm run soak -- [--minutes 3] [--megabytes 600]`: a long outage under load, as a table over time. Exits with 1 if the agent's
 * resource usage grows with the outage, or if a line is lost, repeated, dead-lettered or out of order.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Sample, soak } from './soak.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '3' },
    megabytes: { type: 'string', default: '600' },
  },
});
const rowsPerRun = 40;
const outageMs = Number(values.minutes) * 60_000;
const directory = mkdtempSync(join(tmpdir(), 'databricks-audit-soak-'));
let lastRowMs = Number.NEGATIVE_INFINITY;

const columns: readonly [string, (sample: Sample) => string][] = [
  ['seconds', ({ elapsedMs }) => (elapsedMs / 1000).toFixed(0)],
  ['phase', ({ phase }) => phase],
  ['RSS MiB', ({ residentBytes }) => mebibytes(residentBytes)],
  ['handles', ({ handles }) => `${handles}`],
  ['state MiB', ({ stateBytes }) => mebibytes(stateBytes)],
  ['delivered MiB', ({ deliveredBytes }) => mebibytes(deliveredBytes)],
  ['requests', ({ requests }) => `${requests}`],
  ['lines missing', ({ linesMissing }) => `${linesMissing}`],
  ['date', ({ date }) => date],
];

try {
  printRow(columns.map(([name]) => name));
  const report = await soak({
    cli: fileURLToPath(new URL('../../../dist/cli.js', import.meta.url)),
    directory,
    outageMs,
    deliveryBytes: Number(values.megabytes) * 1_000_000,
    sampleMs: 500,
    onSample: printSometimes,
  });
  const seconds = (report.recoveryMs / 1000).toFixed(1);
  console.log(
    `\nAll ${report.lineCount} lines were received, the last ones ${seconds} s after the collector was back.`,
  );
  if (report.problems.length === 0)
    console.log('Oldest date first, nothing twice, nothing given up, no growth in the outage.');
  for (const problem of report.problems) console.log(`PROBLEM: ${problem}`);
  if (report.problems.length > 0) process.exitCode = 1;
} finally {
  rmSync(directory, { recursive: true, force: true });
}

function printSometimes(sample: Sample): void {
  const isRecovery = sample.phase === 'recovery';
  if (sample.elapsedMs - lastRowMs < (isRecovery ? 2_000 : outageMs / rowsPerRun)) return;
  lastRowMs = sample.elapsedMs;
  printRow(columns.map(([, cell]) => cell(sample)));
}

function printRow(cells: readonly string[]): void {
  console.log(cells.map((cell, index) => cell.padStart(Math.max(12, (columns[index]?.[0].length ?? 0) + 2))).join(''));
}

function mebibytes(bytes: number): string {
  return (bytes / 1_048_576).toFixed(1);
}
