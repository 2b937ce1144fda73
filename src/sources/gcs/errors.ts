/**
 * Describes errors of Google Cloud Storage and Google's authentication for the operator. Errors:
 * https://cloud.google.com/storage/docs/json_api/v1/status-codes
 */
import { z } from 'zod';
import { AgentError, type ErrorCode, messageOf } from '../../model/agent-error.ts';
import { printable, printableAsLine } from '../../runtime/printable.ts';
import { proxyRefusal } from '../../runtime/proxy-refusal.ts';
import { retryAfterMs } from '../../runtime/retry-after.ts';
import type { NotRead } from '../bucket-settings.ts';
import type { Retry } from '../retries.ts';

/** The call that failed. */
export interface GcsCall {
  readonly action: 'list' | 'read';
  readonly bucket: string;
  /** The prefix of a listing or the name of an object. */
  readonly path: string;
}

interface Description {
  readonly code: ErrorCode;
  readonly reason: string;
  readonly hint: string;
}

const errorDocument = z.object({
  error: z.object({
    message: z.string().default(''),
    errors: z.array(z.object({ reason: z.string().default('') })).default([]),
  }),
});

/** An answer other than 200. */
export class GcsFailure extends Error {
  override readonly name = 'GcsFailure';
  readonly status: number;
  /** Such as `rateLimitExceeded`; empty if the body is not an error document. */
  readonly reason: string;
  readonly retryAfter: string | undefined;

  constructor(status: number, body: string, retryAfter: string | string[] | undefined) {
    const parsed = errorDocument.safeParse(parseJson(body));
    super(parsed.data?.error.message || body.slice(0, 500));
    this.status = status;
    this.reason = parsed.data?.error.errors[0]?.reason ?? '';
    this.retryAfter = typeof retryAfter === 'string' ? retryAfter : retryAfter?.[0];
  }
}

/** Throttling, failures of the server and broken connections pass. */
export function retryOf(error: unknown, nowMs: number): Retry | undefined {
  if (error instanceof AgentError) return undefined;
  if (error instanceof GcsFailure) {
    const isPassing = isThrottled(error) || error.status >= 500 || error.status === 408;
    return isPassing ? { afterMs: retryAfterMs(error.retryAfter, nowMs) } : undefined;
  }
  return errnoOf(error) === undefined ? undefined : { afterMs: undefined };
}

/** The message, hint and cause never contain a key or a token. */
export function describeGcsError(error: unknown, call: GcsCall): AgentError {
  if (error instanceof AgentError) return error;
  const { code, reason, hint } = describe(error, call);
  return new AgentError(code, `Could not ${call.action} ${placeOf(call)}: ${reason}`, {
    cause: new Error(withoutSecrets(messageOf(error))),
    hint,
  });
}

/** Why the settings of the bucket could not be read. */
export function explainSettingsError(error: unknown, bucket: string): NotRead {
  return describe(error, { action: 'list', bucket, path: '' });
}

/** The response was successful but its body is incomplete. */
export function describeBrokenBody(
  error: unknown,
  call: GcsCall,
  receivedBytes: number,
  sizeBytes: number,
): AgentError {
  const detail = error === undefined ? '' : ` (${errnoOf(error) ?? 'the connection broke'})`;
  const received =
    receivedBytes > sizeBytes
      ? `has more than the ${sizeBytes} bytes listed`
      : `ended after ${receivedBytes} of ${sizeBytes} bytes`;
  return new AgentError('ERR_SOURCE_READ', `Could not read ${placeOf(call)}: the body ${received}${detail}`, {
    ...(error === undefined ? {} : { cause: new Error(withoutSecrets(messageOf(error))) }),
    hint: 'A running agent tries again. While the collector is down, this is normal: idle connections are closed.',
  });
}

/** A successful response that is not a complete listing. */
export function describeBadListing(call: GcsCall, what: string): AgentError {
  const message = `Could not list ${placeOf(call)}: invalid listing response (${printable(what.replaceAll('\n', '; '), 300)})`;
  return new AgentError('ERR_SOURCE_READ', message, {
    hint: 'Check STORAGE_EMULATOR_HOST and any proxy in between. A running agent tries again.',
  });
}

export function describeOtherVersion(call: GcsCall): AgentError {
  return new AgentError('ERR_OBJECT_CHANGED', `Could not read ${placeOf(call)}: it changed after it was listed`, {
    hint: 'No action needed: the next listing returns the new version.',
  });
}

function describe(error: unknown, call: GcsCall): Description {
  return error instanceof GcsFailure
    ? describeAnswer(error, call)
    : (describeUnreachable(error) ?? describeSignIn(error));
}

function isThrottled({ status, reason }: GcsFailure): boolean {
  return status === 429 || status === 503 || /^(userRateLimitExceeded|rateLimitExceeded|slowDown)$/.test(reason);
}

