/**
 * Work that many ask for and that is done once at a time. Whoever asks while it is under way shares the next run, which sees everything
 * that happened before the question.
 */
export class SharedRuns<Result> {
  readonly #work: () => Promise<Result>;
  #turn: Promise<unknown> = Promise.resolve();
  /** Not begun yet. */
  #next: Promise<Result> | undefined;

  constructor(work: () => Promise<Result>) {
    this.#work = work;
  }

  /** Rejects with the error of the work. */
  run(): Promise<Result> {
    if (this.#next !== undefined) return this.#next;
    const next = this.#turn.then(() => {
      this.#next = undefined;
      return this.#work();
    });
    this.#next = next;
    this.#turn = next.catch(() => {});
    return next;
  }
}
