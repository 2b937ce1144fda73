/**
 * An object of which no line could be parsed is probably not what Databricks delivered.
 */
import { AgentError } from '../model/agent-error.ts';
import { counted } from '../runtime/counted.ts';

export function unparsedObject({
  lineCount,
  reason,
}: {
  readonly lineCount: number;
  readonly reason: string;
}): AgentError {
  return new AgentError('ERR_OBJECT_UNPARSED', `None of ${counted(lineCount, 'line')} could be parsed: ${reason}`, {
    hint: 'The lines were shipped as they are, marked as unparsed. Compare the object with what Databricks delivers: one JSON record a line, in UTF-8, plain or compressed once.',
  });
}
