/**
 * Starts the receiver that everything in the benchmark sends to.
 */
import { spawn } from 'node:child_process';
import { end, firstLine, here } from './child.ts';

/** What was sent, as it came over the wire. */
export interface Received {
  readonly requests: number;
  readonly records: number;
  readonly bytes: number;
}

export interface Receiver {
  readonly url: string;
  readonly grpcUrl: string;
  received(): Promise<Received>;
  close(): Promise<void>;
}

export async function startReceiver(): Promise<Receiver> {
  const child = spawn(process.execPath, [here('accepting-receiver.ts')], { stdio: ['ignore', 'pipe', 'inherit'] });
  const { url, grpcUrl } = JSON.parse(await firstLine(child)) as Pick<Receiver, 'url' | 'grpcUrl'>;
  return {
    url,
    grpcUrl,
    received: async () => (await (await fetch(url)).json()) as Received,
    close: () => end(child),
  };
}
