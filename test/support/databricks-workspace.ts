/**
 * A stand-in for a Databricks workspace on 127.0.0.1, as a reader of audit events sees it: OAuth for service principals, a SQL warehouse,
 * the Statement Execution API 2.0, and `system.access.audit` in DuckDB, which executes the reader's statements.
 *
 * It behaves as the API's reference says (states, wait_timeout, chunks, limits, expiry). What the reference does not say is marked ASSUMED.
 *
 *     const workspace = await startWorkspace();
 *     await workspace.insert([auditRow(1)]);
 *     workspace.settings.canRead = false;
 *     workspace.fail({ match: 'POST /api/2.0/sql/statements', times: 1, status: 429, retryAfter: '1' });
 */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { DuckDBInstance } from '@duckdb/node-api';
import { z } from 'zod';

/** A row of the table; columns that are left out are null. */
export interface AuditRow {
  readonly event_id?: string;
  /** ISO 8601, with up to six decimal places. */
  readonly event_time?: string;
  readonly account_id?: string;
  readonly workspace_id?: string;
  readonly service_name?: string;
  readonly action_name?: string;
  readonly request_id?: string;
  readonly source_ip_address?: string;
  readonly user_identity?: { readonly email?: string; readonly subject_name?: string };
  readonly request_params?: Readonly<Record<string, string>>;
  readonly response?: { readonly status_code?: number; readonly error_message?: string; readonly result?: string };
}

export interface WorkspaceFault {
  /** What method and path of the request begin with. */
  readonly match: string;
  /** All of them if omitted. */
  readonly times?: number;
  /** Without a status, the connection is closed. */
  readonly status?: number;
  readonly retryAfter?: string;
  readonly errorCode?: string;
  readonly message?: string;
}

export interface WorkspaceSettings {
  /** Seconds. */
  tokenLifetimeS: number;
  clientSecret: string;
  token: string;
  /** As `STOPPED`, a statement starts it, which takes `warehouseStartMs`. */
  warehouse: 'RUNNING' | 'STOPPED' | 'STARTING';
  warehouseStartMs: number;
  canRead: boolean;
  /** The real limit is 25 MiB. */
  inlineLimitBytes: number;
  chunkRows: number;
  /** Results are gone after this many answers about them; the real ones after an hour. */
  answersPerResult: number;
  /** Length of the second in `wait_timeout`. */
  secondMs: number;
  /** Chunks lack their last row, although they count it. */
  losesRows: boolean;
}

export interface DatabricksWorkspace {
  readonly origin: string;
  readonly warehouseId: string;
  /** Databricks' own variables, with a service principal. */
  readonly environment: Readonly<Record<string, string>>;
  readonly settings: WorkspaceSettings;
  /** Method and path, in order. */
  readonly requests: string[];
  /** The statements that were sent. */
  readonly statements: string[];
  /** Rows are visible from then on. */
  insert(rows: readonly AuditRow[]): Promise<void>;
  /** Any SQL of DuckDB; the table is `lake.access.audit`. */
  sql(text: string): Promise<readonly (readonly unknown[])[]>;
  fail(fault: WorkspaceFault): void;
  /** Runs before a matching statement is executed, once. */
  before(pattern: RegExp, action: () => Promise<unknown>): void;
  /** The next statements that match see the table as it is now: a replica that lags behind. */
  lag(pattern: RegExp, times: number): Promise<void>;
  /** Removes all rows and faults, and resets the settings. */
  reset(): Promise<void>;
  stop(): Promise<void>;
}

const clientId = 'client';
const warehouseId = 'abcdef0123456789';
const defaults: WorkspaceSettings = {
  tokenLifetimeS: 3600,
  clientSecret: 'the-secret-of-the-client',
  token: 'dapi-0123456789abcdef',
  warehouse: 'RUNNING',
  warehouseStartMs: 50,
  canRead: true,
  inlineLimitBytes: 25 * 1_048_576,
  chunkRows: 1000,
  answersPerResult: Number.POSITIVE_INFINITY,
  secondMs: 1000,
  losesRows: false,
};

