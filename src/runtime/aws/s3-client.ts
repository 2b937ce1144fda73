/**
 * The S3 client of the AWS SDK with the settings that all parts share. The SDK handles region, credentials, profiles, endpoint and
 * retries, using its standard variables and files.
 */
import type { S3Client, S3ClientConfig } from '@aws-sdk/client-s3';
import { createRequestHandler } from './request-handler.ts';

export interface S3Timeouts {
  readonly connectionTimeoutMs: number;
  /** Until the response starts. */
  readonly answerTimeoutMs: number;
  /**
   * A connection without a byte for this long counts as dead. This also ends a body that is not being read because the collector
   * is down; the object is then opened again later, which is better than not detecting a dead connection.
   */
  readonly idleTimeoutMs: number;
}

export const s3Timeouts: S3Timeouts = { connectionTimeoutMs: 10_000, answerTimeoutMs: 30_000, idleTimeoutMs: 120_000 };

/** Opened on demand. Bodies that wait for the collector occupy a connection each, and listings must not wait for those. */
const connectionsMax = 256;

/** The SDK is loaded on the first call: it is large, and an agent without buckets does not need it. */
export async function loadS3Client(timeouts: S3Timeouts, overrides: S3ClientConfig): Promise<S3Client> {
  const { S3Client } = await import('@aws-sdk/client-s3');
  const client = new S3Client({
    // WHEN_SUPPORTED buffers the whole body to verify it, and runs out of memory with multi-GB objects (aws-sdk-js-v3 issue 7657).
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestChecksumCalculation: 'WHEN_REQUIRED',
    followRegionRedirects: true,
    useArnRegion: true,
    requestHandler: createRequestHandler({ keepAlive: true, maxSockets: connectionsMax }, (agentOptions) => {
      const requestHandler = {
        connectionTimeout: timeouts.connectionTimeoutMs,
        requestTimeout: timeouts.answerTimeoutMs,
        throwOnRequestTimeout: true,
        socketTimeout: timeouts.idleTimeoutMs,
        httpAgent: agentOptions,
        httpsAgent: agentOptions,
      };
      return new S3Client({ requestHandler }).config.requestHandler;
    }),
    ...overrides,
  });
  // Set by AWS_ENDPOINT_URL(_S3) or a profile: MinIO and the like have no host name per bucket.
  const customEndpoint = await client.config.serviceConfiguredEndpoint?.();
  client.config.forcePathStyle = customEndpoint !== undefined;
  return client;
}
