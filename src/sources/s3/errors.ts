/**
 * Describes errors of S3 and the AWS SDK for the operator. Error codes:
 * https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
 */
import { AgentError, type ErrorCode, messageOf } from '../../model/agent-error.ts';
import { printable } from '../../runtime/printable.ts';
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

/** The relevant facts of an error, whether the SDK, S3 or Node.js raised it. */
interface ErrorFacts {
  readonly name: string;
  readonly message: string;
  /** HTTP status; undefined if there was no response. */
  readonly status: number | undefined;
  /** A Node.js code such as `ECONNREFUSED`. */
  readonly errno: string | undefined;
  readonly host: string | undefined;
  /** The region of the bucket, which S3 returns to a request in the wrong region. */
  readonly bucketRegion: string | undefined;
}

/** The message, hint and cause never contain an access key id, a token or a signature. */
export function describeS3Error(error: unknown, call: S3Call): AgentError {
  if (error instanceof AgentError) return error;
  const facts = readFacts(error);
  const { code, reason, hint } = describe(facts, call);
  const verb = call.action === 's3:ListBucket' ? 'list' : 'read';
  return new AgentError(code, `Could not ${verb} s3://${call.bucket}/${printable(call.path)}: ${reason}`, {
    // The SDK's error has the request, the response and sometimes key ids as fields, so it must not reach a logger.
    cause: new Error(withoutSecrets(`${facts.name}: ${facts.message}`)),
    hint,
  });
}

/** The response was successful but its body is incomplete. */
export function describeBrokenBody(error: unknown, call: S3Call, receivedBytes: number, sizeBytes: number): AgentError {
  const { errno, name, message } = readFacts(error);
  const where = `s3://${call.bucket}/${printable(call.path)}`;
  const detail = error === undefined ? '' : ` (${errno ?? name})`;
  return new AgentError(
    'ERR_SOURCE_READ',
    `Could not read ${where}: the body ended after ${receivedBytes} of ${sizeBytes} bytes${detail}`,
    {
      ...(error === undefined ? {} : { cause: new Error(withoutSecrets(`${name}: ${message}`)) }),
      hint: 'The agent tries again. While the collector is down, this is normal: S3 closes idle connections.',
    },
  );
}

/** A successful response that is not a complete listing. */
export function describeBadListing(call: S3Call, what: string): AgentError {
  const message = `Could not list s3://${call.bucket}/${printable(call.path)}: invalid listing response (${what})`;
  return new AgentError('ERR_SOURCE_READ', message, {
    hint: 'Check AWS_ENDPOINT_URL_S3 and any proxy in between. The agent tries again.',
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
    hint: 'Check for a cache between the agent and the bucket, and the server behind AWS_ENDPOINT_URL_S3. The agent tries again.',
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
    hint: 'Check for a proxy that changes bodies, and the server behind AWS_ENDPOINT_URL_S3. The agent tries again.',
  });
}

function describe(facts: ErrorFacts, call: S3Call): Description {
  return (
    describeSetup(facts) ??
    describeCredentials(facts) ??
    describeThrottling(facts) ??
    describeMissing(facts, call) ??
    describeDenied(facts, call) ??
    describeUnreachable(facts) ?? {
      code: 'ERR_SOURCE_READ',
      reason: facts.status === undefined ? 'the request failed' : `S3 answered ${facts.name} (HTTP ${facts.status})`,
      hint: 'The agent tries again. If this persists, see the cause.',
    }
  );
}

