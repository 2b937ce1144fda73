/**
 * Describes errors of Azure Blob Storage, Microsoft Entra ID and the SDK for the operator. Error codes:
 * https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
 */
import { AgentError, type ErrorCode, messageOf } from '../../model/agent-error.ts';
import { printable, printableAsLine } from '../../runtime/printable.ts';
import { retryAfterMs } from '../../runtime/retry-after.ts';
import type { Retry } from '../retries.ts';
import type { BlobCredential } from './location.ts';

/** The call that failed. */
export interface BlobCall {
  readonly action: 'list containers' | 'list' | 'read';
  readonly account: string;
  readonly container: string | undefined;
  /** The prefix of a listing or the name of a blob. */
  readonly path: string;
}

interface Description {
  readonly code: ErrorCode;
  readonly reason: string;
  readonly hint: string;
}

/** The relevant facts of an error, whether the SDK, the service or Node.js raised it. */
interface ErrorFacts {
  readonly name: string;
  readonly message: string;
  /** Of the service, such as `ContainerNotFound`. */
  readonly serviceCode: string;
  /** HTTP status; undefined if there was no response. */
  readonly status: number | undefined;
  /** A Node.js code such as `ECONNREFUSED`. */
  readonly errno: string | undefined;
  readonly retryAfter: string | undefined;
  /** A code of Microsoft Entra ID, such as `AADSTS7000222`. */
  readonly entraCode: string | undefined;
}

/** Throttling, failures of the server and broken connections pass. */
export function retryOf(error: unknown, nowMs: number): Retry | undefined {
  const { status, errno, name, retryAfter } = readFacts(error);
  const isPassing =
    status === undefined
      ? errno !== undefined && name !== 'AggregateAuthenticationError'
      : status === 429 || status >= 500;
  return isPassing ? { afterMs: retryAfterMs(retryAfter, nowMs) } : undefined;
}

/** The message, hint and cause never contain a key, a token or a signature. */
export function describeAzureError(error: unknown, call: BlobCall, credential: BlobCredential): AgentError {
  if (error instanceof AgentError) return error;
  const facts = readFacts(error);
  const { code, reason, hint } = describe(facts, call, credential);
  return new AgentError(code, `Could not ${verbOf(call)} ${placeOf(call)}: ${reason}`, {
    // The SDK's error has the request with its headers as fields, so it must not reach a logger.
    cause: new Error(withoutSecrets(`${facts.name}: ${facts.message}`)),
    hint,
  });
}

/** The response was successful but its body is incomplete. */
export function describeBrokenBody(
  error: unknown,
  call: BlobCall,
  receivedBytes: number,
  sizeBytes: number,
): AgentError {
  const { errno, name, message } = readFacts(error);
  const detail = error === undefined ? '' : ` (${errno ?? 'the connection broke'})`;
  const received =
    receivedBytes > sizeBytes
      ? `has more than the ${sizeBytes} bytes listed`
      : `ended after ${receivedBytes} of ${sizeBytes} bytes`;
  return new AgentError('ERR_SOURCE_READ', `Could not read ${placeOf(call)}: the body ${received}${detail}`, {
    ...(error === undefined ? {} : { cause: new Error(withoutSecrets(`${name}: ${message}`)) }),
    hint: 'A running agent tries again. While the collector is down, this is normal: Azure closes idle connections.',
  });
}

/** A successful response that is not a complete listing. */
export function describeBadListing(call: BlobCall, what: string): AgentError {
  return new AgentError('ERR_SOURCE_READ', `Could not list ${placeOf(call)}: invalid listing response (${what})`, {
    hint: 'Check the endpoint in AZURE_STORAGE_CONNECTION_STRING and any proxy in between. A running agent tries again.',
  });
}

export function describeOtherVersion(call: BlobCall): AgentError {
  return new AgentError('ERR_OBJECT_CHANGED', `Could not read ${placeOf(call)}: it changed after it was listed`, {
    hint: 'No action needed: the next listing returns the new version.',
  });
}

export function describeGoneBlob(call: BlobCall): AgentError {
  return new AgentError('ERR_OBJECT_GONE', `Could not read ${placeOf(call)}: ${gone.reason}`, { hint: gone.hint });
}

