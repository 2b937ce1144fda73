/**
 * A source in which no delivery was found: either nothing was delivered yet, or the location is wrong. Only the second is a
 * fault, because a location with other content will not receive deliveries by itself.
 */
import { AgentError } from '../model/agent-error.ts';
import { printable } from '../runtime/printable.ts';
import { deliveryNameEndings } from './layout.ts';
import type { NameSample } from './name-sample.ts';

/** How many names are checked before a location counts as one without deliveries. */
export const lookedAtMax = 10_000;

/** @param found names in the location; none when it is empty. @param suggestion a location that has deliveries. */
export function noDeliveries(where: string, found: NameSample, suggestion: string | undefined): AgentError {
  const advice = adviceFor(suggestion);
  if (found.count === 0) {
    return new AgentError('ERR_SOURCE_EMPTY', `There is nothing in ${printable(where)} yet`, {
      hint:
        advice ??
        'The first delivery can take some hours. If there was one, check the prefix in DATABRICKS_AUDIT_SOURCE.',
    });
  }
  const message = `Found no deliveries in ${printable(where)}, but ${found}`;
  const hint = advice ?? `${layoutHint} Deliveries end in ${deliveryNameEndings}.`;
  return new AgentError('ERR_SOURCE_NO_DELIVERIES', message, { hint });
}

/** The location is the key of an object, and nothing is below it. @param suggestion a location that has deliveries. */
export function isOneObject(where: string, suggestion: string | undefined): AgentError {
  return new AgentError('ERR_SOURCE_NO_DELIVERIES', `${printable(where)} is an object, and a source is a folder`, {
    hint: adviceFor(suggestion) ?? layoutHint,
  });
}

/** There is nothing in a location whose prefix has an empty segment, but there is beside it: a slash too many. */
export function isEmptySegment(where: string, suggestion: string): AgentError {
  const message = `There is nothing in ${printable(where)}, a prefix with an empty segment (//)`;
  return new AgentError('ERR_SOURCE_NO_DELIVERIES', message, { hint: adviceFor(suggestion) });
}

const layoutHint =
  'Set DATABRICKS_AUDIT_SOURCE to the folder that holds workspaceId=<id>/ or date=<yyyy-mm-dd>/: the delivery path prefix of the log delivery configuration.';

function adviceFor(suggestion: string | undefined): string | undefined {
  return suggestion === undefined ? undefined : `Try DATABRICKS_AUDIT_SOURCE=${printable(suggestion)}`;
}
