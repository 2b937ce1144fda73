/**
 * What `check` says about the settings of a bucket.
 */
import type { CheckResult } from '../contracts/check-result.ts';
import type { ErrorCode } from '../model/agent-error.ts';

/** Why a setting could not be read. */
export interface NotRead {
  readonly code: ErrorCode;
  readonly reason: string;
}

export type Versioning = 'enabled' | 'suspended' | 'off';

/** @param permission that reading the setting requires. */
export function checkVersioning(bucket: string, versioning: Versioning | NotRead, permission: string): CheckResult {
  if (typeof versioning !== 'string') {
    return { status: 'skipped', message: `versioning of ${bucket}: ${notChecked(versioning, permission)}` };
  }
  if (versioning === 'enabled') return { status: 'ok', message: `versioning of ${bucket} is enabled` };
  const hint = 'Shipping does not need it. With versioning, overwritten and deleted objects can be restored.';
  return { status: 'skipped', message: `versioning of ${bucket} is ${versioning}`, hint };
}

export interface LifecycleRule {
  readonly effect: 'removed' | 'archived';
  readonly afterDays: number;
}

/** Objects that are deleted earlier than this might not survive a long outage. */
const retentionDaysMin = 30;

/** @param lifecycle rules that remove or archive objects below the prefix. */
export function checkLifecycle(
  bucket: string,
  lifecycle: readonly LifecycleRule[] | NotRead,
  permission: string,
): readonly CheckResult[] {
  if ('reason' in lifecycle) {
    return [{ status: 'skipped', message: `lifecycle of ${bucket}: ${notChecked(lifecycle, permission)}` }];
  }
  const soon = lifecycle.filter(({ afterDays }) => afterDays < retentionDaysMin);
  if (soon.length === 0)
    return [{ status: 'ok', message: `lifecycle of ${bucket} keeps objects for at least ${retentionDaysMin} days` }];
  return soon.map(({ effect, afterDays }) => ({
    status: 'warning',
    message: `lifecycle of ${bucket}: objects are ${effect} after ${afterDays} days`,
    hint: 'Objects that are not shipped by then are lost. Keep them for longer than the longest outage you expect.',
  }));
}

function notChecked({ code, reason }: NotRead, permission: string): string {
  const isDenied = code === 'ERR_SOURCE_ACCESS_DENIED';
  return isDenied ? `not checked (requires ${permission})` : `not checked, because ${reason}`;
}
