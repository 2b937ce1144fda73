/**
 * The DynamoDB client. The AWS SDK handles region, credentials, profiles, endpoint and retries, using its standard variables and files;
 * `AWS_ENDPOINT_URL_DYNAMODB` is one of them.
 */
import type { DynamoDBClient, DynamoDBClientConfig } from '@aws-sdk/client-dynamodb';
import { createRequestHandler } from '../../runtime/aws/request-handler.ts';

/** The SDK repeats a request that was throttled, not answered or answered with a server error; the caller repeats all that fails. */
const attemptsMax = 3;
const connectionTimeoutMs = 2_000;
const answerTimeoutMs = 3_000;
/** For writes of many objects at once. */
const connectionsMax = 64;

/** The SDK is loaded on demand: it is large, and few installations need it. */
export async function loadDynamoDb() {
  const sdk = await import('@aws-sdk/client-dynamodb');
  return { sdk, client: createClient(sdk.DynamoDBClient) };
}

export type DynamoDb = Awaited<ReturnType<typeof loadDynamoDb>>;

function createClient(Client: new (configuration: DynamoDBClientConfig) => DynamoDBClient): DynamoDBClient {
  return new Client({
    maxAttempts: attemptsMax,
    requestHandler: createRequestHandler({ keepAlive: true, maxSockets: connectionsMax }, (agentOptions) => {
      const requestHandler = {
        connectionTimeout: connectionTimeoutMs,
        requestTimeout: answerTimeoutMs,
        throwOnRequestTimeout: true,
        httpAgent: agentOptions,
        httpsAgent: agentOptions,
      };
      return new Client({ requestHandler }).config.requestHandler;
    }),
  });
}
