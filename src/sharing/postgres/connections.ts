/**
 * A pool of connections to PostgreSQL. A connection that fails in any way is closed and never used again.
 */
import type { ClientBase, Pool, QueryResultRow } from 'pg';
import type { PostgresLocation } from '../../model/postgres-url.ts';
import { untilAborted } from '../../runtime/until-aborted.ts';
import { describePostgresError } from './errors.ts';
import { tlsOptions } from './tls.ts';

/** Statements are short, so few connections suffice for many objects. */
const connectionsMax = 8;
/** Together they stay below the contract's ten seconds for a request. */
const connectTimeoutMs = 4_000;
const answerTimeoutMs = 5_000;
/** Also notices a server that went away without a word while the connection was idle. */
const idleTimeoutMs = 60_000;

export class PostgresConnections {
  readonly location: PostgresLocation;
  readonly #pool: Pool;

  private constructor(location: PostgresLocation, pool: Pool) {
    this.location = location;
    this.#pool = pool;
  }

  /** The driver is loaded on demand. Rejects with ERR_CONFIGURATION; connects with the first query. */
  static async open(location: PostgresLocation): Promise<PostgresConnections> {
    const { default: pg } = await import('pg');
    const { host, port, database, user, password } = location;
    const pool = new pg.Pool({
      host,
      port,
      database,
      ...(user !== undefined && { user }),
      ...(password !== undefined && { password }),
      ssl: tlsOptions(location.tls),
      max: connectionsMax,
      connectionTimeoutMillis: connectTimeoutMs,
      query_timeout: answerTimeoutMs,
      idleTimeoutMillis: idleTimeoutMs,
      keepAlive: true,
      fallback_application_name: 'databricks-audit-otel',
      onConnect: verifyConnection,
    });
    // An idle connection was closed by the server; the pool has removed it.
    pool.on('error', () => {});
    return new PostgresConnections(location, pool);
  }

  /** @param action for messages: what the query does. */
  async query<Row extends QueryResultRow>(
    action: string,
    text: string,
    values: readonly unknown[],
    signal: AbortSignal,
  ): Promise<{ readonly rows: readonly Row[]; readonly rowCount: number }> {
    signal.throwIfAborted();
    try {
      const { rows, rowCount } = await untilAborted(this.#pool.query<Row>(text, [...values]), signal);
      return { rows, rowCount: rowCount ?? 0 };
    } catch (error) {
      signal.throwIfAborted();
      throw describePostgresError(error, action, this.location);
    }
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }
}

/** A standby returns old reads, and with `synchronous_commit` off the server forgets writes that it has confirmed. */
async function verifyConnection(client: ClientBase): Promise<void> {
  const { rows } = await client.query<{ standby: boolean }>(
    `SELECT pg_is_in_recovery() AS standby, CASE WHEN current_setting('synchronous_commit') = 'off'
       THEN set_config('synchronous_commit', 'on', false) END`,
  );
  if (rows[0]?.standby !== false) throw Object.assign(new Error('a standby'), { code: '25006' });
}
