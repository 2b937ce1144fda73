/**
 * A claim of one object in SQLite. The database belongs to one process, so a claim is never lost, and all claims share one
 * commit queue.
 */
import assert from 'node:assert';
import type {
  Announcement,
  AnnouncementId,
  Claim,
  LineHashes,
  ObjectState,
  Position,
  Settlement,
} from '../contracts/delivery-state.ts';
import type { ObjectOrigin, ObjectVersion } from '../model/object.ts';
import type { CommitQueue } from './commit-queue.ts';
import { checksumOf } from './row-checksum.ts';
import { announcementContent, ownerAt, type StateRows, toBlob } from './state-rows.ts';
import type { Statements } from './statements.ts';
import type { WorkspaceRows } from './workspace-rows.ts';

export interface ClaimParts {
  readonly queue: CommitQueue;
  readonly rows: StateRows;
  readonly statements: Statements;
  readonly workspaces: WorkspaceRows;
  readonly nowMs: () => number;
  readonly nextAnnouncementId: () => AnnouncementId;
  readonly onRelease: () => void;
}

export class SqliteClaim implements Claim {
  readonly known: ObjectState | undefined;
  readonly announcements: readonly Announcement[];
  readonly lost: AbortSignal = new AbortController().signal;
  readonly #origin: ObjectOrigin;
  readonly #parts: ClaimParts;

  /** @throws AgentError ERR_STATE_DAMAGED */
  constructor(origin: ObjectOrigin, known: ObjectState | undefined, parts: ClaimParts) {
    this.#origin = origin;
    this.#parts = parts;
    this.known = known;
    this.announcements = parts.queue.read(() => parts.rows.announcements(origin.id));
  }

  async *settledLineHashes(): AsyncIterable<LineHashes> {
    const { queue, rows } = this.#parts;
    const lines = rows.settledLines(this.#origin.id);
    for (let next = queue.read(() => lines.next()); !next.done; next = queue.read(() => lines.next()))
      yield next.value.lineHashes;
  }

  announce(announcement: Announcement): AnnouncementId {
    const announcementId = this.#parts.nextAnnouncementId();
    this.#parts.queue.add(() => {
      this.#insertObject();
      this.#insertAnnouncement(announcementId, announcement);
    });
    return announcementId;
  }

  settle(settlement: Settlement): void {
    const { announcementId, position, acceptedCount, deadLetteredCount, unparsedCount, newestEventMs } = settlement;
    const { id, workspaceId } = this.#origin;
    const { queue, statements, workspaces, nowMs } = this.#parts;
    queue.addLater(() => {
      this.#insertObject();
      if (announcementId !== undefined) statements.forgetAnnouncement.run(announcementId);
      if (position !== undefined) this.#movePosition(position);
      statements.count.run(acceptedCount, deadLetteredCount, unparsedCount ?? 0, id);
      this.#insertLineHashes(settlement);
      if (newestEventMs !== undefined) workspaces.recordEvent(workspaceId, newestEventMs, nowMs());
    });
  }

  finish(version: ObjectVersion, end: Position, stillAnnounced: readonly Announcement[]): void {
    const { id } = this.#origin;
    const { queue, statements, nextAnnouncementId } = this.#parts;
    queue.add(() => {
      this.#insertObject();
      this.#movePosition(end);
      statements.finish.run(version.etag, version.sizeBytes, version.modifiedAtMs, id);
      statements.forgetAnnouncements.run(id);
      for (const announcement of stillAnnounced) this.#insertAnnouncement(nextAnnouncementId(), announcement);
    });
  }

  forget(): void {
    const { id } = this.#origin;
    const { queue, statements } = this.#parts;
    queue.add(() => {
      statements.forgetAnnouncements.run(id);
      statements.forgetLineHashes.run(id);
      statements.forgetObject.run(id);
    });
  }

  async flush(signal: AbortSignal): Promise<void> {
    await this.#parts.queue.flush(signal);
  }

  async release(): Promise<void> {
    this.#parts.onRelease();
  }

  #insertObject(): void {
    const { id, workspaceId, date } = this.#origin;
    this.#parts.statements.insertObject.run(id, workspaceId ?? null, date ?? null);
  }

  /** One row for each observed time. */
  #insertLineHashes({ lineHashes, observedRuns }: Settlement): void {
    const { id } = this.#origin;
    let endLine = 0;
    for (const { observedAtMs, lineCount } of observedRuns) {
      const startLine = endLine;
      endLine += lineCount;
      const hashes = toBlob(lineHashes.subarray(2 * startLine, 2 * endLine));
      const checksum = checksumOf(ownerAt(id, observedAtMs), hashes);
      this.#parts.statements.addLineHashes.run(observedAtMs, hashes, checksum, id);
    }
    assert(2 * endLine === lineHashes.length, 'every settled line has an observed time');
  }

  #insertAnnouncement(announcementId: AnnouncementId, announcement: Announcement): void {
    const { id } = this.#origin;
    const { observedAtMs } = announcement;
    const { lineHashes, occurrences } = announcementContent(announcement);
    const checksum = checksumOf(ownerAt(id, observedAtMs), Buffer.concat([lineHashes, occurrences]));
    this.#parts.statements.announce.run(announcementId, id, observedAtMs, lineHashes, occurrences, checksum);
  }

  #movePosition({ offsetBytes, lineCount, digest }: Position): void {
    this.#parts.statements.movePosition.run(offsetBytes, lineCount, digest, this.#origin.id);
  }
}