const gone = { reason: 'it no longer exists', hint: 'No action needed if it was deleted on purpose.' };

function describe(facts: ErrorFacts, call: BlobCall, credential: BlobCredential): Description {
  return (
    describeIdentity(facts) ??
    describeThrottling(facts) ??
    describeMissing(facts, call) ??
    describeState(facts) ??
    describeCredential(facts, credential) ??
    describeDenied(facts, call, credential) ??
    describeUnreachable(facts, call) ?? {
      code: 'ERR_SOURCE_READ',
      reason:
        facts.status === undefined
          ? 'the request failed'
          : `Azure answered ${facts.serviceCode} (HTTP ${facts.status})`,
      hint: 'A running agent tries again. If this persists, see the cause.',
    }
  );
}

/** Codes: https://learn.microsoft.com/entra/identity-platform/reference-error-codes */
const entraReasons: Readonly<Record<string, readonly [reason: string, hint: string]>> = {
  AADSTS7000222: [
    'the client secret has expired',
    'Create a new secret for the app registration, and set AZURE_CLIENT_SECRET.',
  ],
  AADSTS7000215: [
    'the client secret is not valid',
    'Set AZURE_CLIENT_SECRET to the value of the secret, not to its id.',
  ],
  AADSTS700016: ['the tenant has no app registration with this id', 'Check AZURE_CLIENT_ID and AZURE_TENANT_ID.'],
  AADSTS90002: ['the tenant does not exist', 'Check AZURE_TENANT_ID, and AZURE_AUTHORITY_HOST for other clouds.'],
  AADSTS700213: [
    'no federated credential matches the token of the workload',
    'Check issuer, subject (namespace and service account) and audience of the federated credential.',
  ],
  AADSTS70021: [
    'no federated credential matches the token of the workload',
    'Check issuer, subject (namespace and service account) and audience of the federated credential.',
  ],
};

function describeIdentity({ name, entraCode, errno }: ErrorFacts): Description | undefined {
  const code = 'ERR_SOURCE_CREDENTIALS';
  const known = entraCode === undefined ? undefined : entraReasons[entraCode];
  if (known !== undefined) return { code, reason: `${known[0]} (${entraCode})`, hint: known[1] };
  if (entraCode !== undefined) {
    return {
      code,
      reason: `Microsoft Entra ID refuses the credentials (${entraCode})`,
      hint: 'The cause has its explanation.',
    };
  }
  if (errno !== undefined && name === 'AuthenticationError') return undefined;
  const isIdentity =
    /^(CredentialUnavailableError|AggregateAuthenticationError|ChainedTokenCredential|AuthenticationError|AuthenticationRequiredError)/;
  if (!isIdentity.test(name)) return undefined;
  return {
    code,
    reason: 'no Azure credentials could be loaded',
    hint: 'Give the agent a managed identity or a workload identity, or set AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET, AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN. The cause tells what was tried.',
  };
}

function describeThrottling({ serviceCode, status }: ErrorFacts): Description | undefined {
  const isThrottled =
    status === 429 || status === 503 || serviceCode === 'ServerBusy' || serviceCode === 'OperationTimedOut';
  if (!isThrottled) return undefined;
  return {
    code: 'ERR_SOURCE_THROTTLED',
    reason: `Azure is throttling requests (${serviceCode})`,
    hint: 'A running agent tries again. If this persists, raise ?poll= of the source, or find out what else uses the storage account.',
  };
}

function describeMissing(
  { serviceCode, status }: ErrorFacts,
  { action, container, account }: BlobCall,
): Description | undefined {
  if (status === 412) {
    return {
      code: 'ERR_OBJECT_CHANGED',
      reason: 'it changed after it was listed',
      hint: 'No action needed: the next listing returns the new version.',
    };
  }
  if (
    serviceCode === 'ContainerNotFound' ||
    serviceCode === 'ContainerBeingDeleted' ||
    (status === 404 && action === 'list')
  ) {
    return {
      code: 'ERR_SOURCE_NOT_FOUND',
      reason: `there is no container ${container} in the storage account ${account}`,
      hint: 'Check DATABRICKS_AUDIT_SOURCE. A diagnostic setting creates the container of a category with its first event.',
    };
  }
  if (status !== 404) return undefined;
  if (action === 'list containers') {
    return {
      code: 'ERR_SOURCE_NOT_FOUND',
      reason: `there is no storage account ${account} at this endpoint`,
      hint: 'Check DATABRICKS_AUDIT_SOURCE, and AZURE_STORAGE_CONNECTION_STRING if it is set.',
    };
  }
  return { code: 'ERR_OBJECT_GONE', ...gone };
}

