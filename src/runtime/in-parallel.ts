/**
 * Works through items, several at a time.
 */

/**
 * Starts the work on the items in their order. After a failure, or when the signal aborts, no more is started, and what is under way is
 * told to stop by the signal that it was given. Settles when all of it has ended, and rejects with the first failure.
 */
export async function inParallel<Item>(
  items: Iterable<Item>,
  { parallelMax, signal }: { readonly parallelMax: number; readonly signal?: AbortSignal },
  work: (item: Item, stop: AbortSignal) => Promise<void>,
): Promise<void> {
  const failed = new AbortController();
  const stop = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]);
  const rest = [...items].values();
  const workThrough = async () => {
    for (const item of rest) {
      try {
        stop.throwIfAborted();
        await work(item, stop);
      } catch (error) {
        failed.abort(error);
      }
    }
  };
  await Promise.all(Array.from({ length: parallelMax }, workThrough));
  failed.signal.throwIfAborted();
}
