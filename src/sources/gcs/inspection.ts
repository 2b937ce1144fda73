/**
 * Reads bucket settings, for `check`. This needs permissions that shipping does not need, so what is denied is skipped.
 */
import { z } from 'zod';
import type { Clock } from '../../runtime/clock.ts';
import {
  checkLifecycle,
  checkVersioning,
  type LifecycleRule,
  type NotRead,
  type Versioning,
} from '../bucket-settings.ts';
import type { SourceInspection } from '../source-kind.ts';
import { createGcsClient, type GcsApi } from './client.ts';
import type { GcsLocation } from './location.ts';

const bucketSettings = z.object({
  versioning: z.object({ enabled: z.boolean().default(false) }).optional(),
  lifecycle: z
    .object({
      rule: z
        .array(
          z.object({
            action: z.object({ type: z.string() }),
            condition: z.object({ age: z.number().optional(), matchesPrefix: z.array(z.string()).optional() }),
          }),
        )
        .default([]),
    })
    .optional(),
});

type BucketSettings = z.infer<typeof bucketSettings>;

const permission = 'storage.buckets.get';

/** Rejects only with the signal's reason. */
export async function inspectBucket(
  location: GcsLocation,
  signal: AbortSignal,
  clock: Clock,
): Promise<SourceInspection> {
  const { bucket, prefix } = location;
  const client = createGcsClient(location, clock);
  try {
    const answer = await client.settings(signal);
    const settings = readSettings(answer);
    const dateMs = Date.parse('date' in answer ? (answer.date ?? '') : '');
    return {
      results: [
        checkVersioning(bucket, 'reason' in settings ? settings : versioningOf(settings), permission),
        ...checkLifecycle(bucket, 'reason' in settings ? settings : rulesFor(prefix, settings), permission),
      ],
      serverClock: Number.isNaN(dateMs)
        ? undefined
        : { server: 'Google Cloud Storage', aheadMs: dateMs + 500 - clock.nowMs() },
    };
  } finally {
    await client.close();
  }
}

function readSettings(answer: Awaited<ReturnType<GcsApi['settings']>>): BucketSettings | NotRead {
  if ('reason' in answer) return answer;
  return bucketSettings.safeParse(answer.json).data ?? { code: 'ERR_SOURCE_READ', reason: 'the answer is invalid' };
}

function versioningOf({ versioning }: BucketSettings): Versioning {
  return versioning?.enabled === true ? 'enabled' : 'off';
}

function rulesFor(prefix: string, { lifecycle }: BucketSettings): readonly LifecycleRule[] {
  return (lifecycle?.rule ?? []).flatMap(({ action, condition: { age, matchesPrefix = [''] } }) => {
    const isOurs = matchesPrefix.some((ruled) => ruled.startsWith(prefix) || prefix.startsWith(ruled));
    return action.type === 'Delete' && age !== undefined && isOurs
      ? [{ effect: 'removed', afterDays: age } as const]
      : [];
  });
}
