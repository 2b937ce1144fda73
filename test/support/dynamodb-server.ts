/**
 * DynamoDB for tests: dynalite in the process of the test, with nothing on disk, behind a server that counts requests and injects
 * faults. It has no TTL and no transactions.
 */
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import type { CleanUp } from './temporary-directory.ts';

/** dynalite is CommonJS without types. */
const createDynalite = createRequire(import.meta.url)('dynalite') as (options: {
  readonly createTableMs: number;
  readonly deleteTableMs: number;
}) => Server;

export interface DynamoDbServer {
  readonly url: string;
  /** Environment variables that point the AWS SDK, and so the agent, to this server. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Of the next requests of an operation such as `PutItem`, or of any operation. */
export interface DynamoDbFault {
  readonly operation?: string;
  /** 1 by default. */
  readonly times?: number;
  /** `lose`: the request takes effect, and the connection ends instead of an answer. */
  readonly effect:
    | { readonly status: number; readonly type: string; readonly message?: string }
    | 'lose'
    | ((request: unknown, answer: unknown) => unknown);
}

export interface Dynalite extends DynamoDbServer {
  /** Operations in the order of their requests. */
  readonly operations: readonly string[];
  fail(fault: DynamoDbFault): void;
  heal(): void;
}

/** Stops after the test. */
export async function startDynalite(cleanUp: CleanUp = onTestFinished): Promise<Dynalite> {
  const upstreamPort = await listen(createDynalite({ createTableMs: 0, deleteTableMs: 0 }), cleanUp);
  const operations: string[] = [];
  const faults: (DynamoDbFault & { timesLeft: number })[] = [];

  async function answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const operation = String(incoming.headers['x-amz-target']).split('.')[1] ?? '';
    operations.push(operation);
    const body = await buffer(incoming);
    const fault = faults.find((each) => each.timesLeft > 0 && (each.operation ?? operation) === operation);
    if (fault !== undefined) fault.timesLeft--;
    const effect = fault?.effect;
    if (typeof effect === 'object') {
      outgoing.writeHead(effect.status, { 'content-type': 'application/x-amz-json-1.0' });
      outgoing.end(
        JSON.stringify({ __type: `com.amazonaws.dynamodb.v20120810#${effect.type}`, message: effect.message }),
      );
      return;
    }
    const upstream = await forward(upstreamPort, incoming, body);
    if (effect === 'lose') {
      outgoing.destroy();
      return;
    }
    const text =
      effect === undefined
        ? upstream.body
        : JSON.stringify(effect(JSON.parse(String(body)), JSON.parse(String(upstream.body))));
    outgoing.writeHead(effect === undefined ? upstream.status : 200, { 'content-type': 'application/x-amz-json-1.0' });
    outgoing.end(text);
  }

  const server = createServer((incoming, outgoing) => {
    answer(incoming, outgoing).catch(() => outgoing.destroy());
  });
  const url = `http://127.0.0.1:${await listen(server, cleanUp)}`;
  return {
    url,
    environment: dynamoDbEnvironment(url),
    operations,
    fail: (fault) => void faults.push({ ...fault, timesLeft: fault.times ?? 1 }),
    heal: () => void faults.splice(0),
  };
}

export function dynamoDbEnvironment(url: string): Readonly<Record<string, string>> {
  return {
    AWS_ENDPOINT_URL_DYNAMODB: url,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'AKIAIOSFODNN7EXAMPLE',
    AWS_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
    AWS_EC2_METADATA_DISABLED: 'true',
  };
}

async function listen(server: Server, cleanUp: CleanUp): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanUp(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}

function forward(port: number, incoming: IncomingMessage, body: Buffer): Promise<{ status: number; body: Buffer }> {
  const { method, url, headers } = incoming;
  return new Promise((resolve, reject) => {
    const upstream = request({ host: '127.0.0.1', port, method, path: url, headers }, (response) => {
      buffer(response).then((content) => resolve({ status: response.statusCode ?? 0, body: content }), reject);
    });
    upstream.on('error', reject);
    upstream.end(body);
  });
}
