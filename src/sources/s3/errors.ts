/**
 * Describes errors of S3 and the AWS SDK for the operator. Error codes:
 * https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
 */
import { AgentError, type ErrorCode } from '../../model/agent-error.ts';
import {
  type AwsExplanation,
  type AwsFailure,
  explainCredentials,
  explainHome,
  explainUnreachable,
  isThrottled,
  readAwsFailure,
  withoutSecrets,
} from '../../runtime/aws/failure.ts';
import { printable } from '../../runtime/printable.ts';
import type { NotRead } from '../bucket-settings.ts';
import { isAccessPoint } from './location.ts';

/** The call that failed. */
export interface S3Call {
  /** The IAM action that it requires. */
  readonly action: 's3:ListBucket' | 's3:GetObject';
  readonly bucket: string;
  /** The prefix of a listing or the key of an object. */
  readonly path: string;
}

interface Description {
  readonly code: ErrorCode;
  readonly reason: string;
  readonly hint: string;
}

/** The message, hint and cause never contain an access key id, a token or a signature. */
export function describeS3Error(error: unknown, call: S3Call): AgentError {
  if (error instanceof AgentError) return error;
  const facts = readAwsFailure(error);
  const { code, reason, hint } = describe(facts, call);
  const verb = call.action === 's3:ListBucket' ? 'list' : 'read';
  return new AgentError(code, `Could not ${verb} s3://${call.bucket}/${printable(call.path)}: ${reason}`, {
    // The SDK's error has the request, the response and sometimes key ids as fields, so it must not reach a logger.
    cause: new Error(withoutSecrets(`${facts.name}: ${facts.message}`)),
    hint,
  });
}

/** Why a setting of the bucket could not be read. */
export function explainSettingsError(error: unknown, bucket: string): NotRead {
  return describe(readAwsFailure(error), { action: 's3:ListBucket', bucket, path: '' });
}

/** The response was successful but its body is incomplete. */
export function describeBrokenBody(error: unknown, call: S3Call, receivedBytes: number, sizeBytes: number): AgentError {
  const { errno, name, message } = readAwsFailure(error);
  const where = `s3://${call.bucket}/${printable(call.path)}`;
  const detail = error === undefined ? '' : ` (${errno ?? name})`;
  return new AgentError(
    'ERR_SOURCE_READ',
    `Could not read ${where}: the body ended after ${receivedBytes} of ${sizeBytes} bytes${detail}`,
    {
      ...(error === undefined ? {} : { cause: new Error(withoutSecrets(`${name}: ${message}`)) }),
      hint: 'A running agent tries again. While the collector is down, this is normal: S3 closes idle connections.',
    },
  );
}

/** A successful response that is not a complete listing. */
export function describeBadListing(call: S3Call, what: string): AgentError {
  const message = `Could not list s3://${call.bucket}/${printable(call.path)}: invalid listing response (${what})`;
  return new AgentError('ERR_SOURCE_READ', message, {
    hint: 'Check AWS_ENDPOINT_URL_S3 and any proxy in between. A running agent tries again.',
  });
}

/** A successful answer to a HEAD request that does not describe a version. */
export function describeBadHead(call: S3Call): AgentError {
  const message = `Could not read s3://${call.bucket}/${printable(call.path)}: the answer to HEAD has no ETag, size or time`;
  return new AgentError('ERR_SOURCE_READ', message, {
    hint: 'Check AWS_ENDPOINT_URL_S3 and any proxy in between. Listings find the object all the same.',
  });
}

/** The response is another version than requested: some S3-compatible servers ignore `If-Match`. */
export function describeOtherVersion(call: S3Call): AgentError {
  return describeS3Error({ name: 'PreconditionFailed', $metadata: { httpStatusCode: 412 } }, call);
}

/** The listing shows the same version again and again, and it can never be read. */
export function describeDisagreement(call: S3Call, listedEtag: string, answeredEtag: string | undefined): AgentError {
  const answer =
    answeredEtag === undefined
      ? 'rejected (HTTP 412) even without a condition'
      : `read with ${printable(answeredEtag)}, and with another size or modification time`;
  const tags = `it is listed with ETag ${printable(listedEtag)} but ${answer}`;
  return new AgentError('ERR_SOURCE_READ', `Could not read s3://${call.bucket}/${printable(call.path)}: ${tags}`, {
    hint: 'Check for a cache between the agent and the bucket, and the server behind AWS_ENDPOINT_URL_S3. A running agent tries again.',
  });
}

export function describeEncodedBody(call: S3Call, encoding: string): AgentError {
  const reason = `it has Content-Encoding ${encoding}, which the agent does not decode`;
  return new AgentError('ERR_SOURCE_READ', `Could not read s3://${call.bucket}/${printable(call.path)}: ${reason}`, {
    hint: 'Remove the encoding from the metadata of the object, or keep the proxy from compressing. gzip and zstd are decoded.',
  });
}

/** The body is complete by its Content-Length, but its size is not the listed one. */
export function describeOtherSize(call: S3Call, receivedBytes: number, sizeBytes: number): AgentError {
  const reason = `the listing shows ${sizeBytes} bytes, but the server sends ${receivedBytes}`;
  return new AgentError('ERR_SOURCE_READ', `Could not read s3://${call.bucket}/${printable(call.path)}: ${reason}`, {
    hint: 'Check for a proxy that changes bodies, and the server behind AWS_ENDPOINT_URL_S3. A running agent tries again.',
  });
}

