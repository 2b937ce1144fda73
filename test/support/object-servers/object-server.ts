/**
 * Objects in memory behind an HTTP server on 127.0.0.1 that injects faults. azure-server.ts and gcs-server.ts speak the protocols of the
 * services; test/proof/servers runs the same tests against independent emulators.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface StoredObject {
  readonly body: Buffer;
  /** Different after each write. */
  readonly version: number;
  readonly modifiedAtMs: number;
  readonly isAppended: boolean;
  readonly isFolder: boolean;
}

export interface ListedKeys {
  readonly keys: readonly string[];
  readonly folders: readonly string[];
  /** Where the next page starts; undefined at the end. */
  readonly next: string | undefined;
}

export interface Failure {
  readonly status: number;
  readonly code: string;
  readonly message?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Requests whose path and query match fail; `times` of them, or all until `heal`. */
export interface Fault {
  readonly match: RegExp;
  readonly times?: number;
  /** A status and code; or the connection breaks after so many bytes of the body; or the body has so many bytes only. */
  readonly failure: Failure | { readonly cutAfterBytes: number } | { readonly endAfterBytes: number };
}

/** What a protocol does with a request. */
export type Protocol = (request: IncomingMessage, url: URL, answer: Answer, store: ObjectMemory) => void;

export interface Answer {
  send(status: number, headers: Readonly<Record<string, string>>, body?: string | Buffer): void;
  fail(failure: Failure): void;
}

export class ObjectMemory {
  readonly containers = new Map<string, Map<string, StoredObject>>();
  #version = 1_000;

  create(container: string): void {
    if (!this.containers.has(container)) this.containers.set(container, new Map());
  }

  put(container: string, key: string, body: string | Buffer, more: Partial<StoredObject> = {}): void {
    this.create(container);
    this.containers.get(container)?.set(key, {
      body: Buffer.from(body),
      version: ++this.#version,
      modifiedAtMs: Math.floor(Date.now() / 1000) * 1000,
      isAppended: false,
      isFolder: false,
      ...more,
    });
  }

  append(container: string, key: string, body: string): void {
    const before = this.containers.get(container)?.get(key)?.body ?? Buffer.alloc(0);
    this.put(container, key, Buffer.concat([before, Buffer.from(body)]), { isAppended: true });
  }

  delete(container: string, key: string): void {
    this.containers.get(container)?.delete(key);
  }

  /** @param from the first key. */
  list(container: string, prefix: string, delimiter: string, from: string, max: number): ListedKeys | undefined {
    const objects = this.containers.get(container);
    if (objects === undefined) return undefined;
    const keys: string[] = [];
    const folders: string[] = [];
    for (const key of [...objects.keys()].sort(byBytes)) {
      if (!key.startsWith(prefix) || byBytes(key, from) < 0) continue;
      const end = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
      const folder = end === -1 ? undefined : key.slice(0, end + 1);
      if (folder !== undefined && folders.at(-1) === folder) continue;
      if (keys.length + folders.length === max) return { keys, folders, next: key };
      if (folder === undefined) keys.push(key);
      else folders.push(folder);
    }
    return { keys, folders, next: undefined };
  }
}

export interface ObjectServer {
  readonly url: string;
  readonly store: ObjectMemory;
  /** Path and query of each request, decoded. */
  readonly requests: readonly string[];
  readonly headers: readonly IncomingMessage['headers'][];
  fail(fault: Fault): void;
  heal(): void;
  stop(): Promise<void>;
}

export async function startObjectServer(
  protocol: Protocol,
  describeFailure: (failure: Failure) => string,
): Promise<ObjectServer> {
  const store = new ObjectMemory();
  const requests: string[] = [];
  const headers: IncomingMessage['headers'][] = [];
  let faults: { readonly fault: Fault; left: number }[] = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://127.0.0.1');
    const line = decodeURIComponent(`${url.pathname}${url.search.replaceAll('+', '%20')}`);
    requests.push(line);
    headers.push(request.headers);
    const hit = faults.find(({ fault, left }) => left > 0 && fault.match.test(line));
    if (hit !== undefined) hit.left--;
    const failure = hit?.fault.failure;
    const answer = answerOf(response, describeFailure, failure);
    if (failure !== undefined && 'status' in failure) answer.fail(failure);
    else protocol(request, url, answer, store);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    store,
    requests,
    headers,
    fail: (fault) => void faults.push({ fault, left: fault.times ?? Number.POSITIVE_INFINITY }),
    heal: () => {
      faults = [];
    },
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function answerOf(
  response: ServerResponse,
  describe: (failure: Failure) => string,
  fault: Fault['failure'] | undefined,
): Answer {
  return {
    send(status, headers, body = '') {
      const whole = Buffer.from(body);
      const bytes = fault !== undefined && 'endAfterBytes' in fault ? whole.subarray(0, fault.endAfterBytes) : whole;
      response.writeHead(status, { ...headers, 'content-length': String(bytes.length) });
      if (fault === undefined || !('cutAfterBytes' in fault)) response.end(bytes);
      else response.write(bytes.subarray(0, fault.cutAfterBytes), () => response.socket?.destroy());
    },
    fail(failure) {
      const body = describe(failure);
      response.writeHead(failure.status, { ...failure.headers, 'content-length': String(Buffer.byteLength(body)) });
      response.end(body);
    },
  };
}

/** The services list keys in the order of their UTF-8. */
function byBytes(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other));
}
