/**
 * The schema of a shared state in PostgreSQL. Keys are compared byte by byte (collation "C").
 */
import { AgentError } from '../../model/agent-error.ts';
import type { PostgresLocation } from '../../model/postgres-url.ts';
import type { StoreSetup } from '../setup.ts';
import { PostgresConnections } from './connections.ts';
import { createDatabase, creatingSchema, creatingTables } from './errors.ts';

/** Goes up when the tables change. */
const formatVersion = 1;

/**
 * Creates schema and tables; an existing state is left as it is. A schema may be there already: to create one takes a right on the database,
 * which an administrator may keep to themselves, and PostgreSQL asks for it even if the schema exists.
 */
export async function setUpPostgres(location: PostgresLocation, signal: AbortSignal): Promise<StoreSetup> {
  const connections = await PostgresConnections.open(location);
  try {
    const { schema } = connections.location;
    if (await exists(connections, 'to_regclass', `${schema}.format`, signal)) {
      await verifyFormat(connections, signal);
      return { created: false, settings: [] };
    }
    await verifyEncoding(connections, signal);
    const hasSchema = await exists(connections, 'to_regnamespace', schema, signal);
    const action = hasSchema ? creatingTables : creatingSchema;
    await connections.query(action, creation(schema, hasSchema), [], signal);
    await verifyFormat(connections, signal);
    return { created: true, settings: [] };
  } finally {
    await connections.close();
  }
}

/** Rejects with ERR_STATE_NOT_FOUND or ERR_STATE_FORMAT. */
export async function verifyFormat(connections: PostgresConnections, signal: AbortSignal): Promise<void> {
  const { schema, name } = connections.location;
  const { rows } = await connections.query<{ version: unknown }>(
    'read the format',
    `SELECT version FROM ${schema}.format`,
    [],
    signal,
  );
  if (rows.length === 1 && rows[0]?.version === formatVersion) return;
  const found = rows.map(({ version }) => String(version)).join(', ') || 'none';
  throw new AgentError(
    'ERR_STATE_FORMAT',
    `The state ${name} has format ${found}; this version reads ${formatVersion}`,
    {
      hint: 'Use the version of the agent that wrote it, or name another schema in DATABRICKS_AUDIT_STATE (?schema=...).',
    },
  );
}

async function exists(
  connections: PostgresConnections,
  lookUp: 'to_regclass' | 'to_regnamespace',
  name: string,
  signal: AbortSignal,
): Promise<boolean> {
  const query = `SELECT ${lookUp}($1) IS NOT NULL AS found`;
  const { rows } = await connections.query<{ found: boolean }>('look for the schema', query, [name], signal);
  return rows[0]?.found === true;
}

async function verifyEncoding(connections: PostgresConnections, signal: AbortSignal): Promise<void> {
  const { rows } = await connections.query<{ encoding: string }>(
    'read the encoding',
    "SELECT current_setting('server_encoding') AS encoding",
    [],
    signal,
  );
  if (rows[0]?.encoding === 'UTF8') return;
  const { location } = connections;
  throw new AgentError('ERR_STATE_FORMAT', `The database of ${location.name} has the encoding ${rows[0]?.encoding}`, {
    hint: `Names of objects need UTF8: ${createDatabase(location)}`,
  });
}

/**
 * Several statements in one query are one transaction. The lock lets only one of several commands create the schema.
 * Contents are not compressed: hashes are random.
 */
function creation(schema: string, hasSchema: boolean): string {
  return `
    SELECT pg_advisory_xact_lock(hashtext('databricks-audit-otel ${schema}'));
    ${hasSchema ? '' : `CREATE SCHEMA IF NOT EXISTS ${schema};`}
    CREATE TABLE IF NOT EXISTS ${schema}.register (
      partition text COLLATE "C" NOT NULL,
      sort text COLLATE "C" NOT NULL,
      revision text NOT NULL,
      value text NOT NULL,
      PRIMARY KEY (partition, sort)
    ) WITH (fillfactor = 70);
    CREATE TABLE IF NOT EXISTS ${schema}.batch_item (
      partition text COLLATE "C" NOT NULL,
      sort text COLLATE "C" NOT NULL,
      content bytea NOT NULL,
      expires_at timestamptz,
      PRIMARY KEY (partition, sort)
    );
    ALTER TABLE ${schema}.batch_item ALTER COLUMN content SET STORAGE EXTERNAL;
    CREATE INDEX IF NOT EXISTS batch_item_expires_at ON ${schema}.batch_item (expires_at);
    CREATE TABLE IF NOT EXISTS ${schema}.format (version integer PRIMARY KEY);
    INSERT INTO ${schema}.format VALUES (${formatVersion}) ON CONFLICT DO NOTHING`;
}
