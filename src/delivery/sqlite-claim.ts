/**
 * A claim of one object in SQLite. The database belongs to one process, so a claim is never lost, and all claims share one
 * commit queue.
 */
import {
  type Announcement,
  type AnnouncementId,
  type Claim,
  type LineHashes,
  type ObjectState,
  type Position,
  type Settlement,
  settledLinesOf,
} from '../contracts/delivery-state.ts';
import type { SettledFault } from '../contracts/settled-fault.ts';
import type { ObjectOrigin, ObjectVersion } from '../model/object.ts';
import type { CommitQueue } from './commit-queue.ts';
import type { StateRows } from './state-rows.ts';
import type { Statements } from './statements.ts';
import type { WorkspaceRows } from './workspace-rows.ts';
import { addAnnouncement, addSettledLines, finishVersion } from './written-lines.ts';

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
    const { queue, statements, nextAnnouncementId } = this.#parts;
    const announcementId = nextAnnouncementId();
    queue.add(() => {
      this.#insertObject();
      addAnnouncement(statements, announcementId, this.#origin.id, announcement);
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
      for (const lines of settledLinesOf(settlement)) addSettledLines(statements, id, lines);
      if (newestEventMs !== undefined) workspaces.recordEvent(workspaceId, newestEventMs, nowMs());
    });
  }

  finish(version: ObjectVersion, end: Position, stillAnnounced: readonly Announcement[], fault?: SettledFault): void {
    const { id } = this.#origin;
    const { queue, statements, nextAnnouncementId } = this.#parts;
    queue.add(() => {
      this.#insertObject();
      this.#movePosition(end);
      finishVersion(statements, id, version, fault);
      statements.forgetAnnouncements.run(id);
      for (const announcement of stillAnnounced) addAnnouncement(statements, nextAnnouncementId(), id, announcement);
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

  #movePosition({ offsetBytes, lineCount, digest }: Position): void {
    this.#parts.statements.movePosition.run(offsetBytes, lineCount, digest, this.#origin.id);
  }
}
