/**
 * DynamoDB for tests: dynalite in the process of the test, with nothing on disk. It has no TTL and no transactions.
 */
import type { Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

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

/** Stops after the test. */
export async function startDynalite(): Promise<DynamoDbServer> {
  const server = createDynalite({ createTableMs: 0, deleteTableMs: 0 });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, environment: dynamoDbEnvironment(url) };
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
