/**
 * Implementations of DynamoDB: moto and MiniStack, which are independent of each other, and dynalite with its data on disk.
 */
import { createRequire } from 'node:module';
import { onTestFinished } from 'vitest';
import { type DynamoDbServer, dynamoDbEnvironment } from '../../support/dynamodb-server.ts';
import { type CleanUp, temporaryDirectory } from '../../support/temporary-directory.ts';
import { startMiniStack } from './ministack.ts';
import { startMoto } from './moto.ts';
import { freePort, type ServerProcess, startServer } from './server-process.ts';

export async function startMotoDynamoDb(cleanUp: CleanUp = onTestFinished): Promise<DynamoDbServer> {
  const { url } = await startMoto(cleanUp);
  return { url, environment: dynamoDbEnvironment(url) };
}

export async function startMiniStackDynamoDb(cleanUp: CleanUp = onTestFinished): Promise<DynamoDbServer> {
  const { url } = await startMiniStack(cleanUp);
  return { url, environment: dynamoDbEnvironment(url) };
}

/** dynalite as a process, with its data on disk: it can be killed, and has what it confirmed when it is started again. */
export async function startDurableDynalite(): Promise<DynamoDbServer & ServerProcess> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const program = createRequire(import.meta.url).resolve('dynalite/cli.js');
  const server = await startServer({
    command: process.execPath,
    arguments: [
      ...[program, '--host', '127.0.0.1', '--port', String(port), '--path', temporaryDirectory()],
      ...['--createTableMs', '0', '--deleteTableMs', '0'],
    ],
    readyUrl: url,
  });
  return Object.assign(server, { url, environment: dynamoDbEnvironment(url) });
}
