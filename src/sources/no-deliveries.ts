/**
 * A source in which no delivery was found: either nothing was delivered yet, or the location is wrong. Only the second is a
 * failure, because a location that holds other things will not begin to hold deliveries by itself.
 */
import { AgentError } from '../model/agent-error.ts';
import { printable } from '../runtime/printable.ts';
import { isDeliveryName, readDate, readWorkspaceId } from './layout.ts';
import type { NameSample } from './name-sample.ts';

/** How much of a location is looked at before it counts as one without deliveries. */
export const lookedAtMax = 10_000;

/** A folder in which deliveries lie. */
export function isLayoutName(name: string): boolean {
  return readWorkspaceId(name) !== undefined || readDate(name) !== undefined;
}

/** @param segments of a path, from the location on: `workspaceId=<id>/date=<date>/<file>` or `date=<date>/<file>`. */
export function isDeliveryPath(segments: readonly string[]): boolean {
  const [first = '', second = ''] = segments;
  const date = readWorkspaceId(first) === undefined ? first : second;
  return readDate(date) !== undefined && isDeliveryName(segments.at(-1) ?? '');
}

/** @param found names in the location; none when it is empty. @param suggestion a location that has deliveries. */
export function noDeliveries(where: string, found: NameSample, suggestion: string | undefined): AgentError {
  const advice = suggestion === undefined ? undefined : `Try DATABRICKS_AUDIT_SOURCE=${printable(suggestion)}`;
  if (found.count === 0) {
    return new AgentError('ERR_SOURCE_EMPTY', `There is nothing in ${printable(where)} yet`, {
      hint:
        advice ??
        'The first delivery takes up to some hours; if there was one, check the prefix in DATABRICKS_AUDIT_SOURCE.',
    });
  }
  const message = `Found no deliveries in ${printable(where)}, but ${found}`;
  const hint =
    advice ??
    'Set DATABRICKS_AUDIT_SOURCE to the folder that holds workspaceId=<id>/ or date=<yyyy-mm-dd>/: the delivery path prefix of the log delivery configuration. Deliveries end in .json, .jsonl, .ndjson or .gz.';
  return new AgentError('ERR_SOURCE_NO_DELIVERIES', message, { hint });
}