const columns = `account_id VARCHAR, workspace_id VARCHAR, version VARCHAR, event_time TIMESTAMPTZ, event_date DATE,
  source_ip_address VARCHAR, user_agent VARCHAR, session_id VARCHAR, user_identity STRUCT(email VARCHAR, subject_name VARCHAR),
  service_name VARCHAR, action_name VARCHAR, request_id VARCHAR, request_params MAP(VARCHAR, VARCHAR),
  response STRUCT(status_code INTEGER, error_message VARCHAR, result VARCHAR), audit_level VARCHAR, event_id VARCHAR,
  identity_metadata STRUCT(run_by VARCHAR, run_as VARCHAR, acting_resource VARCHAR)`;

const setup = [
  "SET TimeZone = 'UTC'",
  "ATTACH ':memory:' AS lake",
  'CREATE SCHEMA lake.access',
  `CREATE TABLE lake.access.audit(${columns})`,
  // Functions that Databricks has and DuckDB calls otherwise.
  'CREATE MACRO unix_micros(t) AS epoch_us(t)',
  'CREATE MACRO unix_millis(t) AS epoch_ms(t)',
  'CREATE MACRO timestamp_micros(n) AS make_timestamptz(n)',
  // Another hash, for the same use.
  'CREATE MACRO xxhash64(t) AS CAST(md5_number_lower(t) >> 1 AS BIGINT)',
];

const requestSchema = z.object({
  statement: z.string(),
  warehouse_id: z.string(),
  wait_timeout: z.string().default('10s'),
  parameters: z.array(z.object({ name: z.string(), value: z.string(), type: z.string() })).default([]),
});

type Cells = (string | null)[];

interface Statement {
  readonly id: string;
  readonly request: z.infer<typeof requestSchema>;
  state: 'PENDING' | 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'CANCELED' | 'CLOSED';
  error?: { readonly error_code: string; readonly message: string };
  chunks: { readonly offset: number; readonly rows: readonly Cells[] }[];
  rowCount: number;
  answerCount: number;
}

type Answer = readonly [status: number, body: unknown];

