/**
 * An independent S3 server: moto, which implements AWS's permissions and supports large objects and many keys.
 */
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { CreateBucketCommand, DeleteObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { onTestFinished } from 'vitest';
import type { Environment } from '../../support/agent-process.ts';
import type { CleanUp } from '../../support/temporary-directory.ts';
import { serverDirectory } from './recipes.ts';
import { freePort, type ServerProcess, startServer } from './server-process.ts';

export interface RealS3Server extends ServerProcess {
  readonly url: string;
  /** The environment variables with which the agent uses this server. */
  readonly environment: Environment;
  readonly client: S3Client;
  createBucket(name: string): Promise<void>;
  put(bucket: string, key: string, body: string | Uint8Array): Promise<string>;
  /** For a body that should not be in memory as a whole. */
  putStream(bucket: string, key: string, body: Readable, sizeBytes: number): Promise<void>;
  delete(bucket: string, key: string): Promise<void>;
}

const keys = {
  AWS_ACCESS_KEY_ID: 'AKIAIOSFODNN7EXAMPLE',
  AWS_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
};

export async function startMoto(cleanUp: CleanUp = onTestFinished): Promise<RealS3Server> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const server = await startServer(
    {
      command: join(serverDirectory('moto'), 'venv', 'bin', 'python'),
      arguments: ['-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)],
      readyUrl: `${url}/moto-api/`,
    },
    cleanUp,
  );
  return s3ServerAt(url, server, cleanUp);
}

/**
 * From here on, moto denies what the policies do not allow.
 * @returns keys of a user with the permissions of the policy.
 */
export async function enforcePolicy({ url }: RealS3Server, statements: readonly object[]): Promise<Environment> {
  const UserName = 'databricks-audit-otel';
  await callIam(url, { Action: 'CreateUser', UserName });
  const PolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement: statements });
  await callIam(url, { Action: 'PutUserPolicy', UserName, PolicyName: 'read', PolicyDocument });
  const answer = await callIam(url, { Action: 'CreateAccessKey', UserName });
  await post(`${url}/moto-api/reset-auth`, '0', {});
  return {
    AWS_ACCESS_KEY_ID: textOf(answer, 'AccessKeyId'),
    AWS_SECRET_ACCESS_KEY: textOf(answer, 'SecretAccessKey'),
  };
}

/** A process that answers S3 requests at this URL. */
export function s3ServerAt(url: string, server: ServerProcess, cleanUp: CleanUp): RealS3Server {
  const environment = { AWS_ENDPOINT_URL_S3: url, AWS_REGION: 'us-east-1', AWS_EC2_METADATA_DISABLED: 'true', ...keys };
  const client = new S3Client({
    endpoint: url,
    region: environment.AWS_REGION,
    forcePathStyle: true,
    credentials: { accessKeyId: keys.AWS_ACCESS_KEY_ID, secretAccessKey: keys.AWS_SECRET_ACCESS_KEY },
    requestChecksumCalculation: 'WHEN_REQUIRED',
  });
  cleanUp(() => client.destroy());
  return Object.assign(server, {
    url,
    environment,
    client,
    async createBucket(Bucket: string) {
      await client.send(new CreateBucketCommand({ Bucket }));
    },
    async put(Bucket: string, Key: string, Body: string | Uint8Array) {
      const { ETag = '' } = await client.send(new PutObjectCommand({ Bucket, Key, Body }));
      return ETag;
    },
    async putStream(Bucket: string, Key: string, Body: Readable, ContentLength: number) {
      await client.send(new PutObjectCommand({ Bucket, Key, Body, ContentLength }));
    },
    async delete(Bucket: string, Key: string) {
      await client.send(new DeleteObjectCommand({ Bucket, Key }));
    },
  });
}

/** moto takes the service of a request from its signature, but does not verify that until permissions are enforced. */
function callIam(url: string, parameters: Readonly<Record<string, string>>): Promise<string> {
  const authorization =
    'AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0';
  const body = new URLSearchParams({ Version: '2010-05-08', ...parameters }).toString();
  return post(url, body, { authorization, 'content-type': 'application/x-www-form-urlencoded' });
}

async function post(url: string, body: string, headers: Readonly<Record<string, string>>): Promise<string> {
  const response = await fetch(url, { method: 'POST', body, headers });
  const text = await response.text();
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${text}`);
  return text;
}

function textOf(xml: string, element: string): string {
  const [, text = ''] = new RegExp(`<${element}>([^<]*)</${element}>`).exec(xml) ?? [];
  return text;
}
