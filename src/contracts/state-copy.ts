/**
 * Contract: the whole content of a state, on its way into another one.
 */
import type { ObjectId } from '../model/object.ts';
import type { Announcement, ObjectState, SettledLines } from './delivery-state.ts';
import type { WorkspaceEvents } from './silence-state.ts';

export interface StateContents {
  readonly hashSecret: Uint8Array;
  readonly createdOn: string;
  readonly workspaces: readonly WorkspaceEvents[];
  /** Every object, once. */
  objects(): AsyncIterable<ObjectContents>;
  close(): Promise<void>;
}

export interface ObjectContents {
  readonly id: ObjectId;
  readonly workspaceId: string | undefined;
  readonly date: string | undefined;
  readonly state: ObjectState;
  readonly announcements: readonly Announcement[];
  readonly settledLines: readonly SettledLines[];
  readonly acceptedCount: number;
  readonly deadLetteredCount: number;
  readonly unparsedCount: number;
}
