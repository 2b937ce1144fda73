/**
 * The state of an agent that has shipped for years, written through the interface that the agent writes it by.
 */
import { createHash } from 'node:crypto';
import type { DeliveryState } from '../../src/contracts/delivery-state.ts';
import { openDeliveryState } from '../../src/delivery/index.ts';
import type { ObjectId, ObjectOrigin } from '../../src/model/object.ts';
import { systemClock, utcDate } from '../../src/runtime/clock.ts';
import { silentLogger } from '../../src/runtime/logger.ts';

const objectsADay = 1_000;
const workspaceCount = 10;
const linesPerObject = 100;
const lookbackDays = 7;
const never = new AbortController().signal;

/**
 * Writes objects of S3, the last ones of today. Those of the look-back have the hashes of their lines; of older ones the agent
 * has dropped them.
 */
export async function writeLargeState(directory: string, objectCount: number): Promise<void> {
  const state = openDeliveryState({ directory, clock: systemClock, logger: silentLogger });
  const nowMs = systemClock.nowMs();
  const days = Math.ceil(objectCount / objectsADay);
  for (let daysAgo = days - 1, written = 0; daysAgo >= 0; daysAgo--) {
    const date = utcDate(nowMs, daysAgo);
    for (let index = 0; index < objectsADay && written < objectCount; index++, written++)
      settleObject(state, objectOf(date, index), { hasLines: daysAgo <= lookbackDays });
    if (daysAgo > lookbackDays) state.dropLineHashes(utcDate(nowMs, daysAgo - 1));
    await state.flush(never);
  }
  await state.close();
}

function settleObject(state: DeliveryState, origin: ObjectOrigin, { hasLines }: { readonly hasLines: boolean }): void {
  const digest = createHash('sha256').update(origin.id).digest();
  const end = { offsetBytes: linesPerObject * 800, lineCount: linesPerObject, digest };
  if (hasLines) {
    state.settle(origin, {
      announcementId: undefined,
      position: end,
      lineHashes: new Int32Array(2 * linesPerObject),
      acceptedCount: linesPerObject,
      deadLetteredCount: 0,
      newestEventMs: Date.parse(`${origin.date}T23:00:00Z`),
    });
  }
  const etag = `"${digest.toString('hex', 0, 16)}"`;
  state.finish(
    origin,
    { etag, sizeBytes: end.offsetBytes, modifiedAtMs: Date.parse(`${origin.date}T23:30:00Z`) },
    end,
    [],
  );
}

function objectOf(date: string, index: number): ObjectOrigin {
  const workspaceId = String(1_000_000_000_000_000 + (index % workspaceCount));
  const fileName = `auditlogs_${index.toString(16).padStart(16, '0')}.json`;
  const [bucket, key] = ['company-audit-logs', `delivered/workspaceId=${workspaceId}/date=${date}/${fileName}`];
  return { id: `s3://${bucket}/${key}` as ObjectId, fileName, bucket, key, workspaceId, date };
}
