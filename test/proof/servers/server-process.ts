/**
 * A real server as a process on 127.0.0.1. It can be killed and restarted with the same ports and data, and never outlives the test
 * that started it, unless it says otherwise.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { onTestFinished, vi } from 'vitest';
import type { CleanUp } from '../../support/temporary-directory.ts';

export interface ServerProgram {
  readonly command: string;
  readonly arguments: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Another user to run as; requires the test to run as root. */
  readonly uid?: number | undefined;
  /** Responds with success, or with the status below, once the server accepts requests. Otherwise resolves by then. */
  readonly readyUrl: string | (() => Promise<void>);
  readonly readyStatus?: number;
}

export interface ServerProcess {
  readonly pid: number;
  /** Its output across restarts. */
  readonly output: string;
  /** Sends SIGKILL. Once this resolves, none of its processes is running. */
  kill(): Promise<void>;
  /** Sends SIGTERM and waits for the exit. */
  stop(): Promise<void>;
  /** Restarts it after `kill` or `stop`, with the same ports and data. Resolves when it is ready. */
  start(): Promise<void>;
}

/** Generous, for a machine that is busy building something else; all servers start within seconds. */
const readyTimeoutMs = 120_000;

export async function startServer(
  { command, arguments: words, environment, uid, readyUrl, readyStatus }: ServerProgram,
  cleanUp: CleanUp = onTestFinished,
): Promise<ServerProcess> {
  let child: ChildProcess | undefined;
  let output = '';

  async function end(signal: NodeJS.Signals): Promise<void> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const closed = once(child, 'close');
    child.kill(signal);
    await closed;
  }

  async function start(): Promise<void> {
    const { PATH = '', JAVA_HOME } = process.env;
    const env = { PATH, ...(JAVA_HOME === undefined ? {} : { JAVA_HOME }), ...environment };
    const started = spawn(command, words, {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(uid === undefined ? {} : { uid, gid: uid }),
    });
    child = started;
    for (const stream of [started.stdout, started.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    const ready = vi.waitFor(() => expectReady(readyUrl, readyStatus), { timeout: readyTimeoutMs, interval: 50 });
    const ended = once(started, 'close').then(() => Promise.reject(new Error('it ended')));
    try {
      await Promise.race([ready, ended]);
    } catch (error) {
      ready.catch(() => {});
      throw new Error(`${command} did not get ready:\n${output.slice(-4_000)}`, { cause: error });
    }
    ended.catch(() => {});
  }

  cleanUp(() => end('SIGKILL'));
  await start();
  return {
    get pid() {
      return child?.pid ?? 0;
    },
    get output() {
      return output;
    },
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    start,
  };
}

/** A free port, so that a server can be restarted on it. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('expected an address with a port');
  return address.port;
}

async function expectReady(url: string | (() => Promise<void>), status: number | undefined): Promise<void> {
  if (typeof url === 'function') return await url();
  const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
  await response.body?.cancel();
  if (status === undefined ? !response.ok : response.status !== status)
    throw new Error(`${url} answered ${response.status}`);
}
