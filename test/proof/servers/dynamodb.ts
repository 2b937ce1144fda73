/**
 * Two independent implementations of DynamoDB besides dynalite: moto and MiniStack.
 */
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type DynamoDbServer, dynamoDbEnvironment } from '../../support/dynamodb-server.ts';
import type { CleanUp } from '../../support/temporary-directory.ts';
import { startMoto } from './moto.ts';
import { serverDirectory } from './recipes.ts';
import { freePort, startServer } from './server-process.ts';

export async function startMotoDynamoDb(cleanUp: CleanUp = onTestFinished): Promise<DynamoDbServer> {
  const { url } = await startMoto(cleanUp);
  return { url, environment: dynamoDbEnvironment(url) };
}

export async function startMiniStack(cleanUp: CleanUp = onTestFinished): Promise<DynamoDbServer> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  await startServer(
    {
      command: join(serverDirectory('ministack'), 'venv', 'bin', 'python'),
      arguments: ['-m', 'ministack'],
      environment: {
        BIND_HOST: '127.0.0.1',
        GATEWAY_PORT: String(port),
        MINISTACK_HOST: '127.0.0.1',
        SERVICES: 's3,sqs,sns,events,dynamodb',
        LOG_LEVEL: 'WARNING',
        DOCKER_HOST: 'unix:///nonexistent',
      },
      readyUrl: `${url}/_ministack/health`,
    },
    cleanUp,
  );
  return { url, environment: dynamoDbEnvironment(url) };
}
