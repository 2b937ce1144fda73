// From the bytes of a line to its log record: read (record.ts), then compose (compose.ts).
import { composeRecord, composeUnparsed, forgetResource } from './compose';
import { setOccurrence } from './conversions';
import { forgetKeys } from './keys';
import { bodyAt, isShortOfRoom, lineAt, startWithRoom } from './memory';
import { readLine, readNothing, readTidied } from './record';

export { setObservedTime } from './compose';
export { answersAt, layOutRooms, programAt } from './memory';

// In place of the time of a record.
/** The line has to be parsed by the agent: it is no JSON, odd, or contains something to redact. */
const needsParsing: f64 = -1;
/** The rooms are too small for the record. */
const needsRoom: f64 = -2;

/** After `layOutRooms`, and once the memory is large enough. False when the keys of the mapping do not fit. */
export function enterRooms(): bool {
  startWithRoom();
  forgetKeys();
  forgetResource();
  return !isShortOfRoom();
}

/** Maps the line as it was delivered. @returns the time of the record, 0 without one, or less when there is no record. */
export function mapLine(size: usize, occurrence: u32): f64 {
  start(occurrence);
  if (!readLine(size)) return isShortOfRoom() ? needsRoom : needsParsing;
  return finish(composeRecord(lineAt, size));
}

/** Maps the line as the agent wrote it anew. */
export function mapTidied(size: usize, bodySize: usize, occurrence: u32): f64 {
  start(occurrence);
  if (!readTidied(size)) return isShortOfRoom() ? needsRoom : needsParsing;
  return finish(composeRecord(bodyAt, bodySize));
}

/** Maps a line that is no record. */
export function mapUnparsed(bodySize: usize, reason: usize, occurrence: u32): f64 {
  start(occurrence);
  readNothing();
  composeUnparsed(reason, bodyAt, bodySize);
  return finish(0);
}

function start(occurrence: u32): void {
  startWithRoom();
  setOccurrence(occurrence);
}

function finish(timeMs: f64): f64 {
  return isShortOfRoom() ? needsRoom : timeMs;
}
