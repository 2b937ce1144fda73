/**
 * A shared state in PostgreSQL. Each change is one statement, so the server decides in one place whether it still applies.
 */
import type { PostgresLocation } from '../../model/postgres-url.ts';
import type { BatchItem, ItemKey, Register, RegisterEntry, SharedStore } from '../store.ts';
import { PostgresConnections } from './connections.ts';
import { verifyFormat } from './schema.ts';

/** Registers have at most 64 KiB, batch items 256 KiB: a page stays below 16 MiB. */
const registersPerPage = 200;
const batchItemsPerPage = 32;
const keysPerRequest = 500;
const expiryIntervalMs = 15 * 60_000;
const expiredPerDelete = 1_000;

interface RegisterRow {
  readonly partition: string;
  readonly sort: string;
  readonly revision: string;
  readonly value: string;
}

interface BatchItemRow {
  readonly sort: string;
  readonly content: Buffer;
  readonly expires_at: Date | null;
}

export async function openPostgresStore(location: PostgresLocation, signal: AbortSignal): Promise<SharedStore> {
  const connections = await PostgresConnections.open(location);
  try {
    await verifyFormat(connections, signal);
  } catch (error) {
    await connections.close();
    throw error;
  }
  return new PostgresStore(connections);
}

class PostgresStore implements SharedStore {
  readonly name: string;
  readonly #connections: PostgresConnections;
  readonly #registers: string;
  readonly #batchItems: string;
  readonly #closing = new AbortController();
  #expiry: Promise<void> | undefined;
  #lastExpiryMs = Number.NEGATIVE_INFINITY;

  constructor(connections: PostgresConnections) {
    this.#connections = connections;
    this.name = connections.location.name;
    this.#registers = `${connections.location.schema}.register`;
    this.#batchItems = `${connections.location.schema}.batch_item`;
  }

  async read({ partition, sort }: ItemKey, signal: AbortSignal): Promise<Register | undefined> {
    const text = `SELECT revision, value FROM ${this.#registers} WHERE partition = $1 AND sort = $2`;
    const { rows } = await this.#connections.query<RegisterRow>('read a register', text, [partition, sort], signal);
    return rows[0];
  }

