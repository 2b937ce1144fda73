// Maps the bytes of a line to its log record: scan (record.ts), compose (compose.ts), and render as JSON if asked to (json.ts).
import { composeRecord, composeUnparsed, resetResource } from './compose';
import { setOccurrence } from './conversions';
import { renderJson } from './json';
import { resetKeys } from './keys';
import { Answer, answered, bodyAt, clearOverflow, hasOverflowed, lineAt } from './layout';
import { readLine, readNormalisedLine, readNothing } from './record';

export { setObservedTime } from './compose';
export { answersAt, layOutBuffers, programAt } from './layout';

/** Returned instead of a timestamp: the host must parse the line, which is irregular, not a JSON object, or contains something to redact. */
const needsParsing: f64 = -1;
/** Returned instead of a timestamp: a buffer is too small for the record. */
const overflowed: f64 = -2;

let writesJson: bool = false;

/** Whether the records that follow are OTLP/JSON instead of protobuf. */
export function setJson(isJson: bool): void {
  writesJson = isJson;
}

/** Call after `layOutBuffers`, once the memory is large enough. False if the keys of the mapping do not fit. */
export function resetBuffers(): bool {
  clearOverflow();
  resetKeys();
  resetResource();
  return !hasOverflowed();
}

/** Maps the line as delivered. @returns the timestamp of the record, 0 without one, or one of the above. */
export function mapLine(size: usize, occurrence: u32): f64 {
  start(occurrence);
  if (!readLine(size)) return hasOverflowed() ? overflowed : needsParsing;
  return finish(composeRecord(lineAt, size));
}

/** Maps JSON that the host has normalised. */
export function mapNormalised(size: usize, bodySize: usize, occurrence: u32): f64 {
  start(occurrence);
  if (!readNormalisedLine(size)) return hasOverflowed() ? overflowed : needsParsing;
  return finish(composeRecord(bodyAt, bodySize));
}

/** Maps a line that is not a record. */
export function mapUnparsed(bodySize: usize, reason: usize, occurrence: u32): f64 {
  start(occurrence);
  readNothing();
  composeUnparsed(reason, bodyAt, bodySize);
  return finish(0);
}

function start(occurrence: u32): void {
  clearOverflow();
  setOccurrence(occurrence);
}

function finish(timeMs: f64): f64 {
  if (writesJson && !hasOverflowed()) renderJson(answered(Answer.RecordStart), answered(Answer.RecordEnd));
  return hasOverflowed() ? overflowed : timeMs;
}
