/**
 * Describes errors of PostgreSQL for the operator. Codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
import { AgentError, type ErrorCode, messageOf } from '../../model/agent-error.ts';
import type { PostgresLocation } from '../../model/postgres-url.ts';
import { printable } from '../../runtime/printable.ts';

/** The actions of `state init`, which needs more than the agent does. */
export const creatingSchema = 'create the schema';
export const creatingTables = 'create the tables';

type Description = readonly [code: ErrorCode, reason: string, hint: string];

/** @param action what was tried, such as `insert into register`. The driver's errors contain no password. */
export function describePostgresError(error: unknown, action: string, location: PostgresLocation): AgentError {
  if (error instanceof AgentError) return error;
  const single = error instanceof AggregateError && error.errors.length > 0 ? error.errors[0] : error;
  const message = printable(messageOf(single), 500);
  const [code, reason, hint] = describe(single, message, action, location);
  return new AgentError(code, `Could not use the state ${location.name} (${action}): ${reason}`, {
    // The driver's error may have the query and its parameters as fields.
    cause: new Error(message),
    hint,
  });
}

function describe(error: unknown, message: string, action: string, location: PostgresLocation): Description {
  const { database, schema } = location;
  const code = codeOf(error);
  switch (code) {
    case '3D000':
      return [
        'ERR_STATE_NOT_FOUND',
        `there is no database ${printable(database)}`,
        `Create it: ${createDatabase(location)}; then run \`databricks-audit-otel state init\`.`,
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
        `Allow it: ${grants(error, action, location)} It was needed to ${action}.`,
      );
    case '28P01':
    case '28000':
      return unavailable(
        message,
        'Check user and password (in DATABRICKS_AUDIT_STATE or PGPASSWORD), and pg_hba.conf. A running agent tries again.',
      );
    case '25006':
      return unavailable(
        'the server is read-only',
        'Connect to the primary: a standby accepts no writes. A running agent tries again.',
      );
    case '53100':
      return unavailable('the disk of the server is full', 'Free space on the server. A running agent tries again.');
    case '53300':
      return unavailable(
        'the server accepts no more connections',
        'Raise max_connections; each replica uses up to eight. A running agent tries again.',
      );
  }
  return (
    describePassword(message) ??
    describeConnection(code, message) ??
    unavailable(message, 'A running agent tries again. If this persists, see the log of the server.')
  );
}

/** The driver's error has no code. */
function describePassword(message: string): Description | undefined {
  if (!message.includes('client password must be a')) return undefined;
  return unavailable(
    'the server asks for a password, and none is set',
    'Set PGPASSWORD, or write the password in DATABRICKS_AUDIT_STATE: postgres://user:password@host/database.',
  );
}

/** Statements for what the failed action needs. The server's messages are in its own language, so they do not decide. */
function grants(error: unknown, action: string, { database, schema, user }: PostgresLocation): string {
  // Without one in the URL, the driver takes the user from the environment.
  const to = `TO ${user === undefined ? '<role>' : quotedName(user)}`;
  const [onDatabase, onSchema] = [`ON DATABASE ${quotedName(database)}`, `SCHEMA ${schema}`];
  if (isFromConnecting(error)) return `GRANT CONNECT ${onDatabase} ${to};`;
  if (action === creatingSchema) return `GRANT CREATE ${onDatabase} ${to};`;
  if (action === creatingTables) return `GRANT USAGE, CREATE ON ${onSchema} ${to};`;
  return `GRANT USAGE ON ${onSchema} ${to}; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN ${onSchema} ${to};`;
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
      'Check the server and the network. A running agent tries again.',
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

/** The server refused the connection itself. In every language of its messages, the name of its function tells. */
function isFromConnecting(error: unknown): boolean {
  return error instanceof Error && 'routine' in error && error.routine === 'CheckMyDatabase';
}

/** For a database that is missing, or has another encoding: only from this template, a new one can have any. */
export function createDatabase({ database }: PostgresLocation): string {
  return `CREATE DATABASE ${quotedName(database)} ENCODING 'UTF8' TEMPLATE template0`;
}

/** As an identifier of SQL. */
function quotedName(name: string): string {
  return `"${printable(name).replaceAll('"', '""')}"`;
}