  async readMany(keys: readonly ItemKey[], signal: AbortSignal): Promise<readonly (Register | undefined)[]> {
    const found: (Register | undefined)[] = [];
    const text = `
      SELECT asked.number, register.revision, register.value
      FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked (partition, sort, number)
      JOIN ${this.#registers} AS register USING (partition, sort)`;
    for (let from = 0; from < keys.length; from += keysPerRequest) {
      const some = keys.slice(from, from + keysPerRequest);
      const values = [some.map(({ partition }) => partition), some.map(({ sort }) => sort)];
      const { rows } = await this.#connections.query<RegisterRow & { number: string }>(
        'read registers',
        text,
        values,
        signal,
      );
      const byNumber = new Map(rows.map(({ number, revision, value }) => [Number(number), { revision, value }]));
      found.push(...some.map((_, index) => byNumber.get(index + 1)));
    }
    return found;
  }

  registers(partition: string, signal: AbortSignal): AsyncIterable<readonly RegisterEntry[]> {
    return this.#registerPages('partition = $3 AND', [partition], partition, signal);
  }

  scan(signal: AbortSignal): AsyncIterable<readonly RegisterEntry[]> {
    return this.#registerPages('', [], '', signal);
  }

  async *#registerPages(
    condition: string,
    values: readonly string[],
    partition: string,
    signal: AbortSignal,
  ): AsyncGenerator<readonly RegisterEntry[], void, undefined> {
    const text = `
      SELECT partition, sort, revision, value FROM ${this.#registers}
      WHERE ${condition} (partition, sort) > ($1, $2) ORDER BY partition, sort LIMIT ${registersPerPage}`;
    let last: Pick<RegisterRow, 'partition' | 'sort'> | undefined = { partition, sort: '' };
    while (last !== undefined) {
      const { rows }: { readonly rows: readonly RegisterRow[] } = await this.#connections.query<RegisterRow>(
        'read registers',
        text,
        [last.partition, last.sort, ...values],
        signal,
      );
      if (rows.length > 0) {
        yield rows.map((row) => ({
          key: { partition: row.partition, sort: row.sort },
          revision: row.revision,
          value: row.value,
        }));
      }
      last = rows.length < registersPerPage ? undefined : rows.at(-1);
    }
  }

  async compareAndSet(
    { partition, sort }: ItemKey,
    expected: string | undefined,
    { revision, value }: Register,
    signal: AbortSignal,
  ): Promise<'written' | 'refused'> {
    const [action, text, values] =
      expected === undefined
        ? ([
            'insert a register',
            `INSERT INTO ${this.#registers} (partition, sort, revision, value) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
            [partition, sort, revision, value],
          ] as const)
        : ([
            'update a register',
            `UPDATE ${this.#registers} SET revision = $3, value = $4 WHERE partition = $1 AND sort = $2 AND revision = $5`,
            [partition, sort, revision, value, expected],
          ] as const);
    const { rowCount } = await this.#connections.query(action, text, values, signal);
    return rowCount === 1 ? 'written' : 'refused';
  }

  async removeRegister(
    { partition, sort }: ItemKey,
    expected: string,
    signal: AbortSignal,
  ): Promise<'removed' | 'refused'> {
    const text = `DELETE FROM ${this.#registers} WHERE partition = $1 AND sort = $2 AND revision = $3`;
    const { rowCount } = await this.#connections.query('delete a register', text, [partition, sort, expected], signal);
    return rowCount === 1 ? 'removed' : 'refused';
  }

  async putBatchItem({ key, content, expiresAtMs }: BatchItem, signal: AbortSignal): Promise<void> {
    const text = `INSERT INTO ${this.#batchItems} (partition, sort, content, expires_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`;
    const expiry = expiresAtMs === undefined ? null : new Date(expiresAtMs);
    const values = [
      key.partition,
      key.sort,
      Buffer.from(content.buffer, content.byteOffset, content.byteLength),
      expiry,
    ];
    await this.#connections.query('insert a batch', text, values, signal);
    this.#expireInBackground();
  }

  async *batchItems(
    partition: string,
    { from, before }: { readonly from: string; readonly before: string },
    signal: AbortSignal,
  ): AsyncIterable<readonly BatchItem[]> {
    const select = (comparison: '>=' | '>') => `
      SELECT sort, content, expires_at FROM ${this.#batchItems}
      WHERE partition = $1 AND sort ${comparison} $2 AND sort < $3 ORDER BY sort LIMIT ${batchItemsPerPage}`;
    let text = select('>=');
    for (let start: string | undefined = from; start !== undefined; text = select('>')) {
      const { rows }: { readonly rows: readonly BatchItemRow[] } = await this.#connections.query<BatchItemRow>(
        'read batches',
        text,
        [partition, start, before],
        signal,
      );
      if (rows.length > 0) yield rows.map((row) => toBatchItem(partition, row));
      start = rows.length < batchItemsPerPage ? undefined : rows.at(-1)?.sort;
    }
  }

  async removeBatchItems(keys: readonly ItemKey[], signal: AbortSignal): Promise<void> {
    const text = `
      DELETE FROM ${this.#batchItems} AS item USING unnest($1::text[], $2::text[]) AS asked (partition, sort)
      WHERE item.partition = asked.partition AND item.sort = asked.sort`;
    for (let from = 0; from < keys.length; from += keysPerRequest) {
      const some = keys.slice(from, from + keysPerRequest);
      const values = [some.map(({ partition }) => partition), some.map(({ sort }) => sort)];
      await this.#connections.query('delete batches', text, values, signal);
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('the store is closed'));
    await this.#expiry;
    await this.#connections.close();
  }

  /** PostgreSQL has no TTL, so the replicas that write also delete what has expired, by the clock of the server. */
  #expireInBackground(): void {
    const nowMs = performance.now();
    if (this.#expiry !== undefined || nowMs - this.#lastExpiryMs < expiryIntervalMs) return;
    this.#lastExpiryMs = nowMs;
    this.#expiry = this.#deleteExpired()
      // What was not deleted is deleted next time.
      .catch(() => {})
      .finally(() => {
        this.#expiry = undefined;
      });
  }

  /** In small steps, and without waiting for rows that another replica is deleting. */
  async #deleteExpired(): Promise<void> {
    const text = `
      DELETE FROM ${this.#batchItems} WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM ${this.#batchItems} WHERE expires_at <= now() LIMIT ${expiredPerDelete} FOR UPDATE SKIP LOCKED))`;
    let rowCount: number;
    do {
      ({ rowCount } = await this.#connections.query('delete expired batches', text, [], this.#closing.signal));
    } while (rowCount === expiredPerDelete);
  }
}

function toBatchItem(partition: string, { sort, content, expires_at }: BatchItemRow): BatchItem {
  return { key: { partition, sort }, content, expiresAtMs: expires_at?.getTime() };
}
