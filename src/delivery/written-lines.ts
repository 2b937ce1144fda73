/**
 * Writes line hashes and announcements, each with its checksum. StateRows reads them.
 */
import type { Announcement, AnnouncementId, SettledLines } from '../contracts/delivery-state.ts';
import type { ObjectId } from '../model/object.ts';
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
