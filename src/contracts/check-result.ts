/**
 * Contract: what `check` found out about one thing that shipping needs.
 */
export interface CheckResult {
  /** `warning`: it works, but something is unusual. `skipped`: it was not checked, or makes no difference to shipping. */
  readonly status: 'ok' | 'warning' | 'failed' | 'skipped';
  readonly message: string;
  readonly hint?: string | undefined;
}
