/**
 * What failures of all AWS services have in common: the facts of an error, and explanations of missing or rejected credentials and of
 * endpoints that are not reachable.
 */
import { messageOf } from '../../model/agent-error.ts';
import { printable, printableAsLine } from '../printable.ts';
import { proxyRefusal } from '../proxy-refusal.ts';

/** The relevant facts of an error, whether the SDK, the service or Node.js raised it. */
export interface AwsFailure {
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

export interface AwsExplanation {
  readonly reason: string;
  readonly hint: string;
}

export function readAwsFailure(error: unknown): AwsFailure {
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
export function withoutSecrets(text: string): string {
  return printableAsLine(
    text.replace(/\bA[KS]IA[A-Z0-9]{12,}\b/g, '***').replace(/(https?:\/\/[^\s?]+)\?\S*/g, '$1?***'),
  );
}

/** Undefined unless the SDK finds no home directory. */
export function explainHome({ message }: AwsFailure): AwsExplanation | undefined {
  if (!message.includes('uv_os_homedir')) return undefined;
  return {
    reason: 'the AWS SDK finds no home directory (HOME is not set, and the user id has no entry in /etc/passwd)',
    hint: 'Set HOME to any directory, such as /tmp. The SDK looks for its files there, but does not need any.',
  };
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

/**
 * Undefined if the failure has nothing to do with credentials.
 * @param environment in which the SDK looked for them.
 */
export function explainCredentials(
  { name, message, errno }: AwsFailure,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): AwsExplanation | undefined {
  if (expired.has(name)) {
    return {
      reason: 'the AWS credentials have expired',
      hint: 'Renew them, or use a role, whose credentials are renewed automatically.',
    };
  }
  if (name === 'RequestTimeTooSkewed') {
    const hint = 'Synchronise the clock of this machine (NTP).';
    return { reason: 'the clock of this machine is more than 15 minutes off', hint };
  }
  const deniedAction = /\b(sts:\w+)/.exec(message)?.[1];
  if (deniedAction !== undefined) {
    const hint = `Allow ${deniedAction} for this identity in the trust policy of the role (AWS_ROLE_ARN).`;
    return { reason: 'the role could not be assumed', hint };
  }
  if (name === 'CredentialsProviderError' || name === 'TokenProviderError') {
    return explainNoCredentials(environment.AWS_PROFILE);
  }
  if (errno === 'ENOENT' || errno === 'EACCES') {
    const hint = 'Check AWS_WEB_IDENTITY_TOKEN_FILE, and the profile if AWS_PROFILE is set. The cause names the file.';
    return { reason: `an AWS credentials file could not be read (${errno})`, hint };
  }
  if (invalid.has(name)) {
    const hint = 'Check access key, secret key and session token: they must match, and belong to this account.';
    return { reason: `the AWS credentials are not valid (${name})`, hint };
  }
  return undefined;
}

function explainNoCredentials(profile: string | undefined): AwsExplanation {
  if (!profile) {
    const hint =
      'Give the agent a role (AWS_ROLE_ARN with AWS_WEB_IDENTITY_TOKEN_FILE, an instance or task role), AWS_PROFILE, or AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY.';
    return { reason: 'no AWS credentials could be loaded', hint };
  }
  // With a profile, the SDK ignores AWS_ACCESS_KEY_ID.
  const hint =
    'Check that the profile exists and has credentials in the files of the user who runs the agent (~/.aws/config and ~/.aws/credentials, or AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE), or unset AWS_PROFILE to use a role or AWS_ACCESS_KEY_ID.';
  return { reason: `no AWS credentials could be loaded with AWS_PROFILE=${printable(profile, 100)}`, hint };
}

/** True if the service asks for fewer requests. */
export function isThrottled({ name, status }: AwsFailure): boolean {
  const throttled = /^(SlowDown|Throttl|TooManyRequests|RequestLimitExceeded|RequestThrottled|ServiceUnavailable)/;
  return status === 503 || status === 429 || throttled.test(name);
}

/**
 * Undefined if there was a response.
 * @param variables that determine the endpoint, for the hint.
 */
export function explainUnreachable(
  { name, message, errno, host }: AwsFailure,
  variables: string,
): AwsExplanation | undefined {
  if (errno === undefined && name !== 'TimeoutError') return undefined;
  const refusal = proxyRefusal({ message });
  if (refusal !== undefined) return refusal;
  const where = host === undefined ? 'the endpoint' : host;
  const isCertificate = /CERT|SIGNATURE|SSL|TLS/.test(errno ?? '') || /certificate/i.test(message);
  return {
    reason: isCertificate
      ? `the certificate of ${where} is not trusted (${errno})`
      : `${where} is not reachable (${errno ?? name})`,
    hint: isCertificate
      ? 'Set NODE_EXTRA_CA_CERTS to the PEM file of the CA.'
      : `Check the network, the proxy, ${variables}. A running agent tries again.`,
  };
}
