/**
 * A shared state in one DynamoDB table: partition key `k`, sort key `s`. A register has a revision `r` and a value `v`; a batch item has
 * its content `c` and, for DynamoDB's TTL, `x`. Only calls that DynamoDB and its emulators agree on are used: no transactions, no
 * index, no old item with a refusal.
 */
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { AgentError } from '../../model/agent-error.ts';
import type { DynamoDbLocation } from '../../model/state-location.ts';
import { backoffMs } from '../../runtime/backoff.ts';
import { type Clock, systemClock } from '../../runtime/clock.ts';
import { untilAborted } from '../../runtime/until-aborted.ts';
import type { BatchItem, ItemKey, Register, RegisterEntry, SharedStore } from '../store.ts';
import { type DynamoDb, loadDynamoDb } from './client.ts';
import { type DynamoDbCall, describeDynamoDbError, throttled } from './errors.ts';

type Item = Record<string, AttributeValue>;

/** The contract's limit for a request, repetitions included. */
const requestTimeoutMs = 10_000;
/** Limit of BatchGetItem. */
const keysPerRequest = 100;
const removalsAtOnce = 10;
/** For keys that BatchGetItem returned unprocessed. */
const unprocessedBackoff = { initialMs: 50, maxMs: 2_000 };
const unprocessedAttemptsMax = 6;

/** @param clock for the pauses between attempts. */
export async function openDynamoDbStore(
  { table }: DynamoDbLocation,
  signal: AbortSignal,
  clock: Clock = systemClock,
): Promise<SharedStore> {
  const store = new DynamoDbStore(table, await loadDynamoDb(), clock);
  try {
    await store.verifyKeys(signal);
  } catch (error) {
    await store.close();
    throw error;
  }
  return store;
}

class DynamoDbStore implements SharedStore {
  readonly name: string;
  readonly #table: string;
  readonly #db: DynamoDb;
  readonly #clock: Clock;

  constructor(table: string, db: DynamoDb, clock: Clock) {
    this.name = `dynamodb://${table}`;
    this.#table = table;
    this.#db = db;
    this.#clock = clock;
  }

  /** A read of any item fails if the table is missing or has other keys. Needs no permission that shipping does not need. */
  async verifyKeys(signal: AbortSignal): Promise<void> {
    await this.read({ partition: 'meta', sort: 'state' }, signal);
  }

  async read(key: ItemKey, signal: AbortSignal): Promise<Register | undefined> {
    const { client, sdk } = this.#db;
    const input = { TableName: this.#table, Key: toKey(key), ConsistentRead: true };
    const { Item } = await this.#call('GetItem', signal, (abortSignal) =>
      client.send(new sdk.GetItemCommand(input), { abortSignal }),
    );
    return Item && this.#toEntry(Item);
  }

  async readMany(keys: readonly ItemKey[], signal: AbortSignal): Promise<readonly (Register | undefined)[]> {
    // BatchGetItem rejects a list that has a key twice.
    const distinct = [...new Map(keys.map((key) => [nameOf(key), key])).values()];
    const found = new Map<string, Register>();
    for (let from = 0; from < distinct.length; from += keysPerRequest) {
      for (const entry of await this.#readBatch(distinct.slice(from, from + keysPerRequest), signal)) {
        found.set(nameOf(entry.key), entry);
      }
    }
    return keys.map((key) => found.get(nameOf(key)));
  }

