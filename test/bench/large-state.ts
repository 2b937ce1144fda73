/**
 * The state of an agent that has shipped for years, written through the interface that the agent writes it by.
 */
import { createHash } from 'node:crypto';
import type { DeliveryState } from '../../src/contracts/delivery-state.ts';
import { openDeliveryState } from '../../src/delivery/index.ts';
import type { DeliveredObject, ObjectId } from '../../src/model/object.ts';
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
  const state = await openDeliveryState({ directory, clock: systemClock, logger: silentLogger });
  const nowMs = systemClock.nowMs();
  const days = Math.ceil(objectCount / objectsADay);
  let writtenCount = 0;
  for (let daysAgo = days - 1; daysAgo >= 0; daysAgo--) {
    const date = utcDate(nowMs, daysAgo);
    const objects = Array.from({ length: Math.min(objectsADay, objectCount - writtenCount) }, (_, index) =>
      objectOf(date, index),
    );
    await Promise.all(objects.map((object) => settleObject(state, object, { hasLines: daysAgo <= lookbackDays })));
    writtenCount += objects.length;
    if (daysAgo > lookbackDays) state.dropLineHashes(utcDate(nowMs, daysAgo - 1));
  }
  await state.close();
}

/** Resolves when it is durable; objects that are settled at once share a commit. */
async function settleObject(
  state: DeliveryState,
  object: DeliveredObject,
  { hasLines }: { readonly hasLines: boolean },
): Promise<void> {
  const { origin, version } = object;
  const claim = await state.claim(object, never);
  if (typeof claim === 'string') throw new Error(`${origin.id} is ${claim}`);
  const end = { offsetBytes: version.sizeBytes, lineCount: linesPerObject, digest: digestOf(origin.id) };
  if (hasLines) {
    claim.settle({
      announcementId: undefined,
      position: end,
      lineHashes: new Int32Array(2 * linesPerObject),
      observedRuns: [{ observedAtMs: version.modifiedAtMs, lineCount: linesPerObject }],
      acceptedCount: linesPerObject,
      deadLetteredCount: 0,
      newestEventMs: Date.parse(`${origin.date}T23:00:00Z`),
    });
  }
  claim.finish(version, end, []);
  await claim.flush(never);
  await claim.release();
}

function objectOf(date: string, index: number): DeliveredObject {
  const workspaceId = String(1_000_000_000_000_000 + (index % workspaceCount));
  const fileName = `auditlogs_${index.toString(16).padStart(16, '0')}.json`;
  const [bucket, key] = ['company-audit-logs', `delivered/workspaceId=${workspaceId}/date=${date}/${fileName}`];
  const id = `s3://${bucket}/${key}` as ObjectId;
  return {
    origin: { id, fileName, location: { 'aws.s3.bucket': bucket, 'aws.s3.key': key }, workspaceId, date },
    version: {
      etag: `"${digestOf(id).toString('hex', 0, 16)}"`,
      sizeBytes: linesPerObject * 800,
      modifiedAtMs: Date.parse(`${date}T23:30:00Z`),
    },
    growing: false,
    open: () => Promise.reject(new Error('there is nothing to read')),
  };
}

function digestOf(id: ObjectId): Buffer {
  return createHash('sha256').update(id).digest();
}
