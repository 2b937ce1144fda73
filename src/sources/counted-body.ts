/**
 * The body of an object as it arrives.
 */
import type { AgentError } from '../model/agent-error.ts';

/**
 * Returns the number of bytes at the end.
 * @param describe the error of a body that breaks after so many bytes.
 */
export async function* countedBody(
  body: AsyncIterable<Uint8Array>,
  describe: (error: unknown, receivedBytes: number) => AgentError,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, number, undefined> {
  let receivedBytes = 0;
  try {
    for await (const chunk of body) {
      receivedBytes += chunk.length;
      yield chunk;
    }
  } catch (error) {
    signal.throwIfAborted();
    throw describe(error, receivedBytes);
  }
  return receivedBytes;
}