  async #readBatch(keys: readonly ItemKey[], signal: AbortSignal): Promise<readonly RegisterEntry[]> {
    const { client, sdk } = this.#db;
    const entries: RegisterEntry[] = [];
    let unread: Item[] = keys.map(toKey);
    for (let attempt = 0; ; attempt++) {
      const input = { RequestItems: { [this.#table]: { Keys: unread } } };
      const { Responses, UnprocessedKeys } = await this.#call('BatchGetItem', signal, (abortSignal) =>
        client.send(new sdk.BatchGetItemCommand(input), { abortSignal }),
      );
      entries.push(...(Responses?.[this.#table] ?? []).map((item) => this.#toEntry(item)));
      unread = UnprocessedKeys?.[this.#table]?.Keys ?? [];
      if (unread.length === 0) return entries;
      if (attempt + 1 === unprocessedAttemptsMax)
        throw throttled(this.#describeCall('BatchGetItem'), 'UnprocessedKeys');
      await this.#clock.sleep(backoffMs(unprocessedBackoff, attempt, this.#clock), signal);
    }
  }

  async *registers(partition: string, signal: AbortSignal): AsyncIterable<readonly RegisterEntry[]> {
    const { client, sdk } = this.#db;
    const input = {
      TableName: this.#table,
      KeyConditionExpression: 'k = :k',
      FilterExpression: 'attribute_exists(r)',
      ExpressionAttributeValues: { ':k': { S: partition } },
      ConsistentRead: true,
    };
    for await (const items of this.#pages('Query', signal, (ExclusiveStartKey, abortSignal) =>
      client.send(new sdk.QueryCommand({ ...input, ExclusiveStartKey }), { abortSignal }),
    )) {
      if (items.length > 0) yield items.map((item) => this.#toEntry(item));
    }
  }

  async *scan(signal: AbortSignal): AsyncIterable<readonly RegisterEntry[]> {
    const { client, sdk } = this.#db;
    const input = { TableName: this.#table, FilterExpression: 'attribute_exists(r)' };
    for await (const items of this.#pages('Scan', signal, (ExclusiveStartKey, abortSignal) =>
      client.send(new sdk.ScanCommand({ ...input, ExclusiveStartKey }), { abortSignal }),
    )) {
      if (items.length > 0) yield items.map((item) => this.#toEntry(item));
    }
  }

  compareAndSet(
    key: ItemKey,
    expected: string | undefined,
    { revision, value }: Register,
    signal: AbortSignal,
  ): Promise<'written' | 'refused'> {
    const { client, sdk } = this.#db;
    const input = {
      TableName: this.#table,
      Item: { ...toKey(key), r: { S: revision }, v: { S: value } },
      ...(expected === undefined ? { ConditionExpression: 'attribute_not_exists(k)' } : hasRevision(expected)),
    };
    return this.#conditional('PutItem', 'written', signal, (abortSignal) =>
      client.send(new sdk.PutItemCommand(input), { abortSignal }),
    );
  }

  removeRegister(key: ItemKey, expected: string, signal: AbortSignal): Promise<'removed' | 'refused'> {
    const { client, sdk } = this.#db;
    const input = { TableName: this.#table, Key: toKey(key), ...hasRevision(expected) };
    return this.#conditional('DeleteItem', 'removed', signal, (abortSignal) =>
      client.send(new sdk.DeleteItemCommand(input), { abortSignal }),
    );
  }

  async putBatchItem({ key, content, expiresAtMs }: BatchItem, signal: AbortSignal): Promise<void> {
    const { client, sdk } = this.#db;
    // Whole seconds, as TTL requires; an item must not expire early.
    const expiry = expiresAtMs === undefined ? {} : { x: { N: String(Math.ceil(expiresAtMs / 1000)) } };
    const input = { TableName: this.#table, Item: { ...toKey(key), c: { B: content }, ...expiry } };
    await this.#call('PutItem', signal, (abortSignal) => client.send(new sdk.PutItemCommand(input), { abortSignal }));
  }

  async *batchItems(
    partition: string,
    { from, before }: { readonly from: string; readonly before: string },
    signal: AbortSignal,
  ): AsyncIterable<readonly BatchItem[]> {
    if (from >= before) return; // DynamoDB rejects an empty range, and an empty text as a bound.
    const { client, sdk } = this.#db;
    const input = {
      TableName: this.#table,
      KeyConditionExpression: from === '' ? 'k = :k AND s < :before' : 'k = :k AND s BETWEEN :from AND :before',
      ExpressionAttributeValues: {
        ':k': { S: partition },
        ...(from === '' ? {} : { ':from': { S: from } }),
        ':before': { S: before },
      },
      ConsistentRead: true,
    };
    for await (const items of this.#pages('Query', signal, (ExclusiveStartKey, abortSignal) =>
      client.send(new sdk.QueryCommand({ ...input, ExclusiveStartKey }), { abortSignal }),
    )) {
      // BETWEEN includes its end. The range may contain registers.
      const wanted = items.filter(({ s, c }) => s?.S !== before && c !== undefined);
      if (wanted.length > 0) yield wanted.map((item) => this.#toBatchItem(item));
    }
  }

  /** One by one: BatchWriteItem would be one more permission, and its unprocessed items one more thing to repeat. */
  async removeBatchItems(keys: readonly ItemKey[], signal: AbortSignal): Promise<void> {
    const { client, sdk } = this.#db;
    for (let from = 0; from < keys.length; from += removalsAtOnce) {
      const removals = keys.slice(from, from + removalsAtOnce).map((key) => {
        const input = { TableName: this.#table, Key: toKey(key) };
        return this.#call('DeleteItem', signal, (abortSignal) =>
          client.send(new sdk.DeleteItemCommand(input), { abortSignal }),
        );
      });
      await Promise.all(removals);
    }
  }

  async close(): Promise<void> {
    this.#db.client.destroy();
  }

  async #conditional<Done>(
    operation: string,
    done: Done,
    signal: AbortSignal,
    send: (abortSignal: AbortSignal) => Promise<unknown>,
  ): Promise<Done | 'refused'> {
    return await this.#call(operation, signal, async (abortSignal) => {
      try {
        await send(abortSignal);
        return done;
      } catch (error) {
        if (error instanceof this.#db.sdk.ConditionalCheckFailedException) return 'refused';
        throw error;
      }
    });
  }

  async *#pages(
    operation: string,
    signal: AbortSignal,
    send: (
      startKey: Item | undefined,
      abortSignal: AbortSignal,
    ) => Promise<{ readonly Items?: Item[] | undefined; readonly LastEvaluatedKey?: Item | undefined }>,
  ): AsyncGenerator<readonly Item[], void, undefined> {
    let startKey: Item | undefined;
    do {
      const { Items = [], LastEvaluatedKey } = await this.#call(operation, signal, (abortSignal) =>
        send(startKey, abortSignal),
      );
      yield Items;
      startKey = LastEvaluatedKey;
    } while (startKey !== undefined);
  }

  /** Ends in time even if the SDK is waiting before its next attempt, which it does not abort. */
  async #call<Answer>(
    operation: string,
    signal: AbortSignal,
    send: (abortSignal: AbortSignal) => Promise<Answer>,
  ): Promise<Answer> {
    signal.throwIfAborted();
    const either = AbortSignal.any([signal, AbortSignal.timeout(requestTimeoutMs)]);
    try {
      return await untilAborted(send(either), either);
    } catch (error) {
      signal.throwIfAborted();
      throw describeDynamoDbError(error, this.#describeCall(operation));
    }
  }

  #describeCall(operation: string): DynamoDbCall {
    return { action: `dynamodb:${operation}`, table: this.#table };
  }

  #toEntry({ k, s, r, v }: Item): RegisterEntry {
    if (k?.S === undefined || s?.S === undefined || r?.S === undefined || v?.S === undefined) throw this.#foreignItem();
    return { key: { partition: k.S, sort: s.S }, revision: r.S, value: v.S };
  }

  #toBatchItem({ k, s, c, x }: Item): BatchItem {
    if (k?.S === undefined || s?.S === undefined || c?.B === undefined) throw this.#foreignItem();
    const expiresAtMs = x?.N === undefined ? undefined : Number(x.N) * 1000;
    return { key: { partition: k.S, sort: s.S }, content: c.B, expiresAtMs };
  }

  #foreignItem(): AgentError {
    return new AgentError(
      'ERR_STATE_FORMAT',
      `The table of ${this.name} contains items that are not of a delivery state`,
      {
        hint: 'Use a table of its own for the state: `databricks-audit-otel state init` creates one.',
      },
    );
  }
}

function hasRevision(expected: string) {
  return { ConditionExpression: 'r = :expected', ExpressionAttributeValues: { ':expected': { S: expected } } };
}

function toKey({ partition, sort }: ItemKey): Item {
  return { k: { S: partition }, s: { S: sort } };
}

/** Neither part contains NUL. */
function nameOf({ partition, sort }: ItemKey): string {
  return `${partition}\0${sort}`;
}