export async function startWorkspace(): Promise<DatabricksWorkspace> {
  const instance = await DuckDBInstance.create(':memory:');
  const database = await instance.connect();
  for (const sql of setup) await database.run(sql);
  const settings = { ...defaults };
  const requests: string[] = [];
  const sentStatements: string[] = [];
  const statements = new Map<string, Statement>();
  const tokens = new Map<string, number>();
  let faults: (WorkspaceFault & { timesLeft: number })[] = [];
  let actions: { readonly pattern: RegExp; readonly action: () => Promise<unknown> }[] = [];
  let lags: { readonly pattern: RegExp; timesLeft: number; readonly table: string }[] = [];
  let snapshotCount = 0;

  async function execute(statement: Statement): Promise<void> {
    const { statement: sql, parameters } = statement.request;
    for (const due of actions.filter(({ pattern }) => pattern.test(sql))) {
      actions = actions.filter((each) => each !== due);
      await due.action();
    }
    if (!settings.canRead && /\baudit\b/.test(sql)) {
      const message =
        "[INSUFFICIENT_PERMISSIONS] Insufficient privileges: User does not have USE SCHEMA on Schema 'system.access'. SQLSTATE: 42501";
      return fail(statement, 'BAD_REQUEST', message);
    }
    const lag = lags.find(({ pattern, timesLeft }) => timesLeft > 0 && pattern.test(sql));
    if (lag !== undefined) lag.timesLeft--;
    const values = Object.fromEntries(
      parameters.map(({ name, value, type }) => [name, type === 'BIGINT' ? BigInt(value) : value]),
    );
    try {
      const result = await database.runAndReadAll(translate(sql, lag?.table ?? 'lake.access.audit'), values);
      const rows = result.getRowsJson().map((row) => row.map(toCell));
      const sizeBytes = rows.reduce((sum, row) => sum + Buffer.byteLength(JSON.stringify(row)), 0);
      if (sizeBytes > settings.inlineLimitBytes) {
        const message =
          'Inline byte limit exceeded. Statements executed with disposition=INLINE can have a result size of at most 26214400 bytes. Please execute the statement with disposition=EXTERNAL_LINKS if you want to download the full result.';
        return fail(statement, 'BAD_REQUEST', message);
      }
      for (let offset = 0; offset < rows.length; offset += settings.chunkRows) {
        statement.chunks.push({ offset, rows: rows.slice(offset, offset + settings.chunkRows) });
      }
      statement.rowCount = rows.length;
      if (statement.state === 'RUNNING') statement.state = 'SUCCEEDED';
    } catch (error) {
      fail(statement, 'BAD_REQUEST', classOf(String(error)));
    }
  }

  async function run(statement: Statement): Promise<void> {
    if (settings.warehouse !== 'RUNNING') {
      settings.warehouse = 'STARTING';
      await delay(settings.warehouseStartMs);
      settings.warehouse = 'RUNNING';
    }
    if (statement.state !== 'PENDING') return;
    statement.state = 'RUNNING';
    await execute(statement);
  }

  function describe(statement: Statement): object {
    if (statement.state === 'SUCCEEDED' && ++statement.answerCount > settings.answersPerResult)
      statement.state = 'CLOSED';
    const { id, state, error, rowCount, chunks } = statement;
    const status = { statement_id: id, status: { state, ...(error && { error }) } };
    if (state !== 'SUCCEEDED') return status;
    const manifest = {
      format: 'JSON_ARRAY',
      total_chunk_count: chunks.length,
      total_row_count: rowCount,
      truncated: false,
    };
    return { ...status, manifest, result: chunkOf(statement, 0, settings) ?? {} };
  }

  async function startStatement(body: string): Promise<Answer> {
    const parsed = requestSchema.safeParse(JSON.parse(body));
    if (!parsed.success)
      return [400, { error_code: 'INVALID_PARAMETER_VALUE', message: z.prettifyError(parsed.error) }];
    const request = parsed.data;
    if (request.warehouse_id !== warehouseId) {
      // ASSUMED
      return [
        404,
        { error_code: 'RESOURCE_DOES_NOT_EXIST', message: `SQL warehouse ${request.warehouse_id} does not exist.` },
      ];
    }
    if (!/^(0|[5-9]|[1-4]\d|50)s$/.test(request.wait_timeout)) {
      return [400, { error_code: 'INVALID_PARAMETER_VALUE', message: 'wait_timeout must be 0s or between 5s and 50s' }];
    }
    sentStatements.push(request.statement);
    const statement: Statement = {
      id: randomUUID(),
      request,
      state: 'PENDING',
      chunks: [],
      rowCount: 0,
      answerCount: 0,
    };
    statements.set(statement.id, statement);
    await Promise.race([run(statement), delay(Number.parseInt(request.wait_timeout, 10) * settings.secondMs)]);
    return [200, describe(statement)];
  }

  function issueToken(headers: IncomingHttpHeaders, body: string): Answer {
    const form = new URLSearchParams(body);
    const [id, secret] = Buffer.from(headers.authorization?.replace(/^Basic /, '') ?? '', 'base64')
      .toString()
      .split(':');
    if (id !== clientId || secret !== settings.clientSecret) {
      return [401, { error: 'invalid_client', error_description: 'Client authentication failed' }];
    }
    if (form.get('grant_type') !== 'client_credentials' || form.get('scope') !== 'all-apis')
      return [400, { error: 'invalid_request' }];
    const token = randomUUID();
    tokens.set(token, Date.now() + settings.tokenLifetimeS * 1000);
    return [200, { access_token: token, token_type: 'Bearer', scope: 'all-apis', expires_in: settings.tokenLifetimeS }];
  }

  function isAuthorized({ authorization = '' }: IncomingHttpHeaders): boolean {
    const token = authorization.replace(/^Bearer /, '');
    return token === settings.token || (tokens.get(token) ?? 0) > Date.now();
  }

  async function answer(method: string, path: string, headers: IncomingHttpHeaders, body: string): Promise<Answer> {
    if (method === 'POST' && path === '/oidc/v1/token') return issueToken(headers, body);
    if (!isAuthorized(headers)) {
      return [
        401,
        {
          error_code: 'UNAUTHENTICATED',
          message: 'Credential was not sent or was of an unsupported type for this API.',
        },
      ];
    }
    if (method === 'POST' && path === '/api/2.0/sql/statements') return await startStatement(body);
    const [, id = '', rest = ''] = /^\/api\/2\.0\/sql\/statements\/([^/]+)(\/.*)?$/.exec(path) ?? [];
    const statement = statements.get(id);
    // ASSUMED
    if (statement === undefined)
      return [404, { error_code: 'NOT_FOUND', message: `The statement ${id} was not found.` }];
    if (method === 'POST' && rest === '/cancel') {
      if (statement.state === 'PENDING' || statement.state === 'RUNNING') statement.state = 'CANCELED';
      return [200, {}];
    }
    const description = describe(statement);
    if (rest === '') return [200, description];
    const chunk =
      statement.state === 'SUCCEEDED' ? chunkOf(statement, Number(/\d+$/.exec(rest)?.[0]), settings) : undefined;
    // ASSUMED
    return chunk === undefined
      ? [404, { error_code: 'NOT_FOUND', message: 'The result is no longer available.' }]
      : [200, chunk];
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request);
    const path = (request.url ?? '').replace(/\?.*$/, '').replace(/\/$/, '');
    const line = `${request.method} ${path}`;
    requests.push(line);
    const fault = faults.find(({ match, timesLeft }) => timesLeft > 0 && line.startsWith(match));
    if (fault !== undefined) {
      fault.timesLeft--;
      if (fault.status === undefined) return void request.socket.destroy();
      const retryAfter = fault.retryAfter === undefined ? {} : { 'retry-after': fault.retryAfter };
      response.writeHead(fault.status, { 'content-type': 'application/json', ...retryAfter });
      const { errorCode = 'RESOURCE_EXHAUSTED', message = 'Too many requests' } = fault;
      response.end(JSON.stringify({ error_code: errorCode, message }));
      return;
    }
    const [status, value] = await answer(request.method ?? '', path, request.headers, body);
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(value));
  }

  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    origin,
    warehouseId,
    environment: {
      DATABRICKS_HOST: origin,
      DATABRICKS_WAREHOUSE_ID: warehouseId,
      DATABRICKS_CLIENT_ID: clientId,
      DATABRICKS_CLIENT_SECRET: defaults.clientSecret,
    },
    settings,
    requests,
    statements: sentStatements,
    async insert(rows) {
      if (rows.length === 0) return;
      const json = rows.map((row) => ({ version: '2.0', ...row, event_date: row.event_time?.slice(0, 10) }));
      await database.run(
        `INSERT INTO lake.access.audit BY NAME SELECT unnest(from_json($rows::JSON, '[${JSON.stringify(shape)}]'), max_depth := 2)`,
        { rows: JSON.stringify(json) },
      );
    },
    sql: async (sql) => (await database.runAndReadAll(sql)).getRowsJson(),
    fail: (fault) => void faults.push({ ...fault, timesLeft: fault.times ?? Number.POSITIVE_INFINITY }),
    before: (pattern, action) => void actions.push({ pattern, action }),
    async lag(pattern, times) {
      const table = `lake.access.snapshot_${++snapshotCount}`;
      await database.run(`CREATE TABLE ${table} AS FROM lake.access.audit`);
      lags.push({ pattern, timesLeft: times, table });
    },
    async reset() {
      Object.assign(settings, defaults);
      [faults, actions, lags] = [[], [], []];
      for (const list of [requests, sentStatements]) list.length = 0;
      await database.run(`CREATE OR REPLACE TABLE lake.access.audit(${columns})`);
    },
    async stop() {
      await new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      });
      database.closeSync();
      instance.closeSync();
    },
  };
}

