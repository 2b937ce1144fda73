/**
 * Sends hostile lines through decoder and mapper:
 *
 *     npm run fuzz -- --lines 1000000 [--seed N] [--processes N]
 *     npm run fuzz -- --seed N --object I       # one object of a run again
 */
import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { describeFinding, fuzzLines } from './fuzz-lines.ts';

interface Report {
  readonly objectCount: number;
  readonly lineCount: number;
  readonly finding: string | undefined;
}

const { values } = parseArgs({
  options: {
    lines: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 32) },
    processes: { type: 'string', default: String(availableParallelism()) },
    object: { type: 'string' },
    /** Set for the processes that this one starts. */
    part: { type: 'string' },
  },
});
const seed = Number(values.seed);
const processCount = Number(values.processes);
const linesOfProcess = Math.ceil(Number(values.lines) / processCount);

if (values.object !== undefined) report([await runPart(Number(values.object), 1)]);
else if (values.part !== undefined) process.send?.(await runPart(Number(values.part), linesOfProcess));
else await runAll();

async function runAll(): Promise<void> {
  console.log(`Seed ${seed}, ${values.lines} lines, ${processCount} processes`);
  report(await Promise.all(Array.from({ length: processCount }, (_, part) => startPart(part))));
}

function startPart(part: number): Promise<Report> {
  const settings = ['--lines', values.lines, '--seed', values.seed, '--processes', values.processes];
  const child = fork(new URL(import.meta.url), [...settings, '--part', String(part)]);
  return new Promise((resolve, reject) => {
    child.once('message', (message) => resolve(message as Report));
    child.once('error', reject);
    child.once('exit', (code, signal) => reject(new Error(`Part ${part} ended without a report (${code ?? signal})`)));
  });
}

async function runPart(firstObject: number, lineCount: number): Promise<Report> {
  const result = await fuzzLines({ seed, firstObject, step: processCount, until: (done) => done >= lineCount });
  return { ...result, finding: result.finding && describeFinding(seed, result.finding) };
}

function report(reports: readonly Report[]): void {
  const total = (count: (report: Report) => number) => reports.reduce((sum, each) => sum + count(each), 0);
  for (const { finding } of reports) if (finding !== undefined) console.log(`\n${finding}`);
  const failed = reports.some(({ finding }) => finding !== undefined);
  console.log(
    `\n${failed ? 'FAILED' : 'Passed'}: ${total((each) => each.lineCount).toLocaleString('en')} lines in ${total((each) => each.objectCount).toLocaleString('en')} objects, ${Math.round(process.uptime())} s`,
  );
  process.exitCode = failed ? 1 : 0;
}