function describe(facts: AwsFailure, call: S3Call): Description {
  return (
    describeSetup(facts) ??
    coded('ERR_CONFIGURATION', explainHome(facts)) ??
    coded('ERR_SOURCE_CREDENTIALS', explainCredentials(facts)) ??
    describeThrottling(facts) ??
    describeMissing(facts, call) ??
    describeDenied(facts, call) ??
    coded('ERR_SOURCE_READ', explainUnreachable(facts, 'AWS_REGION, and AWS_ENDPOINT_URL_S3 if it is set')) ?? {
      code: 'ERR_SOURCE_READ',
      reason: facts.status === undefined ? 'the request failed' : `S3 answered ${facts.name} (HTTP ${facts.status})`,
      hint: 'A running agent tries again. If this persists, see the cause.',
    }
  );
}

function coded(code: ErrorCode, explanation: AwsExplanation | undefined): Description | undefined {
  return explanation && { code, ...explanation };
}

function describeSetup({ name, message, status, bucketRegion }: AwsFailure): Description | undefined {
  if (message.includes('Region is missing')) {
    return {
      code: 'ERR_CONFIGURATION',
      reason: 'no AWS region is set',
      hint: "Set AWS_REGION to the bucket's region; for other S3-compatible servers any will do, such as us-east-1.",
    };
  }
  if (message.includes('Region not accepted')) {
    return {
      code: 'ERR_CONFIGURATION',
      reason: 'the AWS region is empty or is no name of a region',
      hint: "Set AWS_REGION to the bucket's region; for other S3-compatible servers any will do, such as us-east-1.",
    };
  }
  const wrongRegion = ['PermanentRedirect', 'AuthorizationHeaderMalformed', 'IllegalLocationConstraintException'];
  if (status === 301 || wrongRegion.includes(name)) {
    const region = bucketRegion ?? /expecting '([a-z0-9-]+)'/.exec(message)?.[1];
    return {
      code: 'ERR_CONFIGURATION',
      reason: `the bucket is in another region${region === undefined ? '' : ` (${region})`}`,
      hint: `Set AWS_REGION to ${region ?? "the bucket's region"}.`,
    };
  }
  return undefined;
}

function describeThrottling(facts: AwsFailure): Description | undefined {
  if (!isThrottled(facts)) return undefined;
  return {
    code: 'ERR_SOURCE_THROTTLED',
    reason: `S3 is throttling requests (${facts.name})`,
    hint: 'A running agent tries again. If this persists, raise DATABRICKS_AUDIT_POLL_INTERVAL.',
  };
}

function describeMissing({ name, message, status }: AwsFailure, { action, bucket }: S3Call): Description | undefined {
  if (name === 'NoSuchBucket' || name === 'InvalidBucketName' || (status === 404 && action === 's3:ListBucket')) {
    return {
      code: 'ERR_SOURCE_NOT_FOUND',
      reason: `there is no bucket ${bucket}`,
      hint: 'Check DATABRICKS_AUDIT_SOURCE, and AWS_ENDPOINT_URL_S3 if it is set.',
    };
  }
  if (status === 404) {
    return {
      code: 'ERR_OBJECT_GONE',
      reason: 'it no longer exists',
      hint: 'No action needed if it was deleted on purpose.',
    };
  }
  if (status === 412) {
    return {
      code: 'ERR_OBJECT_CHANGED',
      reason: 'it changed after it was listed',
      hint: 'No action needed: the next listing returns the new version.',
    };
  }
  if (status === 400 && /server side encryption/i.test(message)) {
    return {
      code: 'ERR_SOURCE_READ',
      reason: 'it is encrypted with a key that only its writer has (SSE-C), which is not supported',
      hint: 'Have the objects encrypted with SSE-S3 or SSE-KMS: set the default encryption of the bucket and copy them in place.',
    };
  }
  if (name === 'InvalidObjectState') {
    return {
      code: 'ERR_SOURCE_READ',
      reason: 'it is archived (Glacier) and cannot be read',
      hint: 'Restore the object, or set DATABRICKS_AUDIT_START to a date after the archived ones.',
    };
  }
  return undefined;
}

function describeDenied(
  { name, message, status }: AwsFailure,
  { action, bucket, path }: S3Call,
): Description | undefined {
  if (status !== 403 && name !== 'AccessDenied') return undefined;
  const code = 'ERR_SOURCE_ACCESS_DENIED';
  if (/kms/i.test(message)) {
    const hint = "Allow kms:Decrypt on the bucket's key, in the policies of the role and of the key.";
    return { code, reason: 'access denied to the encryption key (kms:Decrypt)', hint };
  }
  if (action === 's3:ListBucket') {
    const hint = `Allow s3:ListBucket on ${arnOf(bucket)}; a condition on s3:prefix must allow "${printable(path)}". Requester Pays buckets are not supported.`;
    return { code, reason: 'access denied (s3:ListBucket)', hint };
  }
  const objects = isAccessPoint(bucket) ? `${bucket}/object` : arnOf(bucket);
  const hint = `Allow s3:GetObject on ${objects}/${printable(path)}, in the policies of the role and of the bucket.`;
  return { code, reason: 'access denied (s3:GetObject)', hint };
}

function arnOf(bucket: string): string {
  return isAccessPoint(bucket) ? bucket : `arn:aws:s3:::${bucket}`;
}