function describeSetup({ name, message, status, bucketRegion }: ErrorFacts): Description | undefined {
  if (message.includes('Region is missing')) {
    return {
      code: 'ERR_CONFIGURATION',
      reason: 'no AWS region is set',
      hint: "Set AWS_REGION to the bucket's region; for other S3-compatible servers any will do, such as us-east-1.",
    };
  }
  if (message.includes('uv_os_homedir')) {
    return {
      code: 'ERR_CONFIGURATION',
      reason: 'the AWS SDK finds no home directory (HOME is not set, and the user id has no entry in /etc/passwd)',
      hint: 'Set HOME to any directory, such as /tmp. The SDK looks for its files there, but does not need any.',
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

const expired = new Set(['ExpiredToken', 'ExpiredTokenException', 'TokenRefreshRequired', 'RequestExpired']);
const invalid = new Set([
  'CredentialsProviderError',
  'TokenProviderError',
  'InvalidAccessKeyId',
  'InvalidClientTokenId',
  'InvalidIdentityToken',
  'InvalidIdentityTokenException',
  'InvalidToken',
  'SignatureDoesNotMatch',
  'UnrecognizedClientException',
]);

function describeCredentials({ name, message, errno }: ErrorFacts): Description | undefined {
  const code = 'ERR_SOURCE_CREDENTIALS';
  if (expired.has(name)) {
    return {
      code,
      reason: 'the AWS credentials have expired',
      hint: 'Renew them, or use a role, whose credentials are renewed automatically.',
    };
  }
  if (name === 'RequestTimeTooSkewed') {
    const hint = 'Synchronise the clock of this machine (NTP).';
    return { code, reason: 'the clock of this machine is more than 15 minutes off', hint };
  }
  const deniedAction = /\b(sts:\w+)/.exec(message)?.[1];
  if (deniedAction !== undefined) {
    const hint = `Allow ${deniedAction} for this identity in the trust policy of the role (AWS_ROLE_ARN).`;
    return { code, reason: 'the role could not be assumed', hint };
  }
  if (name === 'CredentialsProviderError' || name === 'TokenProviderError') {
    const hint =
      'Give the agent a role (AWS_ROLE_ARN with AWS_WEB_IDENTITY_TOKEN_FILE, an instance or task role), AWS_PROFILE, or AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY.';
    return { code, reason: 'no AWS credentials could be loaded', hint };
  }
  if (errno === 'ENOENT' || errno === 'EACCES') {
    const hint = 'Check AWS_WEB_IDENTITY_TOKEN_FILE, and the profile if AWS_PROFILE is set. The cause names the file.';
    return { code, reason: `an AWS credentials file could not be read (${errno})`, hint };
  }
  if (invalid.has(name)) {
    const hint = 'Check access key, secret key and session token: they must match, and belong to this account.';
    return { code, reason: `the AWS credentials are not valid (${name})`, hint };
  }
  return undefined;
}

function describeThrottling({ name, status }: ErrorFacts): Description | undefined {
  const throttled = /^(SlowDown|Throttl|TooManyRequests|RequestLimitExceeded|RequestThrottled|ServiceUnavailable)/;
  if (status !== 503 && status !== 429 && !throttled.test(name)) return undefined;
  return {
    code: 'ERR_SOURCE_THROTTLED',
    reason: `S3 is throttling requests (${name})`,
    hint: 'The agent tries again. If this persists, raise DATABRICKS_AUDIT_POLL_INTERVAL.',
  };
}

function describeMissing({ name, message, status }: ErrorFacts, { action, bucket }: S3Call): Description | undefined {
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
  { name, message, status }: ErrorFacts,
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

function describeUnreachable({ name, message, errno, host }: ErrorFacts): Description | undefined {
  if (errno === undefined && name !== 'TimeoutError') return undefined;
  const where = host === undefined ? 'the endpoint' : host;
  const isCertificate = /CERT|SIGNATURE|SSL|TLS/.test(errno ?? '') || /certificate/i.test(message);
  return {
    code: 'ERR_SOURCE_READ',
    reason: isCertificate
      ? `the certificate of ${where} is not trusted (${errno})`
      : `${where} is not reachable (${errno ?? name})`,
    hint: isCertificate
      ? 'Set NODE_EXTRA_CA_CERTS to the PEM file of the CA.'
      : 'Check the network, the proxy, AWS_REGION, and AWS_ENDPOINT_URL_S3 if it is set. The agent tries again.',
  };
}

function readFacts(error: unknown): ErrorFacts {
  // If a name has several addresses, Node.js tries each and throws one AggregateError without a message.
  const single = error instanceof AggregateError && error.errors.length > 0 ? error.errors[0] : error;
  const fields = asFields(single);
  const metadata = asFields(fields.$metadata);
  const headers = asFields(asFields(fields.$response).headers);
  const address = textOf(fields.address);
  const port = fields.port;
  return {
    name: textOf(fields.name) ?? 'Error',
    message: messageOf(single),
    status: typeof metadata.httpStatusCode === 'number' ? metadata.httpStatusCode : undefined,
    errno: textOf(fields.code)?.match(/^[A-Z][A-Z0-9_]+$/)?.[0],
    host: textOf(fields.hostname) ?? (address === undefined ? undefined : `${address}:${port}`),
    bucketRegion: textOf(headers['x-amz-bucket-region']),
  };
}

function asFields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? printable(value) : undefined;
}

/** Masks access key ids (AKIA..., ASIA...) and the query of URLs, which contains signatures and tokens. */
function withoutSecrets(text: string): string {
  return printable(text.replace(/\bA[KS]IA[A-Z0-9]{12,}\b/g, '***').replace(/(https?:\/\/[^\s?]+)\?\S*/g, '$1?***'));
}
