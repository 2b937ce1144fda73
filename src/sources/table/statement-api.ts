/**
 * Executes statements on a SQL warehouse: the Statement Execution API 2.0, with results in the answer itself (INLINE, JSON_ARRAY). Links to
 * external storage are never asked for: they would carry credentials, and lead where the agent's network may not reach.
 * https://docs.databricks.com/api/workspace/statementexecution
 */
import { z } from 'zod';
import type { Clock } from '../../runtime/clock.ts';
import type { Credentials } from './credentials.ts';
import {
  accessDenied,
  credentialsRefused,
  describeFailure,
  invalidAnswer,
  isTooLarge,
  noWarehouse,
  statementFailed,
  type TableAddress,
  withoutSecrets,
} from './errors.ts';
import type { HttpAnswer, Send } from './http.ts';
import type { Authentication } from './settings.ts';

export interface Statement {
  /** With named parameters: `:name`. */
  readonly sql: string;
  readonly parameters: readonly Parameter[];
}

export interface Parameter {
  readonly name: string;
  readonly value: string;
  readonly type: 'BIGINT' | 'DATE' | 'STRING';
}

/** Every value of JSON_ARRAY is a text or null. */
export type Row = readonly (string | null)[];

/** `tooLarge`: the result exceeds 25 MiB. */
export type StatementOutcome =
  | { readonly status: 'succeeded'; readonly result: StatementResult }
  | { readonly status: 'tooLarge'; readonly message: string };

export interface StatementResult {
  /** The next rows. `expired`: the server keeps results for an hour only. Rejects with ERR_SOURCE_READ if rows are missing. */
  next(signal: AbortSignal): Promise<{ readonly rows: readonly Row[] } | 'end' | 'expired'>;
}

const statementsPath = '/api/2.0/sql/statements';
/** The server answers at once when the statement is done, and after this time if it is not. */
const waitTimeoutS = 50;
const pollMs = { first: 1_000, max: 10_000 };
/** For a warehouse that has to start, and a queue. */
const statementTimeoutMs = 1_800_000;

const chunkSchema = z.object({
  chunk_index: z.number().optional(),
  row_offset: z.number().optional(),
  row_count: z.number().optional(),
  next_chunk_index: z.number().nullish(),
  data_array: z.array(z.array(z.string().nullable())).optional(),
});
type Chunk = z.infer<typeof chunkSchema>;

