/**
 * Describes errors of PostgreSQL for the operator. Codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
import { AgentError, type ErrorCode, messageOf } from '../../model/agent-error.ts';
import type { PostgresLocation } from '../../model/postgres-url.ts';
import { printable } from '../../runtime/printable.ts';

type Description = readonly [code: ErrorCode, reason: string, hint: string];

/** @param action what was tried, such as `insert into register`. The driver's errors contain no password. */
export function describePostgresError(error: unknown, action: string, location: PostgresLocation): AgentError {
  if (error instanceof AgentError) return error;
  const single = error instanceof AggregateError && error.errors.length > 0 ? error.errors[0] : error;
  const message = printable(messageOf(single), 500);
  const [code, reason, hint] = describe(codeOf(single), message, action, location);
  return new AgentError(code, `Could not use the state ${location.name} (${action}): ${reason}`, {
    // The driver's error may have the query and its parameters as fields.
    cause: new Error(message),
    hint,
  });
}

function describe(code: string, message: string, action: string, location: PostgresLocation): Description {
  const { database, schema } = location;
  switch (code) {
    case '3D000':
      return [
        'ERR_STATE_NOT_FOUND',
        `there is no database ${database}`,
        `Create it: CREATE DATABASE ${database} ENCODING 'UTF8'; then run \`databricks-audit-otel state init\`.`,
      ];
    case '3F000':
    case '42P01':
      return [
        'ERR_STATE_NOT_FOUND',
        `there is no schema ${schema} with the tables of a state`,
        'Create it with `databricks-audit-otel state init`, or check the URL (?schema=...).',
      ];
    case '42703':
    case '42804':
    case '42883':
      return [
        'ERR_STATE_FORMAT',
        `the tables in schema ${schema} are not those of a delivery state (${message})`,
        'Name another schema in DATABRICKS_AUDIT_STATE (?schema=...) and create it with `databricks-audit-otel state init`.',
      ];
    case '42501':
      return unavailable(
        `access denied (${message})`,
        `Allow it for this user: GRANT USAGE ON SCHEMA ${schema}; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${schema}. It was needed to ${action}.`,
      );
    case '28P01':
    case '28000':
      return unavailable(
        message,
        'Check user and password (in DATABRICKS_AUDIT_STATE or PGPASSWORD), and pg_hba.conf. The agent tries again.',
      );
    case '25006':
      return unavailable(
        'the server is read-only',
        'Connect to the primary: a standby accepts no writes. The agent tries again.',
      );
    case '53100':
      return unavailable('the disk of the server is full', 'Free space on the server. The agent tries again.');
    case '53300':
      return unavailable(
        'the server accepts no more connections',
        'Raise max_connections; each replica uses up to eight. The agent tries again.',
      );
  }
  return (
    describeConnection(code, message) ??
    unavailable(message, 'The agent tries again. If this persists, see the log of the server.')
  );
}

function describeConnection(code: string, message: string): Description | undefined {
  if (message.includes('does not support SSL')) {
    return unavailable(
      'the server does not support TLS',
      'Enable it (ssl = on), or set sslmode=disable in DATABRICKS_AUDIT_STATE if the network is trusted.',
    );
  }
  if (/CERT|SELF_SIGNED|UNABLE_TO|ERR_TLS|ERR_SSL/.test(code)) {
    return unavailable(
      `the certificate of the server is not trusted (${code})`,
      'Set sslrootcert in DATABRICKS_AUDIT_STATE to the PEM file of the CA; verify-full also compares the name of the host.',
    );
  }
  if (/^(E[A-Z]+|)$/.test(code) || code === '57P01' || code === '57P03') {
    return unavailable(
      `the server is not reachable (${message})`,
      'Check the server and the network. The agent tries again.',
    );
  }
  return undefined;
}

function unavailable(reason: string, hint: string): Description {
  return ['ERR_STATE_UNAVAILABLE', reason, hint];
}

function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : '';
}
