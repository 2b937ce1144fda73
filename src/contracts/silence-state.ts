/**
 * Contract: when each workspace had its last event, and whether it is silent. Every change is durable when it resolves; all
 * reject with the signal's reason and with ERR_STATE_DAMAGED.
 */

/** The newest event that was settled of a workspace. */
export interface WorkspaceEvents {
  /** From the path; undefined in layouts that have none. */
  readonly workspaceId: string | undefined;
  readonly lastEventMs: number;
  /** Set from when the silence was noticed until its end was reported. */
  readonly silence: Silence | undefined;
}

export interface Silence {
  /** The last event before it. */
  readonly sinceMs: number;
  readonly thresholdMs: number;
  /** The alert event about its beginning was accepted or dead-lettered. */
  readonly isReported: boolean;
  /** The newest event of the first batch that was settled since and is no older than the threshold. */
  readonly endedByMs: number | undefined;
}

export interface SilenceState {
  /** Every workspace that has a settled event. */
  workspaces(): Promise<readonly WorkspaceEvents[]>;
  beginSilence(
    workspaceId: string | undefined,
    sinceMs: number,
    thresholdMs: number,
    signal: AbortSignal,
  ): Promise<void>;
  silenceReported(workspaceId: string | undefined, signal: AbortSignal): Promise<void>;
  endSilence(workspaceId: string | undefined, signal: AbortSignal): Promise<void>;
}
