/**
 * Runs an example's compose file without a container engine: compose's own loader reads it, and its services run as processes with
 * the files that it mounts. Only host names, ports and paths are rewritten.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { Environment } from '../../../support/agent-process.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';
import { readMetric } from '../collector.ts';
import { serverDirectory } from '../recipes.ts';
import { freePort, type ServerProcess, startServer } from '../server-process.ts';

/** Files on top of each other give a list of `NAME=value`. */
const environment = z
  .union([z.record(z.string(), z.string().nullable()), z.array(z.string())])
  .transform(
    (given): Record<string, string | null> =>
      Array.isArray(given)
        ? Object.fromEntries(given.map((line) => line.split(/=(.*)/s, 2) as [string, string]))
        : given,
  );

const service = z.object({
  image: z.string(),
  build: z.object({ context: z.string() }).optional(),
  command: z.array(z.string()).nullish(),
  environment: environment.default({}),
  entrypoint: z.array(z.string()).nullish(),
  depends_on: z.record(z.string(), z.unknown()).default({}),
  network_mode: z.string().optional(),
  ports: z.array(z.object({ host_ip: z.string(), published: z.string() })).default([]),
  volumes: z.array(z.object({ type: z.string(), source: z.string(), target: z.string() })).default([]),
});
const model = z.object({ services: z.record(z.string(), service), volumes: z.record(z.string(), z.unknown()) });

export type Service = z.infer<typeof service>;

export function exampleDirectory(name: string): string {
  return fileURLToPath(new URL(`../../../../examples/${name}/`, import.meta.url));
}

/** @throws compose's own error if the file is invalid. */
export function loadCompose(name: string): z.infer<typeof model> {
  return runCompose(exampleDirectory(name), ['compose.yaml']);
}

/** Files on top of each other, with values for variables that have no default, of which the loader knows none. */
export function loadComposeWith(
  name: string,
  files: readonly string[],
  values: Readonly<Record<string, string>>,
): z.infer<typeof model> {
  const copy = temporaryDirectory();
  for (const folder of ['examples', 'detections']) {
    cpSync(fileURLToPath(new URL(`../../../../${folder}`, import.meta.url)), join(copy, folder), { recursive: true });
  }
  const directory = join(copy, 'examples', name);
  for (const file of files) {
    const text = readFileSync(join(directory, file), 'utf8');
    const filled = text.replaceAll(/\$\{(\w+)[^}]*\}/g, (whole, variable: string) => values[variable] ?? whole);
    writeFileSync(join(directory, file), filled);
  }
  return runCompose(directory, files);
}

/** Files on top of each other, of which the last may be from another folder, with variables of the shell. */
export function loadComposeFiles(
  directory: string,
  files: readonly string[],
  shell: Readonly<Record<string, string>>,
): z.infer<typeof model> {
  const copies = files.map((file, index) => {
    // The loader here does not know variables.
    const text = readFileSync(resolve(directory, file), 'utf8');
    const filled = text.replaceAll(/\$\{(\w+)(?::[-?](.*?))?\}/g, (_, name: string, or = '') => shell[name] ?? or);
    const copy = join(directory, `${index}.yaml`);
    writeFileSync(copy, filled);
    return copy;
  });
  return runCompose(directory, copies);
}

function runCompose(directory: string, files: readonly string[]): z.infer<typeof model> {
  const program = join(serverDirectory('tools'), 'bin', 'compose-config');
  const json = execFileSync(program, ['-format', 'json', ...files], {
    cwd: directory,
    env: { PATH: process.env.PATH },
    encoding: 'utf8',
  });
  return model.parse(JSON.parse(json));
}

/** The environment of the service if nothing is set in the shell. */
export function environmentOf({ environment }: Service): Environment {
  const set = Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== null);
  return Object.fromEntries(set);
}

/** The file on this machine that is mounted at this path of the service. */
export function mountedFile({ volumes }: Service, target: string): string {
  const mount = volumes.find((volume) => volume.type === 'bind' && volume.target === target);
  if (mount === undefined) throw new Error(`nothing is mounted at ${target}`);
  return mount.source;
}