/** Of a row in JSON. */
const shape = {
  account_id: 'VARCHAR',
  workspace_id: 'VARCHAR',
  version: 'VARCHAR',
  event_time: 'TIMESTAMPTZ',
  event_date: 'DATE',
  source_ip_address: 'VARCHAR',
  user_agent: 'VARCHAR',
  session_id: 'VARCHAR',
  user_identity: { email: 'VARCHAR', subject_name: 'VARCHAR' },
  service_name: 'VARCHAR',
  action_name: 'VARCHAR',
  request_id: 'VARCHAR',
  request_params: 'MAP(VARCHAR, VARCHAR)',
  response: { status_code: 'INTEGER', error_message: 'VARCHAR', result: 'VARCHAR' },
  audit_level: 'VARCHAR',
  event_id: 'VARCHAR',
  identity_metadata: { run_by: 'VARCHAR', run_as: 'VARCHAR', acting_resource: 'VARCHAR' },
};

/** Databricks' SQL as DuckDB's, for what a reader of audit events needs. */
function translate(sql: string, table: string): string {
  return sql
    .replaceAll('`', '')
    .replace(/\bsystem\.access\.audit\b/g, table)
    .replace(/FROM ([\w.]+)/, 'FROM $1 AS t')
    .replace('to_json(struct(*))', 'to_json(t)')
    .replaceAll('AS STRING', 'AS VARCHAR')
    .replace(/(?<![:\w]):([a-z_]\w*)/g, '$$$1');
}

