/**
 * MiniStack: another implementation of S3, SQS, SNS, EventBridge and DynamoDB, which shares no code with moto. It enforces no permissions.
 */
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { CleanUp } from '../../support/temporary-directory.ts';
import { type RealS3Server, s3ServerAt } from './moto.ts';
import { serverDirectory } from './recipes.ts';
import { freePort, startServer } from './server-process.ts';

export async function startMiniStack(cleanUp: CleanUp = onTestFinished): Promise<RealS3Server> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const server = await startServer(
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
  return s3ServerAt(url, server, cleanUp);
}
