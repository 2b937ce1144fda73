/**
 * The error of a failed write to standard output.
 */
import { AgentError, messageOf } from '../model/agent-error.ts';

/** @param attempt what was tried, such as `write records`. */
export function outputError(attempt: string, cause: Error): AgentError {
  const hasNoReader = 'code' in cause && cause.code === 'EPIPE';
  return new AgentError('ERR_EXPORT_UNAVAILABLE', `Could not ${attempt} to standard output: ${messageOf(cause)}`, {
    cause,
    hint: hasNoReader
      ? 'The process that reads the output has probably exited. Restart both; the agent continues where it stopped.'
      : 'Free space where the output goes, or write it elsewhere.',
  });
}
