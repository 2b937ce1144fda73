/**
 * For each workspace, the time up to which everything that was delivered is settled. One that cannot be listed or shipped stays
 * behind alone: of the others it is known whether they are silent.
 */
import type { Source } from '../contracts/source.ts';

/** Undefined if that was never the case. */
export type CaughtUpToMs = (workspaceId: string | undefined) => number | undefined;

interface CaughtUpInSource {
  /** Workspaces that were not listed have nothing left since then. */
  listedAtMs: number | undefined;
  /** Those that were listed. What is in no folder of a workspace is under the empty name, whatever workspace it is of. */
  readonly workspaces: Map<string, number | undefined>;
}

export class CaughtUp {
  readonly #sources: ReadonlyMap<Source, CaughtUpInSource>;

  constructor(sources: readonly Source[]) {
    this.#sources = new Map(sources.map((source) => [source, { listedAtMs: undefined, workspaces: new Map() }]));
  }

  /** The listing that began at this time shows these workspaces, and no others. */
  listed(source: Source, names: ReadonlySet<string>, atMs: number): void {
    const known = this.#sources.get(source);
    if (known === undefined) return;
    known.listedAtMs = atMs;
    for (const name of known.workspaces.keys()) if (!names.has(name)) known.workspaces.delete(name);
    for (const name of names) if (!known.workspaces.has(name)) known.workspaces.set(name, undefined);
  }

  /** What the listing that began at this time shows of the workspace is settled. */
  shipped(source: Source, name: string, atMs: number): void {
    this.#sources.get(source)?.workspaces.set(name, atMs);
  }

  readonly toMs: CaughtUpToMs = (workspaceId = '') => {
    let toMs = Number.POSITIVE_INFINITY;
    for (const { listedAtMs, workspaces } of this.#sources.values()) {
      const names = [workspaceId, ''].filter((name) => workspaces.has(name));
      for (const atMs of names.length === 0 ? [listedAtMs] : names.map((name) => workspaces.get(name))) {
        if (atMs === undefined) return undefined;
        toMs = Math.min(toMs, atMs);
      }
    }
    return toMs;
  };
}
