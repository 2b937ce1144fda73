/**
 * Contract: when each workspace had its last event, and whether it is silent. A change is durable when its promise resolves;
 * all reject with ERR_STATE_DAMAGED, or with the reason of an aborted signal.
 */

/** The newest settled event of a workspace. */
export interface WorkspaceEvents {
  /** From the path; undefined in layouts that have none. */
  readonly workspaceId: string | undefined;
  readonly lastEventMs: number;
  /** Set from the moment the silence is detected until its end has been reported. */
  readonly silence: Silence | undefined;
}

export interface Silence {
  /** Time of the last event before it. */
  readonly sinceMs: number;
  readonly thresholdMs: number;
  /** True once the alert event about its start was accepted or dead-lettered. */
  readonly isReported: boolean;
  /**
   * Time of the newest event in the first batch settled since that is not older than the threshold; undefined while the silence
   * lasts.
   */
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
