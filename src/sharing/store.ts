/**
 * Contract of an engine: what a shared state needs of DynamoDB, PostgreSQL or any other store.
 *
 * There are two kinds of item. A *register* is small, and is changed by compare-and-set only. A *batch item* is written once and
 * never changed. Nothing else is used: no transactions, no index, and no clock besides the engine's own, which decides when an
 * expired batch item disappears.
 *
 * **Errors.** A method rejects with the signal's reason if it aborts, and otherwise with an AgentError:
 *
 * - ERR_STATE_UNAVAILABLE: throttled, not reachable, no answer in time, credentials expired, a permission is missing. The
 *   caller tries again without end, so the hint says what an operator can do.
 * - ERR_STATE_NOT_FOUND: the table or schema does not exist. The hint names `databricks-audit-otel state init`.
 * - ERR_STATE_FORMAT: the table or schema exists, but is not one that this version can use.
 *
 * A write that rejects may have taken effect, or may take effect later; the caller finds out by reading. Each request ends within
 * ten seconds: an engine that gets no answer in that time rejects with ERR_STATE_UNAVAILABLE. It may repeat a request itself, since
 * the caller looks into each refusal before it believes it.
 */

/** Both parts are text without NUL. A partition has at most 1,900 bytes of UTF-8, a sort key at most 200. */
export interface ItemKey {
  readonly partition: string;
  /** Compared byte by byte. Within a partition, no sort key is used for both a register and a batch item. */
  readonly sort: string;
}

export interface Register {
  /** Unique among all writes of all processes; the writer chooses it. At most 64 ASCII characters. */
  readonly revision: string;
  /** Opaque to the engine: JSON of at most 64 KiB. */
  readonly value: string;
}

export interface RegisterEntry extends Register {
  readonly key: ItemKey;
}

export interface BatchItem {
  readonly key: ItemKey;
  /** Opaque to the engine: at most 256 KiB. */
  readonly content: Uint8Array;
  /** From here on, the engine may delete the item whenever it likes. Undefined: it stays until it is removed. */
  readonly expiresAtMs: number | undefined;
}

export interface SharedStore {
  /** As configured, without secrets, such as `dynamodb://audit-state`. */
  readonly name: string;

  /** Consistent: sees every write that was answered before the call. */
  read(key: ItemKey, signal: AbortSignal): Promise<Register | undefined>;
  /** Any number of registers, in the order of the keys. May be out of date by some seconds, which is cheaper in DynamoDB. */
  readMany(keys: readonly ItemKey[], signal: AbortSignal): Promise<readonly (Register | undefined)[]>;
  /** All registers of a partition, consistently, page by page. Each page is as of its own moment. */
  registers(partition: string, signal: AbortSignal): AsyncIterable<readonly RegisterEntry[]>;
  /** All registers of the store, page by page and in any order. May be out of date, as `readMany`. */
  scan(signal: AbortSignal): AsyncIterable<readonly RegisterEntry[]>;

  /**
   * Replaces the register if its revision is the expected one. Durable when it resolves.
   * @param expected undefined: only if there is no such register.
   * @returns `refused` if the revision was another one when the engine looked, also if that is because an earlier attempt of
   * this same call has taken effect.
   */
  compareAndSet(
    key: ItemKey,
    expected: string | undefined,
    next: Register,
    signal: AbortSignal,
  ): Promise<'written' | 'refused'>;
  /** Removes the register if its revision is the expected one. A register that does not exist is `refused`. */
  removeRegister(key: ItemKey, expected: string, signal: AbortSignal): Promise<'removed' | 'refused'>;

  /** Durable when it resolves. Putting the same item again changes nothing. */
  putBatchItem(item: BatchItem, signal: AbortSignal): Promise<void>;
  /**
   * The batch items of a partition, consistently, page by page, ordered by sort key.
   * May contain expired items. @param range sort keys: `from` is included, `before` is not.
   */
  batchItems(
    partition: string,
    range: { readonly from: string; readonly before: string },
    signal: AbortSignal,
  ): AsyncIterable<readonly BatchItem[]>;
  /** Removes batch items; those that do not exist are ignored. */
  removeBatchItems(keys: readonly ItemKey[], signal: AbortSignal): Promise<void>;

  close(): Promise<void>;
}
