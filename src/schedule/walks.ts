/**
 * How far the walks of a lane have come: for each workspace, the date that is being shipped, and if the walk ships anything now or
 * only waits for another visit. Notifications are received while no walk ships. Objects of a later date than a walk has reached are not
 * visited, so that the dates of a workspace are shipped in order however an object was found.
 */
export class Walks {
  readonly #walks = new Map<string | undefined, Walk>();

  /** Until it has reached a date, the walk before it counts. */
  begin(workspaceId: string | undefined): Walk {
    const walk = new Walk(this.#walks.get(workspaceId)?.date);
    this.#walks.set(workspaceId, walk);
    return walk;
  }

  /** Resolves when each walk that ships now has ended or waits for another visit. */
  async pausedOrEnded(): Promise<void> {
    await Promise.all([...this.#walks.values()].map(({ shipping }) => shipping));
  }

  /** True if an earlier date of the workspace is being shipped, here or elsewhere. */
  isBefore({ workspaceId, date }: { readonly workspaceId?: string | undefined; readonly date?: string | undefined }) {
    const reached = this.#walks.get(workspaceId)?.date;
    return reached !== undefined && date !== undefined && reached < date;
  }

  /** A complete listing did not show the other workspaces, so nothing of them is left that could be waited for. */
  keepOnly(isListed: (workspaceId: string | undefined) => boolean): void {
    for (const workspaceId of this.#walks.keys()) if (!isListed(workspaceId)) this.#walks.delete(workspaceId);
  }
}

/** A walk through one workspace; ships from the start on. */
export class Walk {
  #date: string | undefined;
  #shipping: PromiseWithResolvers<void> | undefined = Promise.withResolvers();

  constructor(date: string | undefined) {
    this.#date = date;
  }

  /** The date whose objects are visited now, or were not all settled in the end. */
  get date(): string | undefined {
    return this.#date;
  }

  get shipping(): Promise<void> | undefined {
    return this.#shipping?.promise;
  }

  reach(date: string | undefined): void {
    this.#date = date;
  }

  /** Call it when all that is left to do is to wait for other visits. */
  pause(): void {
    this.#shipping?.resolve();
    this.#shipping = undefined;
  }

  resume(): void {
    this.#shipping ??= Promise.withResolvers();
  }

  /** @param isDone false if an object of the date is still held elsewhere. */
  end(isDone: boolean): void {
    if (isDone) this.#date = undefined;
    this.pause();
  }
}
