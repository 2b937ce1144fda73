/**
 * An example's compose file without a container engine: read by compose's own loader, and its services started as processes
 * from the files that it mounts. Only names of hosts, ports and paths are rewritten.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { Environment } from '../../support/agent-process.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { serverDirectory } from '../recipes.ts';
import { freePort, type ServerProcess, startServer } from '../server-process.ts';

const service = z.object({
  image: z.string(),
  command: z.array(z.string()).nullish(),
  environment: z.record(z.string(), z.string().nullable()).default({}),
  volumes: z.array(z.object({ type: z.string(), source: z.string(), target: z.string() })).default([]),
});
const model = z.object({ services: z.record(z.string(), service), volumes: z.record(z.string(), z.unknown()) });

export type Service = z.infer<typeof service>;

export function exampleDirectory(name: string): string {
  return fileURLToPath(new URL(`../../../examples/${name}/`, import.meta.url));
}

/** @throws with compose's words when something is wrong in the file. */
export function loadCompose(name: string): z.infer<typeof model> {
  const program = join(serverDirectory('tools'), 'bin', 'compose-config');
  const json = execFileSync(program, ['-format', 'json', 'compose.yaml'], {
    cwd: exampleDirectory(name),
    env: { PATH: process.env.PATH },
    encoding: 'utf8',
  });
  return model.parse(JSON.parse(json));
}

/** The variables that the service gets when nothing is set in the shell. */
export function environmentOf({ environment }: Service): Environment {
  const set = Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== null);
  return Object.fromEntries(set);
}

/** The file on this machine that the service sees at this path. */
export function mountedFile({ volumes }: Service, target: string): string {
  const mount = volumes.find((volume) => volume.type === 'bind' && volume.target === target);
  if (mount === undefined) throw new Error(`nothing is mounted at ${target}`);
  return mount.source;
}

/** The file that a service is given by an option such as `--config=`, with the texts replaced. Each has to be in it. */
export function rewrittenConfiguration(of: Service, replacements: Readonly<Record<string, string>>): string {
  const path = of.command
    ?.map((word) => /config(?:\.file)?=(.+)$/.exec(word)?.[1])
    .find((found) => found !== undefined);
  if (path === undefined) throw new Error('no option names a configuration');
  const text = Object.entries(replacements).reduce(
    (before, [from, to]) => {
      if (!before.includes(from)) throw new Error(`${path} does not hold ${from}`);
      return before.replaceAll(from, to);
    },
    readFileSync(mountedFile(of, path), 'utf8'),
  );
  const rewritten = join(temporaryDirectory(), 'configuration.yaml');
  writeFileSync(rewritten, text);
  return rewritten;
}

/** @param more settings on top of the example's, for what is not the same in the version that is at hand. */
export async function startExampleCollector(
  of: Service,
  program: 'collector' | 'collector-elastic',
  backend: Readonly<Record<string, string>>,
  more: readonly string[] = [],
): Promise<ServerProcess & { readonly url: string }> {
  const [port, metricsPort] = [await freePort(), await freePort()];
  const configuration = rewrittenConfiguration(of, {
    '0.0.0.0:4318': `127.0.0.1:${port}`,
    '/var/lib/otelcol': temporaryDirectory(),
    ...backend,
  });
  const reader = `{pull: {exporter: {prometheus: {host: 127.0.0.1, port: ${metricsPort}}}}}`;
  const settings = [`yaml:service::telemetry::metrics::readers: [${reader}]`, ...more];
  const server = await startServer({
    command: join(serverDirectory(program), 'otelcol'),
    arguments: ['--config', configuration, ...settings.flatMap((setting) => ['--config', setting])],
    readyUrl: `http://127.0.0.1:${metricsPort}/metrics`,
  });
  return Object.assign(server, { url: `http://127.0.0.1:${port}` });
}

/** Throws what the Collector has to say against the file. */
export function validateCollector(file: string, program: 'collector' | 'collector-elastic'): void {
  const collector = join(serverDirectory(program), 'otelcol');
  execFileSync(collector, ['validate', '--config', file], { stdio: 'pipe' });
}