const statementSchema = z.object({
  statement_id: z.string(),
  status: z.object({
    state: z.enum(['PENDING', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELED', 'CLOSED']),
    error: z.object({ error_code: z.string().catch(''), message: z.string().catch('') }).nullish(),
    sql_state: z.string().nullish(),
  }),
  manifest: z.object({ total_row_count: z.number().optional(), truncated: z.boolean().optional() }).optional(),
  result: chunkSchema.optional(),
});
type StatementAnswer = z.infer<typeof statementSchema>;

const errorSchema = z
  .object({ error_code: z.string().catch(''), message: z.string().catch('') })
  .catch({ error_code: '', message: '' });

export class StatementApi {
  readonly #address: TableAddress;
  readonly #send: Send;
  readonly #credentials: Credentials;
  readonly #clock: Clock;

  /** @param address of what is read, for messages; it contains the warehouse to use. */
  constructor(
    address: TableAddress,
    parts: { readonly send: Send; readonly credentials: Credentials; readonly clock: Clock },
  ) {
    this.#address = address;
    this.#send = parts.send;
    this.#credentials = parts.credentials;
    this.#clock = parts.clock;
  }

  /** Starts the warehouse if necessary, and waits. Rejects with an ERR_SOURCE_ code, or with the signal's reason. */
  async execute({ sql, parameters }: Statement, signal: AbortSignal): Promise<StatementOutcome> {
    const deadlineMs = this.#clock.nowMs() + statementTimeoutMs;
    const request = {
      statement: sql,
      parameters,
      warehouse_id: this.#address.warehouseId,
      wait_timeout: `${waitTimeoutS}s`,
      on_wait_timeout: 'CONTINUE',
      disposition: 'INLINE',
      format: 'JSON_ARRAY',
    };
    // A statement only reads, so sending it again after a lost answer does no harm.
    const started = await this.#statement('POST', statementsPath, signal, request);
    return this.#outcomeOf(await this.#untilDone(started, deadlineMs, signal));
  }

  /** Cancels the statement if nobody waits for it any more: it would keep the warehouse busy. */
  async #untilDone(started: StatementAnswer, deadlineMs: number, signal: AbortSignal): Promise<StatementAnswer> {
    const { statement_id: id } = started;
    const path = `${statementsPath}/${encodeURIComponent(id)}`;
    let answer = started;
    try {
      for (let delayMs = pollMs.first; isUnderWay(answer); delayMs = Math.min(2 * delayMs, pollMs.max)) {
        if (this.#clock.nowMs() > deadlineMs) {
          const { state } = answer.status;
          throw statementFailed(
            this.#address,
            `the statement was still ${state} after ${statementTimeoutMs / 60_000} minutes`,
          );
        }
        await this.#clock.sleep(delayMs, signal);
        answer = await this.#statement('GET', path, signal);
      }
      return answer;
    } catch (error) {
      await this.#request('POST', `${path}/cancel`, AbortSignal.timeout(cancelTimeoutMs), {}).catch(() => {});
      throw error;
    }
  }

  /** All rows of a small result. Rejects like `execute`. */
  async rows(statement: Statement, signal: AbortSignal): Promise<readonly Row[]> {
    const outcome = await this.execute(statement, signal);
    if (outcome.status === 'tooLarge') throw statementFailed(this.#address, outcome.message);
    const all: Row[] = [];
    for (;;) {
      const chunk = await outcome.result.next(signal);
      if (chunk === 'end') return all;
      if (chunk === 'expired') throw statementFailed(this.#address, 'the result is gone');
      all.push(...chunk.rows);
    }
  }

  /** Only for a service principal does this contact the workspace. Rejects like `execute`. */
  async logIn(signal: AbortSignal): Promise<Authentication['type']> {
    return (await this.#credentials.header(signal)).type;
  }

  #outcomeOf({ statement_id: id, status, manifest, result }: StatementAnswer): StatementOutcome {
    const { state, error, sql_state: sqlState } = status;
    if (state === 'SUCCEEDED') {
      if (manifest?.truncated === true) throw statementFailed(this.#address, 'the result is truncated');
      return { status: 'succeeded', result: this.#resultOf(id, manifest?.total_row_count, result) };
    }
    if (state !== 'FAILED')
      throw statementFailed(this.#address, `the statement ended as ${state}: somebody has cancelled or closed it`);
    const failure = {
      errorCode: error?.error_code ?? '',
      message: error?.message ?? '',
      sqlState: sqlState ?? undefined,
    };
    if (isTooLarge(failure)) return { status: 'tooLarge', message: withoutSecrets(failure.message) };
    throw describeFailure(this.#address, failure);
  }

  #resultOf(id: string, totalCount: number | undefined, first: Chunk | undefined): StatementResult {
    let chunk = first;
    let readCount = 0;
    let nextIndex: number | undefined;
    return {
      next: async (signal) => {
        if (chunk === undefined && nextIndex !== undefined) {
          chunk = await this.#chunk(id, nextIndex, signal);
          if (chunk === undefined) return 'expired';
        }
        const {
          data_array: rows = [],
          row_offset: offset = readCount,
          row_count: count = rows.length,
          next_chunk_index: next,
        } = chunk ?? {};
        if (offset !== readCount || count !== rows.length) {
          throw statementFailed(
            this.#address,
            `rows are missing from the result (${rows.length} at ${readCount}, expected ${count} at ${offset})`,
          );
        }
        readCount += rows.length;
        chunk = undefined;
        nextIndex = next ?? undefined;
        if (rows.length > 0) return { rows };
        if (nextIndex !== undefined || readCount !== (totalCount ?? readCount)) {
          throw statementFailed(this.#address, `the result ended after ${readCount} of ${totalCount} rows`);
        }
        return 'end';
      },
    };
  }

  /** Undefined if the result is gone. */
  async #chunk(id: string, index: number, signal: AbortSignal): Promise<Chunk | undefined> {
    const path = `${statementsPath}/${encodeURIComponent(id)}/result/chunks/${index}`;
    const answer = await this.#request('GET', path, signal);
    if (answer.status === 404 || answer.status === 410) return undefined;
    if (answer.status >= 400) throw this.#refusalOf(answer);
    return this.#parse(chunkSchema, answer, path);
  }

  async #statement(method: 'GET' | 'POST', path: string, signal: AbortSignal, body?: object): Promise<StatementAnswer> {
    const answer = await this.#request(method, path, signal, body);
    if (method === 'GET' && answer.status === 404)
      throw statementFailed(this.#address, 'the workspace has forgotten the statement');
    if (answer.status >= 400) throw this.#refusalOf(answer);
    return this.#parse(statementSchema, answer, path);
  }

  #parse<Schema extends z.ZodType>(schema: Schema, { body }: HttpAnswer, path: string): z.infer<Schema> {
    const parsed = schema.safeParse(body);
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    throw invalidAnswer(new URL(path, this.#address.origin), `${issue?.path.join('.')}: ${issue?.message}`);
  }

  /** An expired token is renewed once. */
  async #request(method: 'GET' | 'POST', path: string, signal: AbortSignal, body?: object): Promise<HttpAnswer> {
    for (let attempt = 1; ; attempt++) {
      const { value: authorization } = await this.#credentials.header(signal);
      const answer = await this.#send(
        {
          method,
          url: new URL(path, this.#address.origin),
          headers: { authorization, 'content-type': 'application/json' },
          ...(body && { body: JSON.stringify(body) }),
        },
        signal,
      );
      if (answer.status !== 401) return answer;
      await this.#credentials.refused(authorization);
      if (attempt === 2)
        throw credentialsRefused(this.#address.origin, errorSchema.parse(answer.body).message || 'HTTP 401');
    }
  }

  #refusalOf({ status, body }: HttpAnswer): Error {
    const { error_code: errorCode, message } = errorSchema.parse(body);
    if (status === 403) return accessDenied(this.#address, message || 'HTTP 403');
    const isAboutWarehouse = status === 404 || (status === 400 && /warehouse|endpoint/i.test(message));
    if (isAboutWarehouse) return noWarehouse(this.#address, message);
    return describeFailure(this.#address, { errorCode: errorCode || `HTTP ${status}`, message, sqlState: undefined });
  }
}

function isUnderWay({ status: { state } }: StatementAnswer): boolean {
  return state === 'PENDING' || state === 'RUNNING';
}

const cancelTimeoutMs = 5_000;
