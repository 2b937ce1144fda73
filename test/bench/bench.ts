/**
 * `npm run bench`: how fast the parts and the whole agent are, as ratios to JSON.parse of the same lines in the same run,
 * and how much memory it takes. Ratios, because machines differ and are shared. `npm run bench -- --quick` leaves the
 * gigabyte out; `npm run bench -- --json <file>` writes the figures to a file too.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { hash } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createDecoder } from '../../src/decoders/index.ts';
import { createMapper } from '../../src/mapping/index.ts';
import { identifiedLine, sampleRecords } from '../support/sample-lines.ts';

const quick = process.argv.includes('--quick');
const jsonPath = process.argv[process.argv.indexOf('--json') + 1];
const lineCount = 300_000;
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

const figures: object[] = [];
let stateCount = 0;
const directory = mkdtempSync(join(tmpdir(), 'databricks-audit-bench-'));
const receiver = spawn(process.execPath, [here('accepting-receiver.ts')], { stdio: ['ignore', 'pipe', 'inherit'] });
try {
  const url = await firstLine(receiver);
  const parsePerSecond = measureParts();
  await measureWhole(url, parsePerSecond);
  await measureMemory(url);
  if (process.argv.includes('--json') && jsonPath !== undefined)
    writeFileSync(jsonPath, JSON.stringify(figures, undefined, 2));
} finally {
  receiver.kill();
  rmSync(directory, { recursive: true });
}

/** @returns lines that JSON.parse does a second. */
function measureParts(): number {
  const texts = sampleRecords(20_000);
  const bytes = Buffer.from(`${texts.join('\n')}\n`);
  const lines = texts.map((text) => identifiedLine(text));
  const mapper = createMapper({ layers: ['databricks-audit'], redact: ['secrets'], resourceAttributes: {} });
  const encodeAll = (encoding: 'protobuf' | 'json') => {
    const encoder = mapper.createEncoder(encoding);
    for (const [index, line] of lines.entries()) {
      encoder.append(line);
      if (index % 512 === 511) encoder.finish();
    }
    encoder.finish();
  };
  const rate = (work: () => void) => texts.length / bestOfSeconds(7, work);
  const parse = rate(() => {
    for (const text of texts) JSON.parse(text);
  });
  const digest = () => {
    for (const { bytes } of lines) hash('sha256', bytes);
  };
  const rows: [string, number][] = [
    ['JSON.parse', parse],
    ['decode: cut into lines', rate(() => createDecoder().createLineSplitter(0).push(bytes))],
    ['identify: SHA-256 of each line', rate(digest)],
    ['verify: SHA-256 of the settled prefix', rate(() => hash('sha256', bytes))],
    ['parse, map and serialise, protobuf', rate(() => encodeAll('protobuf'))],
    ['parse, map and serialise, JSON', rate(() => encodeAll('json'))],
  ];
  console.log(
    `\nParts: lines a second of ${Math.round(bytes.length / texts.length)} bytes, one thread; JSON.parse = 1\n`,
  );
  for (const [name, perSecond] of rows) print(name, perSecond, parse);
  return parse;
}

async function measureWhole(url: string, parsePerSecond: number): Promise<void> {
  const one = await writeDelivery('one-object', 1, lineCount);
  const many = await writeDelivery('many-objects', 3000, lineCount);
  const runs: [string, string, Record<string, string>][] = [
    ['one object', one, {}],
    ['3,000 objects', many, {}],
    ['one object, gzip', one, { OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip' }],
    ['one object, zstd', one, { OTEL_EXPORTER_OTLP_COMPRESSION: 'zstd' }],
    ['one object, http/json', one, { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' }],
  ];
  console.log(
    `\nWhole agent, ${lineCount.toLocaleString('en')} lines from files to accepted over HTTP: lines a CPU second\n`,
  );
  for (const [name, source, environment] of runs) {
    const { lines, cpuSeconds, wallSeconds, peakMiB } = await ship(source, url, environment);
    print(
      name,
      lines / cpuSeconds,
      parsePerSecond,
      `wall ${wallSeconds.toFixed(1)} s, peak ${Math.round(peakMiB)} MiB`,
    );
  }
  const state = join(directory, 'state-reread');
  await ship(one, url, {}, state);
  const settledBefore = await ship(one, url, {}, state);
  print('nothing new: listing only', 0, parsePerSecond, `wall ${settledBefore.wallSeconds.toFixed(2)} s`);
}

async function measureMemory(url: string): Promise<void> {
  console.log('\nPeak resident memory by the size of one object\n');
  for (const [name, count] of [
    ['1 MB', 1240],
    ['100 MB', 124_000],
    ...(quick ? [] : [['1 GB', 1_240_000] as const]),
  ] as const) {
    const source = await writeDelivery(`memory-${count}`, 1, count);
    const { peakMiB } = await ship(source, url, {});
    console.log(`  ${name.padEnd(8)} ${Math.round(peakMiB)} MiB`);
    figures.push({ name: `peak memory, object of ${name}`, peakMiB });
    rmSync(source, { recursive: true });
  }
}

function print(name: string, perSecond: number, parsePerSecond: number, more = ''): void {
  figures.push({ name, linesPerSecond: perSecond, toJsonParse: perSecond / parsePerSecond });
  const rate = Math.round(perSecond).toLocaleString('en').padStart(11);
  console.log(`  ${name.padEnd(40)} ${rate}  ${(perSecond / parsePerSecond).toFixed(3)}  ${more}`);
}

function bestOfSeconds(rounds: number, work: () => void): number {
  let bestMs = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const startedAtMs = performance.now();
    work();
    bestMs = Math.min(bestMs, performance.now() - startedAtMs);
  }
  return bestMs / 1000;
}

interface Cost {
  readonly lines: number;
  readonly cpuSeconds: number;
  readonly wallSeconds: number;
  readonly peakMiB: number;
}

async function ship(
  source: string,
  url: string,
  environment: Record<string, string>,
  state = join(directory, `state-${++stateCount}`),
): Promise<Cost> {
  const { stdout } = await promisify(execFile)(process.execPath, [here('measured-ship.mjs')], {
    env: {
      ...process.env,
      ...environment,
      DATABRICKS_AUDIT_SOURCE: source,
      DATABRICKS_AUDIT_STATE: state,
      OTEL_EXPORTER_OTLP_ENDPOINT: url,
    },
  });
  return JSON.parse(stdout) as Cost;
}

/** @returns the directory of a delivery with so many lines in so many objects. */
async function writeDelivery(name: string, objectCount: number, count: number): Promise<string> {
  const source = join(directory, name);
  const partition = join(source, 'workspaceId=1234567890123456', 'date=2026-01-30');
  mkdirSync(partition, { recursive: true });
  const perObject = Math.ceil(count / objectCount);
  for (let object = 0; object < objectCount; object++) {
    const file = createWriteStream(join(partition, `auditlogs_${object}.json`));
    for (let first = object * perObject; first < (object + 1) * perObject; first += 10_000) {
      const texts = sampleRecords(Math.min(10_000, (object + 1) * perObject - first), first);
      if (!file.write(`${texts.join('\n')}\n`)) await once(file, 'drain');
    }
    file.end();
    await once(file, 'close');
  }
  return source;
}

async function firstLine(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('the child has no output');
  for await (const line of createInterface({ input: child.stdout })) return line;
  throw new Error('the child printed nothing');
}
