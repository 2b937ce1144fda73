/**
 * What is found when a store is created or inspected.
 */

/** One line of `state init` or `check`. */
export interface StoreSetting {
  readonly status: 'ok' | 'warning' | 'failed' | 'skipped';
  readonly message: string;
  readonly hint?: string | undefined;
}

export interface StoreSetup {
  /** False if the table or schema existed already. */
  readonly created: boolean;
  readonly settings: readonly StoreSetting[];
}
