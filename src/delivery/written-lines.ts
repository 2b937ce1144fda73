/**
 * Writes line hashes and announcements, each with its checksum, and settled versions. StateRows reads them.
 */
import type { Announcement, AnnouncementId, SettledLines } from '../contracts/delivery-state.ts';
import type { SettledFault } from '../contracts/settled-fault.ts';
import type { ObjectId, ObjectVersion } from '../model/object.ts';
import { checksumOf } from './row-checksum.ts';
import { announcementContent, ownerAt, toBlob } from './state-rows.ts';
import type { Statements } from './statements.ts';

export function addSettledLines(
  statements: Statements,
  id: ObjectId,
  { lineHashes, observedAtMs }: SettledLines,
): void {
  const hashes = toBlob(lineHashes);
  const checksum = checksumOf(ownerAt(id, observedAtMs), hashes);
  statements.addLineHashes.run(observedAtMs ?? null, hashes, checksum, id);
}

export function addAnnouncement(
  statements: Statements,
  announcementId: AnnouncementId,
  id: ObjectId,
  announcement: Announcement,
): void {
  const { observedAtMs } = announcement;
  const { lineHashes, occurrences } = announcementContent(announcement);
  const checksum = checksumOf(ownerAt(id, observedAtMs), Buffer.concat([lineHashes, occurrences]));
  statements.announce.run(announcementId, id, observedAtMs, lineHashes, occurrences, checksum);
}

export function finishVersion(
  statements: Statements,
  id: ObjectId,
  { etag, sizeBytes, modifiedAtMs }: ObjectVersion,
  fault: SettledFault | undefined,
): void {
  statements.finish.run(etag, sizeBytes, modifiedAtMs, fault === undefined ? null : JSON.stringify(fault), id);
}