/** Settings of the blob or of the account. */
function describeState({ serviceCode }: ErrorFacts): Description | undefined {
  switch (serviceCode) {
    case 'BlobArchived':
    case 'BlobBeingRehydrated':
      return {
        code: 'ERR_SOURCE_READ',
        reason: `it is archived and cannot be read (${serviceCode})`,
        hint: 'Rehydrate the blob to the hot or cool tier, or set DATABRICKS_AUDIT_START to a date after the archived ones.',
      };
    case 'AccountIsDisabled':
      return {
        code: 'ERR_SOURCE_ACCESS_DENIED',
        reason: 'the storage account is disabled',
        hint: 'Check its subscription.',
      };
    case 'KeyBasedAuthenticationNotPermitted':
      return {
        code: 'ERR_SOURCE_CREDENTIALS',
        reason: 'the storage account does not permit access keys',
        hint: 'Use Microsoft Entra ID: a managed identity, workload identity or service principal with the role Storage Blob Data Reader.',
      };
    case 'PublicAccessNotPermitted':
    case 'NoAuthenticationInformation':
      return {
        code: 'ERR_SOURCE_CREDENTIALS',
        reason: 'the request had no valid credentials',
        hint: 'Check AZURE_STORAGE_SAS_TOKEN: it must be complete, with its signature (sig).',
      };
    case 'UnsupportedQueryParameter':
    case 'InvalidHeaderValue':
    case 'InvalidQueryParameterValue':
      return {
        code: 'ERR_SOURCE_READ',
        reason: `the service does not know the version of the request (${serviceCode})`,
        hint: 'An emulator may need to be newer, or to skip the check of the API version.',
      };
    default:
      return undefined;
  }
}

function describeCredential(
  { serviceCode, status, message }: ErrorFacts,
  credential: BlobCredential,
): Description | undefined {
  const isRefused = status === 401 || ['AuthenticationFailed', 'InvalidAuthenticationInfo'].includes(serviceCode);
  if (!isRefused) return undefined;
  const code = 'ERR_SOURCE_CREDENTIALS';
  if (credential.type === 'identity') {
    const hint =
      'Check that the identity belongs to the tenant of the storage account, and the clock of this machine (NTP).';
    return { code, reason: `Azure does not accept the token of the identity (${serviceCode})`, hint };
  }
  if (credential.type === 'sharedKey') {
    const hint =
      'Check AZURE_STORAGE_KEY or AZURE_STORAGE_CONNECTION_STRING (the key may have been rotated), and the clock of this machine (NTP).';
    return { code, reason: `the access key is not valid for this account (${serviceCode})`, hint };
  }
  const isExpired = /not valid in the specified time frame|expired/i.test(message);
  return isExpired
    ? {
        code,
        reason: 'the shared access signature has expired',
        hint: 'Create a new one, and set AZURE_STORAGE_SAS_TOKEN.',
      }
    : {
        code,
        reason: `the shared access signature is not valid (${serviceCode})`,
        hint: 'Check AZURE_STORAGE_SAS_TOKEN: it must be for this account or container, and its key must not have been rotated.',
      };
}

