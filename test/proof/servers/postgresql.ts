/**
 * A real PostgreSQL, durable as by default. It can be killed with all of its processes and restarted on the same data.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, cpSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { onTestFinished } from 'vitest';
import { type PostgresLocation, parsePostgresUrl } from '../../../src/model/postgres-url.ts';
import { type CleanUp, temporaryDirectory } from '../../support/temporary-directory.ts';
import { serverDirectory } from './recipes.ts';
import { freePort, type ServerProcess, startServer } from './server-process.ts';

export interface Postgres extends ServerProcess {
  /** A value for DATABRICKS_AUDIT_STATE, as superuser and without TLS. */
  readonly url: string;
  readonly port: number;
  /** Runs SQL as superuser, in the database `postgres` if no other is named. */
  query(text: string, database?: string): Promise<readonly Readonly<Record<string, unknown>>[]>;
}

export interface PostgresOptions {
  /** Lines of pg_hba.conf; by default everybody may connect without a password. */
  readonly access?: readonly string[];
  /** With the certificate of test/export/certificates, which is for localhost. */
  readonly tls?: boolean;
}

/** PostgreSQL refuses to run as root. */
const nobody = 65_534;
const superuser = 'audit';

export async function startPostgres(
  { access, tls = false }: PostgresOptions = {},
  cleanUp: CleanUp = onTestFinished,
): Promise<Postgres> {
  const port = await freePort();
  const uid = process.getuid?.() === 0 ? nobody : undefined;
  const directory = temporaryDirectory(cleanUp);
  const give = (path: string) => uid !== undefined && chownSync(path, uid, uid);
  // The cache is below the home directory of root, where nobody else can read.
  chmodSync(directory, 0o755);
  cpSync(serverDirectory('postgresql'), join(directory, 'programs'), { recursive: true });
  const [postgres] = globSync('usr/lib/postgresql/*/bin/postgres', { cwd: join(directory, 'programs') });
  if (postgres === undefined) throw new Error('the recipe of postgresql left no program');
  const bin = dirname(join(directory, 'programs', postgres));
  const environment = { LD_LIBRARY_PATH: join(directory, 'programs', 'lib'), LC_ALL: 'C', TZ: 'UTC' };
  const data = join(directory, 'data');
  mkdirSync(data, { mode: 0o700 });
  give(data);
  execFileSync(
    join(bin, 'initdb'),
    ['--pgdata', data, '--auth', 'trust', '--username', superuser, '--encoding', 'UTF8', '--locale', 'C', '--no-sync'],
    { env: environment, stdio: 'pipe', ...(uid === undefined ? {} : { uid, gid: uid }) },
  );
  if (access !== undefined) writeFileSync(join(data, 'pg_hba.conf'), `${access.join('\n')}\n`);
  const settings: Record<string, string> = {
    listen_addresses: '127.0.0.1, 127.0.0.2',
    unix_socket_directories: '',
    shared_buffers: '32MB',
    jit: 'off',
  };
  if (tls) {
    Object.assign(settings, {
      ssl: 'on',
      ssl_cert_file: 'server.pem',
      ssl_key_file: 'server-key.pem',
      ssl_ca_file: 'ca.pem',
    });
    for (const name of ['server.pem', 'server-key.pem', 'ca.pem']) {
      const file = join(data, name);
      writeFileSync(file, readFileSync(fileURLToPath(new URL(`../../export/certificates/${name}`, import.meta.url))));
      chmodSync(file, 0o600);
      give(file);
    }
  }
  const url = `postgres://${superuser}@127.0.0.1:${port}/postgres?sslmode=disable`;
  const query = async (text: string, database = 'postgres') => {
    const client = new pg.Client({ host: '127.0.0.1', port, user: superuser, database, ssl: false });
    await client.connect();
    try {
      return (await client.query(text)).rows;
    } finally {
      await client.end();
    }
  };
  const server = await startServer(
    {
      command: join(bin, 'postgres'),
      arguments: [
        '-D',
        data,
        '-p',
        String(port),
        ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
      ],
      environment,
      uid,
      readyUrl: async () => void (await query('SELECT 1')),
    },
    cleanUp,
  );
  return {
    get pid() {
      return server.pid;
    },
    get output() {
      return server.output;
    },
    stop: server.stop,
    start: server.start,
    /** Also its other processes: they hold the shared memory until they notice that the first is gone. */
    async kill() {
      const others = childrenOf(server.pid);
      await server.kill();
      for (const pid of others) {
        if (isRunning(pid)) process.kill(pid, 'SIGKILL');
      }
      while (others.some(isRunning)) await delay(10);
    },
    url,
    port,
    query,
  };
}

function childrenOf(pid: number): readonly number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A zombie is not running: nobody may be there to wait for it.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** The location that a URL means, as in DATABRICKS_AUDIT_STATE. */
export function postgresLocation(url: string): PostgresLocation {
  const parsed = parsePostgresUrl(url);
  if ('value' in parsed) return parsed.value;
  throw new Error(parsed.problem);
}