function describeAnswer(failure: GcsFailure, { action, bucket }: GcsCall): Description {
  const { status, reason, message } = failure;
  const answered = reason === '' ? `HTTP ${status}` : `${printable(reason, 100)}, HTTP ${status}`;
  if (isThrottled(failure)) {
    return {
      code: 'ERR_SOURCE_THROTTLED',
      reason: `Google is throttling requests (${answered})`,
      hint: 'A running agent tries again. If this persists, raise DATABRICKS_AUDIT_POLL_INTERVAL.',
    };
  }
  if (status === 404 && action === 'list') {
    const hint = 'Check DATABRICKS_AUDIT_SOURCE, and STORAGE_EMULATOR_HOST if it is set.';
    return { code: 'ERR_SOURCE_NOT_FOUND', reason: `there is no bucket ${bucket}`, hint };
  }
  if (status === 404) {
    const hint = 'No action needed if it was deleted on purpose.';
    return { code: 'ERR_OBJECT_GONE', reason: 'it no longer exists', hint };
  }
  if (status === 412) {
    const hint = 'No action needed: the next listing returns the new version.';
    return { code: 'ERR_OBJECT_CHANGED', reason: 'it changed after it was listed', hint };
  }
  if (/user project/i.test(message) || /^userProject/.test(reason)) {
    const hint = 'Requester Pays buckets are not supported. Turn it off for this bucket.';
    return { code: 'ERR_SOURCE_ACCESS_DENIED', reason: 'the bucket demands a project that pays for requests', hint };
  }
  if (status === 401) {
    const hint = 'Check GOOGLE_APPLICATION_CREDENTIALS, or the service account of the workload.';
    return { code: 'ERR_SOURCE_CREDENTIALS', reason: `Google does not accept the credentials (${answered})`, hint };
  }
  if (status === 403) return describeDenied(failure, action, bucket);
  return {
    code: 'ERR_SOURCE_READ',
    reason: `Google answered ${answered}`,
    hint: 'A running agent tries again. If this persists, see the cause.',
  };
}

function describeDenied({ reason, message }: GcsFailure, action: GcsCall['action'], bucket: string): Description {
  const code = 'ERR_SOURCE_ACCESS_DENIED';
  if (/vpc service controls/i.test(message) || reason === 'vpcServiceControls') {
    const hint = 'Allow the project and identity of the agent in an ingress rule of the service perimeter.';
    return { code, reason: 'access denied by VPC Service Controls', hint };
  }
  if (/kms|cloudkms/i.test(message)) {
    const hint =
      'Give the service agent of Cloud Storage the role Cloud KMS CryptoKey Encrypter/Decrypter on the key of the bucket.';
    return { code, reason: 'access denied to the encryption key', hint };
  }
  const permission = action === 'list' ? 'storage.objects.list' : 'storage.objects.get';
  const hint = `Grant the service account of the agent the role Storage Object Viewer (roles/storage.objectViewer) on the bucket ${bucket}.`;
  return { code, reason: `access denied (${permission})`, hint };
}

function describeUnreachable(error: unknown): Description | undefined {
  const errno = errnoOf(error);
  if (errno === undefined) return undefined;
  const refusal = proxyRefusal(error, new URL('https://storage.googleapis.com'));
  if (refusal !== undefined) return { code: 'ERR_SOURCE_READ', ...refusal };
  const isCertificate = /CERT|SIGNATURE|SSL|TLS|SELF_SIGNED/.test(errno);
  return {
    code: 'ERR_SOURCE_READ',
    reason: isCertificate
      ? `the certificate of the server is not trusted (${errno})`
      : `Google is not reachable (${errno})`,
    hint: isCertificate
      ? 'Set NODE_EXTRA_CA_CERTS to the PEM file of the CA.'
      : 'Check the network, the proxy, and STORAGE_EMULATOR_HOST if it is set. A running agent tries again.',
  };
}

/** What Google's library throws when there are no credentials, or when they are refused. */
function describeSignIn(error: unknown): Description {
  const code = 'ERR_SOURCE_CREDENTIALS';
  const message = messageOf(error);
  if (/could not load the default credentials/i.test(message)) {
    const hint =
      'Run the agent with a service account (workload identity on GKE, or that of the instance), or set GOOGLE_APPLICATION_CREDENTIALS to a file with credentials.';
    return { code, reason: 'no Google credentials could be loaded', hint };
  }
  if (/does not exist, or it is not a file|ENOENT|EACCES|lstat/i.test(message)) {
    const hint = 'Check GOOGLE_APPLICATION_CREDENTIALS: the user of the agent must be able to read the file.';
    return { code, reason: 'the file with the Google credentials could not be read', hint };
  }
  if (/invalid_grant/i.test(message)) {
    const hint =
      'The key may have been deleted or the login have expired. Create new credentials, and check the clock of this machine (NTP).';
    return { code, reason: 'the Google credentials are not valid any more (invalid_grant)', hint };
  }
  const hint =
    'Check GOOGLE_APPLICATION_CREDENTIALS, or the service account of the workload. The cause has the explanation.';
  return { code, reason: 'signing in to Google failed', hint };
}

/** Of the error or its cause; undci's own codes begin with `UND_ERR_`. */
function errnoOf(error: unknown): string | undefined {
  const single = error instanceof AggregateError && error.errors.length > 0 ? error.errors[0] : error;
  for (const each of [single, (single as { cause?: unknown } | undefined)?.cause]) {
    const code = (each as { code?: unknown } | undefined)?.code;
    if (typeof code === 'string' && /^(E[A-Z]+|UND_ERR_[A-Z_]+|[A-Z_]*(CERT|SIGNED)[A-Z_]*)$/.test(code)) {
      // A file of credentials is no network.
      if (!/^E(NOENT|ACCES|ISDIR)$/.test(code)) return code;
    }
  }
  return undefined;
}

function placeOf({ bucket, path }: GcsCall): string {
  return `gs://${bucket}/${printable(path)}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Masks the query of URLs and what looks like a token or a key. */
function withoutSecrets(text: string): string {
  return printableAsLine(
    text
      .replace(/(https?:\/\/[^\s?]+)\?\S*/g, '$1?***')
      .replace(/\b(ya29\.[\w-]+|eyJ[\w-]{8,}\.[\w.-]+|[A-Za-z0-9+/]{60,}={0,2})/g, '***'),
    1_000,
  );
}