function describeDenied(
  { serviceCode, status }: ErrorFacts,
  { action, container, account }: BlobCall,
  credential: BlobCredential,
): Description | undefined {
  if (status !== 403) return undefined;
  const code = 'ERR_SOURCE_ACCESS_DENIED';
  const reason = `access denied (${serviceCode})`;
  const orNamed =
    action === 'list containers'
      ? ' With a role on single containers only, name each of them in DATABRICKS_AUDIT_SOURCE.'
      : '';
  const where =
    container === undefined
      ? `the storage account ${account}`
      : `the container ${container} or the storage account ${account}`;
  if (credential.type === 'sas') {
    const right = action === 'read' ? 'r (read)' : 'l (list)';
    const scope = action === 'list containers' ? ' for the account, with the resource types s, c and o' : '';
    const hint = `Create a shared access signature with the permission ${right}${scope}, valid for the address of the agent, and set AZURE_STORAGE_SAS_TOKEN.`;
    return { code, reason, hint };
  }
  if (serviceCode === 'AuthorizationFailure' || credential.type === 'sharedKey') {
    const hint = `Allow the network of the agent in the firewall of the storage account ${account}, or use its private endpoint. If the network is allowed, assign the role Storage Blob Data Reader on ${where}.`;
    return { code, reason, hint };
  }
  const hint = `Assign the role Storage Blob Data Reader on ${where} to the identity of the agent. Roles such as Owner and Contributor do not include it, and a new assignment takes some minutes.${orNamed}`;
  return { code, reason, hint };
}

function describeUnreachable({ errno, name }: ErrorFacts, { account }: BlobCall): Description | undefined {
  if (errno === undefined && name !== 'AbortError') return undefined;
  if (errno === 'ENOTFOUND') {
    return {
      code: 'ERR_SOURCE_READ',
      reason: `the name of the storage account ${account} could not be resolved (ENOTFOUND)`,
      hint: 'Check the account in DATABRICKS_AUDIT_SOURCE, the DNS, and a private endpoint if there is one. A running agent tries again.',
    };
  }
  const isCertificate = /CERT|SIGNATURE|SSL|TLS/.test(errno ?? '');
  return {
    code: 'ERR_SOURCE_READ',
    reason: isCertificate
      ? `the certificate of the endpoint is not trusted (${errno})`
      : `the endpoint is not reachable (${errno ?? 'no answer in time'})`,
    hint: isCertificate
      ? 'Set NODE_EXTRA_CA_CERTS to the PEM file of the CA.'
      : 'Check the network, the proxy, and AZURE_STORAGE_CONNECTION_STRING if it is set. A running agent tries again.',
  };
}

function verbOf({ action }: BlobCall): string {
  return action === 'list containers' ? 'list the containers of' : action;
}

function placeOf({ account, container, path }: BlobCall): string {
  return container === undefined ? `the storage account ${account}` : `az://${account}/${container}/${printable(path)}`;
}

function readFacts(error: unknown): ErrorFacts {
  const fields = asFields(error);
  const details = asFields(fields.details);
  const response = asFields(fields.response);
  const headers = asFields(response.headers);
  const message = messageOf(error);
  const get = headers.get;
  const header = (name: string) => (typeof get === 'function' ? textOf(get.call(headers, name)) : undefined);
  const code = textOf(details.errorCode) ?? header('x-ms-error-code') ?? textOf(fields.code) ?? '';
  const errno = [fields, asFields(fields.cause)]
    .map((each) => textOf(each.code)?.match(/^E[A-Z][A-Z0-9_]+$|^(CERT|UNABLE|SELF_SIGNED|DEPTH_ZERO)[A-Z0-9_]+$/)?.[0])
    .find((each) => each !== undefined);
  return {
    name: textOf(fields.name) ?? 'Error',
    message,
    serviceCode: code,
    status: typeof fields.statusCode === 'number' ? fields.statusCode : undefined,
    errno: errno ?? /\b(E(?:CONN|NOTFOUND|AI_AGAIN|TIMEDOUT|HOST|NET|PIPE)[A-Z]*)\b/.exec(message)?.[1],
    retryAfter: header('retry-after'),
    entraCode: /\b(AADSTS\d+)\b/.exec(message)?.[1],
  };
}

function asFields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? printable(value) : undefined;
}

/** Masks the query of URLs and what looks like a token, a key or a signature. */
function withoutSecrets(text: string): string {
  return printableAsLine(
    text
      .replace(/(https?:\/\/[^\s?]+)\?\S*/g, '$1?***')
      .replace(/\b(sig|client_secret|client_assertion)=[^\s&;]+/gi, '$1=***')
      .replace(/\b(eyJ[\w-]{8,}\.[\w.-]+|[A-Za-z0-9+/]{60,}={0,2})/g, '***'),
    1_000,
  );
}
