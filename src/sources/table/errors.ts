/**
 * Describes errors of a workspace for the operator. Messages never contain a credential, and no URL with a query.
 */
import { AgentError, messageOf } from '../../model/agent-error.ts';
import { printable, printableAsLine } from '../../runtime/printable.ts';
import { proxyRefusal } from '../../runtime/proxy-refusal.ts';
import { auditColumns } from './row.ts';

/** What is read, and where: for requests and for messages. */
export interface TableAddress {
  /** Of the workspace. */
  readonly origin: string;
  readonly warehouseId: string;
  readonly table: string;
}

export function throttled(url: URL, status: number): AgentError {
  return new AgentError('ERR_SOURCE_THROTTLED', `${url.host} is throttling requests (HTTP ${status})`, {
    hint: 'A running agent tries again. If this persists, raise ?poll= of the source.',
  });
}

/** @param reason an error of the connection, or a text. */
export function unreachable(url: URL, reason: unknown): AgentError {
  if (typeof reason === 'string') {
    return new AgentError('ERR_SOURCE_READ', `${url.host} failed with ${reason}`, {
      hint: 'A running agent tries again.',
    });
  }
  const refusal = proxyRefusal(reason, url);
  if (refusal !== undefined) {
    return new AgentError('ERR_SOURCE_READ', `${url.host} is not reachable: ${refusal.reason}`, { hint: refusal.hint });
  }
  // The message of fetch's own error is only "fetch failed".
  const cause = reason instanceof Error && reason.cause !== undefined ? reason.cause : reason;
  const single = cause instanceof AggregateError && cause.errors.length > 0 ? cause.errors[0] : cause;
  const code = single instanceof Error && 'code' in single ? single.code : undefined;
  const detail = typeof code === 'string' ? code : withoutSecrets(messageOf(single));
  if (/^EPROTO$|WRONG_VERSION_NUMBER|PACKET_LENGTH/.test(detail)) {
    return new AgentError('ERR_SOURCE_READ', `${url.host} does not use TLS (${detail})`, {
      hint: 'Check the host and the port of the workspace, which is reached over https. A running agent tries again.',
    });
  }
  const isCertificate = /CERT|SIGNATURE/.test(detail) && !detail.includes('ALERT');
  return new AgentError(
    'ERR_SOURCE_READ',
    isCertificate
      ? `The certificate of ${url.host} is not trusted (${detail})`
      : `${url.host} is not reachable (${detail})`,
    {
      cause: new Error(withoutSecrets(messageOf(single))),
      hint: isCertificate
        ? 'Set NODE_EXTRA_CA_CERTS to the PEM file of the CA.'
        : 'Check the host of the workspace, the network and the proxy. A running agent tries again.',
    },
  );
}

export function invalidAnswer(url: URL, what: string): AgentError {
  return new AgentError('ERR_SOURCE_READ', `${url.host} returned an invalid answer to ${url.pathname}: ${what}`, {
    hint: 'Check that the host is a Databricks workspace, and any proxy in between. A running agent tries again.',
  });
}

export function credentialsRefused(origin: string, reason: string): AgentError {
  return new AgentError('ERR_SOURCE_CREDENTIALS', `Could not log in to ${origin}: ${withoutSecrets(reason)}`, {
    hint: 'Check DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET (or DATABRICKS_TOKEN): they may be wrong or expired, or the service principal is not assigned to this workspace.',
  });
}

/** @param reason what the workspace says, with the status. */
export function logInForbidden(origin: string, reason: string): AgentError {
  return new AgentError('ERR_SOURCE_CREDENTIALS', `Could not log in to ${origin}: ${withoutSecrets(reason)}`, {
    hint: 'Check that an IP access list of the workspace permits the address of this machine, and that the service principal is assigned to the workspace.',
  });
}

export function accessDenied(address: TableAddress, reason: string): AgentError {
  return new AgentError(
    'ERR_SOURCE_ACCESS_DENIED',
    `Could not read ${address.table} at ${address.origin}: ${withoutSecrets(reason)}`,
    {
      hint: `Grant the service principal USE CATALOG on ${catalogOf(address)}, USE SCHEMA on ${schemaOf(address)}, SELECT on ${address.table}, and CAN USE on the SQL warehouse ${address.warehouseId}.`,
    },
  );
}

