/**
 * What S3 and the AWS SDK answer, in the words of the operator. Codes:
 * https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
 */
import { AgentError, type ErrorCode, messageOf } from '../../model/agent-error.ts';
import { printable } from '../../runtime/printable.ts';

/** The call that failed. */
export interface S3Call {
  /** The IAM action that it needs. */
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

/** What is looked at in an error, whoever threw it. */
interface Signs {
  readonly name: string;
  readonly message: string;
  /** HTTP status of the answer; undefined when there was none. */
  readonly status: number | undefined;
  /** Of Node.js, such as `ECONNREFUSED`. */
  readonly errno: string | undefined;
  readonly host: string | undefined;
  /** Where the bucket is, as S3 tells somebody who looked elsewhere. */
  readonly bucketRegion: string | undefined;
}

/** No message, hint or cause of the result holds an access key id, a token or a signature. */
export function describeS3Error(error: unknown, call: S3Call): AgentError {
  if (error instanceof AgentError) return error;
  const signs = readSigns(error);
  const { code, reason, hint } = describe(signs, call);
  const verb = call.action === 's3:ListBucket' ? 'list' : 'read';
  return new AgentError(code, `Could not ${verb} s3://${call.bucket}/${printable(call.path)}: ${reason}`, {
    // The SDK's error carries request, answer and sometimes key ids as fields, so a logger must not get hold of it.
    cause: new Error(withoutSecrets(`${signs.name}: ${signs.message}`)),
    hint,
  });
}

/** The answer began well and its body did not come to its end. */
export function describeBrokenBody(error: unknown, call: S3Call, receivedBytes: number, sizeBytes: number): AgentError {
  const { errno, name, message } = readSigns(error);
  const where = `s3://${call.bucket}/${printable(call.path)}`;
  const sign = error === undefined ? '' : ` (${errno ?? name})`;
  return new AgentError(
    'ERR_SOURCE_READ',
    `Could not read ${where}: the body broke off after ${receivedBytes} of ${sizeBytes} bytes${sign}`,
    {
      ...(error === undefined ? {} : { cause: new Error(withoutSecrets(`${name}: ${message}`)) }),
      hint: 'It is tried again. While the collector is down this is normal: S3 does not wait for ever.',
    },
  );
}

/** The answer has the status of a listing and is none. */
export function describeBadListing(call: S3Call, what: string): AgentError {
  const message = `Could not list s3://${call.bucket}/${printable(call.path)}: the answer is not one of S3, ${what}`;
  return new AgentError('ERR_SOURCE_READ', message, {
    hint: 'Check AWS_ENDPOINT_URL_S3 and the proxies on the way. It is tried again.',
  });
}

/** What came is not what was asked for: some servers that speak S3 ignore `If-Match`. */
export function describeOtherVersion(call: S3Call): AgentError {
  return describeS3Error({ name: 'PreconditionFailed', $metadata: { httpStatusCode: 412 } }, call);
}

/** The same version is listed again and again, and never read. */
export function describeDisagreement(call: S3Call, listedEtag: string, answeredEtag: string | undefined): AgentError {
  const answer =
    answeredEtag === undefined
      ? 'refused (HTTP 412) even without a condition'
      : `read with ${printable(answeredEtag)}, and in another size or of another time`;
  const tags = `it is listed with ETag ${printable(listedEtag)} but ${answer}`;
  return new AgentError('ERR_SOURCE_READ', `Could not read s3://${call.bucket}/${printable(call.path)}: ${tags}`, {
    hint: 'Look for a cache between the agent and the bucket, or at the server behind AWS_ENDPOINT_URL_S3. It is tried again.',
  });
}

export function describeEncodedBody(call: S3Call, encoding: string): AgentError {
  const reason = `it comes with Content-Encoding ${encoding}, which the agent does not decode`;
  return new AgentError('ERR_SOURCE_READ', `Could not read s3://${call.bucket}/${printable(call.path)}: ${reason}`, {
    hint: 'Remove the encoding from the metadata of the object, or keep the proxy from compressing. gzip and zstd are decoded.',
  });
}

/** The body is whole by its Content-Length, and shorter than the listing says. */
export function describeOtherSize(call: S3Call, receivedBytes: number, sizeBytes: number): AgentError {
  const reason = `the listing shows ${sizeBytes} bytes, but the server sends ${receivedBytes}`;
  return new AgentError('ERR_SOURCE_READ', `Could not read s3://${call.bucket}/${printable(call.path)}: ${reason}`, {
    hint: 'Look for a proxy that changes bodies, or at the server behind AWS_ENDPOINT_URL_S3. It is tried again.',
  });
}

function describe(signs: Signs, call: S3Call): Description {
  return (
    describeSetup(signs) ??
    describeCredentials(signs) ??
    describeThrottling(signs) ??
    describeMissing(signs, call) ??
    describeDenied(signs, call) ??
    describeUnreachable(signs) ?? {
      code: 'ERR_SOURCE_READ',
      reason: signs.status === undefined ? 'the request failed' : `S3 answered ${signs.name} (HTTP ${signs.status})`,
      hint: 'It is tried again. If it stays, look at the cause.',
    }
  );
}

function describeSetup({ name, message, status, bucketRegion }: Signs): Description | undefined {
  if (message.includes('Region is missing')) {
    return {
      code: 'ERR_CONFIGURATION',
      reason: 'no AWS region is set',
      hint: "Set AWS_REGION to the bucket's region; for other servers that speak S3 any will do, such as us-east-1.",
    };
  }
  if (message.includes('uv_os_homedir')) {
    return {
      code: 'ERR_CONFIGURATION',
      reason: 'the AWS SDK finds no home directory (HOME is not set, and the user id has no entry in /etc/passwd)',
      hint: 'Set HOME to any directory, such as /tmp: the SDK looks for its files there, and need not find any.',
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

function describeCredentials({ name, message, errno }: Signs): Description | undefined {
  const code = 'ERR_SOURCE_CREDENTIALS';
  if (expired.has(name)) {
    return {
      code,
      reason: 'the AWS credentials have expired',
      hint: 'Renew them, or use a role that renews them itself.',
    };
  }
  if (name === 'RequestTimeTooSkewed') {
    const hint = 'Set the clock of this machine (NTP).';
    return { code, reason: 'the clock of this machine is more than 15 minutes off', hint };
  }
  const deniedAction = /\b(sts:\w+)/.exec(message)?.[1];
  if (deniedAction !== undefined) {
    const hint = `Allow ${deniedAction} for this identity in the trust policy of the role (AWS_ROLE_ARN).`;
    return { code, reason: 'the role cannot be assumed', hint };
  }
  if (name === 'CredentialsProviderError' || name === 'TokenProviderError') {
    const hint =
      'Give the agent a role (AWS_ROLE_ARN with AWS_WEB_IDENTITY_TOKEN_FILE, an instance or task role), AWS_PROFILE, or AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY.';
    return { code, reason: 'no AWS credentials could be loaded', hint };
  }
  if (errno === 'ENOENT' || errno === 'EACCES') {
    const hint = 'Check AWS_WEB_IDENTITY_TOKEN_FILE, and the profile if AWS_PROFILE is set; the cause names the file.';
    return { code, reason: `a file of the AWS credentials cannot be read (${errno})`, hint };
  }
  if (invalid.has(name)) {
    const hint = 'Check access key, secret key and session token: they must belong together and to this account.';
    return { code, reason: `the AWS credentials are not valid (${name})`, hint };
  }
  return undefined;
}

function describeThrottling({ name, status }: Signs): Description | undefined {
  const throttled = /^(SlowDown|Throttl|TooManyRequests|RequestLimitExceeded|RequestThrottled|ServiceUnavailable)/;
  if (status !== 503 && status !== 429 && !throttled.test(name)) return undefined;
  return {
    code: 'ERR_SOURCE_THROTTLED',
    reason: `S3 asks to slow down (${name})`,
    hint: 'It is tried again. If it stays, raise DATABRICKS_AUDIT_POLL_INTERVAL.',
  };
}

function describeMissing({ name, status }: Signs, { action, bucket }: S3Call): Description | undefined {
  if (name === 'NoSuchBucket' || name === 'InvalidBucketName' || (status === 404 && action === 's3:ListBucket')) {
    return {
      code: 'ERR_SOURCE_NOT_FOUND',
      reason: `there is no bucket ${bucket}`,
      hint: 'Check DATABRICKS_AUDIT_SOURCE, and AWS_ENDPOINT_URL_S3 if it is set.',
    };
  }
  if (status === 404) {
    return { code: 'ERR_OBJECT_GONE', reason: 'it is gone', hint: 'Nothing to do if it was deleted on purpose.' };
  }
  if (status === 412) {
    return {
      code: 'ERR_OBJECT_CHANGED',
      reason: 'it changed after it was listed',
      hint: 'Nothing to do: the next listing shows the new version.',
    };
  }
  if (name === 'InvalidObjectState') {
    return {
      code: 'ERR_SOURCE_READ',
      reason: 'it is archived (Glacier) and cannot be read',
      hint: 'Restore the object, or set DATABRICKS_AUDIT_START behind the archived dates.',
    };
  }
  return undefined;
}

function describeDenied({ name, message, status }: Signs, { action, bucket, path }: S3Call): Description | undefined {
  if (status !== 403 && name !== 'AccessDenied') return undefined;
  const code = 'ERR_SOURCE_ACCESS_DENIED';
  if (/kms/i.test(message)) {
    const hint = 'Allow kms:Decrypt on the key of the bucket, in the policy of the role and of the key.';
    return { code, reason: 'access denied to the encryption key (kms:Decrypt)', hint };
  }
  if (action === 's3:ListBucket') {
    const hint = `Allow s3:ListBucket on arn:aws:s3:::${bucket}; a condition on s3:prefix must let "${printable(path)}" pass.`;
    return { code, reason: 'access denied (s3:ListBucket)', hint };
  }
  const hint = `Allow s3:GetObject on arn:aws:s3:::${bucket}/${printable(path)}, in the policy of the role and of the bucket.`;
  return { code, reason: 'access denied (s3:GetObject)', hint };
}

function describeUnreachable({ name, message, errno, host }: Signs): Description | undefined {
  if (errno === undefined && name !== 'TimeoutError') return undefined;
  const where = host === undefined ? 'the endpoint' : host;
  const isCertificate = /CERT|SIGNATURE|SSL|TLS/.test(errno ?? '') || /certificate/i.test(message);
  return {
    code: 'ERR_SOURCE_READ',
    reason: isCertificate
      ? `the certificate of ${where} is not trusted (${errno})`
      : `${where} is not reachable (${errno ?? name})`,
    hint: isCertificate
      ? 'Set NODE_EXTRA_CA_CERTS to the file of the certificate authority.'
      : 'Check network, proxy, AWS_REGION, and AWS_ENDPOINT_URL_S3 if it is set. It is tried again.',
  };
}

function readSigns(error: unknown): Signs {
  // When a name has several addresses, Node.js tries each and throws all failures as one, without a message.
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

/** Masks access key ids (AKIA..., ASIA...) and the query of URLs, in which signatures and tokens are. */
function withoutSecrets(text: string): string {
  return printable(text.replace(/\bA[KS]IA[A-Z0-9]{12,}\b/g, '***').replace(/(https?:\/\/[^\s?]+)\?\S*/g, '$1?***'));
}