/** The file that is passed to a service with an option such as `--config=`. */
export function configurationOf(of: Service): string {
  const path = of.command
    ?.map((word) => /config(?:\.file)?=(.+)$/.exec(word)?.[1])
    .find((found) => found !== undefined);
  if (path === undefined) throw new Error('no option names a configuration');
  return mountedFile(of, path);
}

/** A copy of the file with the strings replaced. Each must occur in it. */
export function rewritten(file: string, replacements: Readonly<Record<string, string>>): string {
  const text = Object.entries(replacements).reduce(
    (before, [from, to]) => {
      if (!before.includes(from)) throw new Error(`${file} does not hold ${from}`);
      return before.replaceAll(from, to);
    },
    readFileSync(file, 'utf8'),
  );
  const copy = join(temporaryDirectory(), 'configuration.yaml');
  writeFileSync(copy, text);
  return copy;
}

export interface CollectorExtras {
  readonly settings?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** The variable from which the file takes the address, if it has none of its own. */
  readonly addressVariable?: string;
}

export interface ExampleCollector extends ServerProcess {
  readonly url: string;
  sentCount(): Promise<number>;
}

/**
 * @param file its configuration, which accepts OTLP at 0.0.0.0:4318.
 * @param more settings on top, for differences of the version that is available here, and its environment.
 */
export async function startExampleCollector(
  program: 'collector' | 'collector-elastic',
  file: string,
  replacements: Readonly<Record<string, string>>,
  { settings: more = [], environment = {}, addressVariable }: CollectorExtras = {},
): Promise<ExampleCollector> {
  const [port, metricsPort] = [await freePort(), await freePort()];
  const address = `127.0.0.1:${port}`;
  const configuration = rewritten(file, {
    ...(addressVariable === undefined ? { '0.0.0.0:4318': address } : {}),
    ...replacements,
  });
  const reader = `{pull: {exporter: {prometheus: {host: 127.0.0.1, port: ${metricsPort}}}}}`;
  const settings = [`yaml:service::telemetry::metrics::readers: [${reader}]`, ...more];
  const metricsUrl = `http://127.0.0.1:${metricsPort}/metrics`;
  const server = await startServer({
    command: join(serverDirectory(program), 'otelcol'),
    arguments: ['--config', configuration, ...settings.flatMap((setting) => ['--config', setting])],
    environment: { ...environment, ...(addressVariable === undefined ? {} : { [addressVariable]: address }) },
    readyUrl: metricsUrl,
  });
  return Object.assign(server, {
    url: `http://127.0.0.1:${port}`,
    sentCount: () => readMetric(metricsUrl, 'otelcol_exporter_sent_log_records'),
  });
}

/**
 * The Collector with an Elasticsearch exporter that is available as Go modules is older than the one in the examples. It needs
 * three settings that are defaults now, and has no queue on disk.
 */
export const ofOlderVersion = [
  'yaml:exporters::elasticsearch::mapping::mode: otel',
  'yaml:exporters::elasticsearch::logs_dynamic_index::enabled: true',
  'yaml:exporters::elasticsearch::batcher: {enabled: true, flush_timeout: 1s}',
];

/** A copy for `collector-elastic`. */
export function withoutQueueOnDisk(file: string): string {
  const text = readFileSync(file, 'utf8');
  const [block = ''] = /^extensions:\n( .*\n)+/m.exec(text) ?? [];
  const [named = ''] = /^ {2}extensions: \[.*\]\n/m.exec(text) ?? [];
  return rewritten(file, { [block]: '', [named]: '', '      storage: file_storage\n': '' });
}

/** Throws the Collector's validation errors for the file. */
export function validateCollector(program: 'collector' | 'collector-elastic', file: string): void {
  const collector = join(serverDirectory(program), 'otelcol');
  execFileSync(collector, ['validate', '--config', file], { stdio: 'pipe' });
}
