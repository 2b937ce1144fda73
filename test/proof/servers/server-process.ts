/**
 * A real server as a process of its own on 127.0.0.1. It can be killed and started again on the same ports and data, and it
 * never outlives the test that started it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { onTestFinished, vi } from 'vitest';

export interface ServerProgram {
  readonly command: string;
  readonly arguments: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Answers with success, or with the status below, once the server takes requests. */
  readonly readyUrl: string;
  readonly readyStatus?: number;
}

export interface ServerProcess {
  /** What it wrote in all of its lives. */
  readonly output: string;
  /** SIGKILL: nothing of it runs any more once this resolves. */
  kill(): Promise<void>;
  /** SIGTERM, and its end. */
  stop(): Promise<void>;
  /** After `kill` or `stop`: on the same ports, with the same data. Resolves when it is ready. */
  start(): Promise<void>;
}

/** For a machine that is busy building something else; all of them take seconds. */
const readyTimeoutMs = 120_000;

export async function startServer({
  command,
  arguments: words,
  environment,
  readyUrl,
  readyStatus,
}: ServerProgram): Promise<ServerProcess> {
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
    const started = spawn(command, words, { env, stdio: ['ignore', 'pipe', 'pipe'] });
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

  onTestFinished(() => end('SIGKILL'));
  await start();
  return {
    get output() {
      return output;
    },
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    start,
  };
}

/** A port that nobody listens on, so that a server can come back on it after its death. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('expected an address with a port');
  return address.port;
}

async function expectReady(url: string, status: number | undefined): Promise<void> {
  const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
  await response.body?.cancel();
  if (status === undefined ? !response.ok : response.status !== status)
    throw new Error(`${url} answered ${response.status}`);
}