export function noWarehouse(address: TableAddress, reason: string): AgentError {
  const said = reason === '' ? '' : ` (${withoutSecrets(reason)})`;
  return new AgentError(
    'ERR_SOURCE_NOT_FOUND',
    `There is no SQL warehouse ${address.warehouseId} at ${address.origin}${said}`,
    {
      hint: 'Set the id in DATABRICKS_AUDIT_SOURCE or DATABRICKS_WAREHOUSE_ID: the last part of the "HTTP path" in the connection details of the warehouse.',
    },
  );
}

/** A failed statement. https://docs.databricks.com/aws/en/error-messages/error-classes */
export interface StatementFailure {
  /** Such as `BAD_REQUEST` or `RESOURCE_EXHAUSTED`. */
  readonly errorCode: string;
  /** Begins with an error class in brackets, if the statement itself was refused. */
  readonly message: string;
  readonly sqlState: string | undefined;
}

/**
 * True if the result exceeds what the API returns inline: 25 MiB. Databricks does not document the text, so anything that sounds like it
 * counts: smaller pages do no harm.
 */
export function isTooLarge({ message }: StatementFailure): boolean {
  return (
    /\b(?:exceed(?:ed|s)?|too large|limit)\b/i.test(message) && /\b(?:inline|results?|bytes?|size)\b/i.test(message)
  );
}

export function describeFailure(address: TableAddress, failure: StatementFailure): AgentError {
  const { errorCode, message, sqlState = /SQLSTATE: (\w{5})/.exec(message)?.[1] } = failure;
  const is = (pattern: RegExp, ...states: readonly string[]) =>
    pattern.test(message) || states.includes(sqlState ?? '');
  if (is(/INSUFFICIENT_PERMISSIONS|PERMISSION_DENIED|UNAUTHORIZED_ACCESS|does not have/i, '42501'))
    return accessDenied(address, message);
  if (is(/(?:TABLE_OR_VIEW|SCHEMA|CATALOG)_NOT_FOUND|NO_SUCH_CATALOG/i, '42P01', '42704')) {
    return new AgentError(
      'ERR_SOURCE_NOT_FOUND',
      `There is no table ${address.table} at ${address.origin}: ${withoutSecrets(message)}`,
      {
        hint:
          'An account admin enables the schema system.access (docs/system-table.md). Without USE SCHEMA, a table is not found either. ' +
          'The workspace must have Unity Catalog.',
      },
    );
  }
  if (is(/UNRESOLVED_COLUMN|COLUMN_NOT_FOUND|FIELD_NOT_FOUND/i, '42703') || is(/DATATYPE_MISMATCH/, '42K09')) {
    return new AgentError(
      'ERR_SOURCE_NO_DELIVERIES',
      `${address.table} is not a table of audit events: ${withoutSecrets(message)}`,
      {
        hint: `Set ?table= to system.access.audit, or to a view that selects all of its columns, at least ${auditColumns.join(', ')}. What the view must hide, it can select as null.`,
      },
    );
  }
  const isBusy =
    /^(?:RESOURCE_EXHAUSTED|TEMPORARILY_UNAVAILABLE|SERVICE_UNDER_MAINTENANCE|WORKSPACE_TEMPORARILY_UNAVAILABLE)$/.test(
      errorCode,
    );
  return new AgentError(
    isBusy ? 'ERR_SOURCE_THROTTLED' : 'ERR_SOURCE_READ',
    `Could not read ${address.table} at ${address.origin}: the statement failed with ${printable(errorCode, 100)}: ${withoutSecrets(message)}`,
    {
      hint: `A running agent tries again. If this persists, look at the query history of the SQL warehouse ${address.warehouseId}.`,
    },
  );
}

export function statementFailed(address: TableAddress, what: string): AgentError {
  return new AgentError('ERR_SOURCE_READ', `Could not read ${address.table} at ${address.origin}: ${what}`, {
    hint: `A running agent tries again. If this persists, look at the query history of the SQL warehouse ${address.warehouseId}.`,
  });
}

/** Masks tokens and the query of URLs, and makes the text safe. */
export function withoutSecrets(text: string): string {
  return printableAsLine(
    text
      .replace(/\b(?:dapi|dkea|dose)[a-z0-9-]{8,}/gi, '***')
      .replace(/\beyJ[\w-]+(?:\.[\w-]*)*/g, '***')
      .replace(/\b(Bearer|Basic)\s+\S+/gi, '$1 ***')
      .replace(/(https?:\/\/[^\s?"']+)\?[^\s"']*/g, '$1?***'),
  );
}

function catalogOf({ table }: TableAddress): string {
  return table.split('.', 1)[0] ?? '';
}

function schemaOf({ table }: TableAddress): string {
  return table.split('.').slice(0, 2).join('.');
}
