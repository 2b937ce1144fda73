/**
 * Builds the real servers that the end-to-end tests run against: `recipes/<name>/build.sh` builds into a cache folder named after the
 * hash of the recipe, so only a changed version or script is built again.
 *
 *     node test/proof/servers/recipes.ts                 builds what is missing and prints a folder for each server
 *     node test/proof/servers/recipes.ts collector loki  only these
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  cpSync,
  createWriteStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { tryLockFile } from '../../../src/runtime/file-lock.ts';

export const serverNames = [
  'collector',
  'moto',
  'ministack',
  'postgresql',
  'elasticsearch',
  'collector-elastic',
  'loki',
  'tools',
  'pysigma',
  'alertmanager',
  'azurite',
  'fake-gcs',
] as const;
export type ServerName = (typeof serverNames)[number];

const recipes = fileURLToPath(new URL('./recipes/', import.meta.url));
const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'databricks-audit-otel', 'servers');

/** Where the programs of a server are once it has been built. */
export function serverDirectory(name: ServerName): string {
  return join(cache, `${name}-${recipeHash(name)}`);
}

/** Builds one at a time, because each build uses all cores. Waits for what another process is building. */
export async function buildServers(names: readonly ServerName[]): Promise<void> {
  for (const name of names) {
    if (existsSync(serverDirectory(name))) continue;
    const unlock = await lock(`${serverDirectory(name)}.lock`);
    try {
      if (!existsSync(serverDirectory(name))) await build(name);
    } finally {
      unlock();
    }
  }
}

async function lock(path: string): Promise<() => void> {
  mkdirSync(cache, { recursive: true });
  for (let attempt = 0; ; attempt++) {
    const unlock = tryLockFile(path);
    if (unlock !== undefined) return unlock;
    if (attempt === 0) process.stderr.write(`Another process holds ${path}: waiting for its build\n`);
    await delay(1_000);
  }
}

/** The folder gets its final name at the end, so an incomplete build is never used. */
async function build(name: ServerName): Promise<void> {
  const directory = serverDirectory(name);
  const [workshop, output, log] = ['workshop', 'output', 'log'].map((part) => `${directory}.${process.pid}.${part}`);
  if (workshop === undefined || output === undefined || log === undefined) return;
  mkdirSync(output, { recursive: true });
  cpSync(join(recipes, name), workshop, { recursive: true });
  const startedAt = performance.now();
  process.stderr.write(`Building ${name} (log: ${log}) ... `);
  const child = spawn('bash', ['build.sh', output], { cwd: workshop, stdio: ['ignore', 'pipe', 'pipe'] });
  const logFile = createWriteStream(log);
  child.stdout.pipe(logFile, { end: false });
  child.stderr.pipe(logFile, { end: false });
  const [code] = await once(child, 'close');
  logFile.end();
  await finished(logFile);
  process.stderr.write(
    `${code === 0 ? 'done' : 'failed'} after ${Math.round((performance.now() - startedAt) / 1000)} s\n`,
  );
  if (code !== 0) throw new Error(`${name} could not be built:\n${readFileSync(log, 'utf8').slice(-4_000)}`);
  if (!existsSync(directory)) renameSync(output, directory);
  for (const rest of [workshop, output, log]) rmSync(rest, { recursive: true, force: true });
}

function recipeHash(name: ServerName): string {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}\n`);
  for (const file of readdirSync(join(recipes, name)).toSorted()) {
    hash.update(`${file}\n`).update(readFileSync(join(recipes, name, file)));
  }
  return hash.digest('hex').slice(0, 12);
}

function isServerName(name: string): name is ServerName {
  return serverNames.some((known) => known === name);
}

if (import.meta.main) {
  const asked = process.argv.slice(2);
  const names = asked.length === 0 ? serverNames : asked.filter(isServerName);
  await buildServers(names);
  for (const name of names) console.log(serverDirectory(name));
}