/** Databricks' classes of errors for what DuckDB complains about. */
function classOf(message: string): string {
  const [line = ''] = message.split('\n');
  const [, column] = /Referenced column "(\w+)" not found/.exec(line) ?? [];
  if (column !== undefined) {
    return `[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column, variable, or function parameter with name \`${column}\` cannot be resolved. SQLSTATE: 42703`;
  }
  const [, table] =
    /Table with name (\w+) does not exist/.exec(line) ?? /Catalog "(\w+)" does not exist/.exec(line) ?? [];
  if (table !== undefined)
    return `[TABLE_OR_VIEW_NOT_FOUND] The table or view \`${table}\` cannot be found. SQLSTATE: 42P01`;
  return line;
}

/** Each value is "either the string representation of a value, or null". */
function toCell(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function chunkOf({ id, chunks }: Statement, index: number, { losesRows }: WorkspaceSettings): object | undefined {
  const chunk = chunks[index];
  if (chunk === undefined) return undefined;
  const data_array = losesRows ? chunk.rows.slice(0, -1) : chunk.rows;
  const common = { chunk_index: index, row_offset: chunk.offset, row_count: chunk.rows.length, data_array };
  if (index === chunks.length - 1) return common;
  const path = `/api/2.0/sql/statements/${id}/result/chunks/${index + 1}?row_offset=${chunk.offset + chunk.rows.length}`;
  return { ...common, next_chunk_index: index + 1, next_chunk_internal_link: path };
}

function fail(statement: Statement, errorCode: string, message: string): void {
  statement.state = 'FAILED';
  statement.error = { error_code: errorCode, message };
}

/** Distinct rows, a second apart: `auditRow(0)` is the first of 2026-11-30T08:00Z. */
export function auditRow(index: number, more: AuditRow = {}): AuditRow {
  const time = new Date(Date.parse('2026-11-30T08:00:00Z') + index * 1000).toISOString().replace('Z', '123Z');
  return {
    event_id: `event-${String(index).padStart(6, '0')}`,
    event_time: time,
    account_id: '11111111-2222-3333-4444-555555555555',
    workspace_id: '1234567890123456',
    service_name: 'clusters',
    action_name: 'start',
    request_id: `request-${index}`,
    user_identity: { email: 'analyst@example.com' },
    request_params: { cluster_id: `cluster-${index}` },
    response: { status_code: 200 },
    ...more,
  };
}

export function auditRows(count: number, from = 0): AuditRow[] {
  return Array.from({ length: count }, (_, index) => auditRow(from + index));
}
