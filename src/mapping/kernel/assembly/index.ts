// From the bytes of a line to its log record: read (record.ts), then compose (compose.ts).
import { composeRecord, composeUnparsed, forgetResource, setObserved, setProgram } from './compose';
import { setOccurrence } from './conversions';
import { setNames } from './distinct-names';
import { setFacts, setServices } from './facts';
import { setPrincipalTypes } from './identities';
import { forgetKeys, setKeys } from './keys';
import { bodyAt, isShortOfRoom, layOut, lineAt, lineMax, startWithRoom } from './memory';
import { readLine, readNothing, readTidied, setReading } from './record';
import { setSlots } from './slots';

export { hasNewResource, identityAt, identityEndsAt, recordEndsAt, recordStartsAt } from './compose';
export { programAt } from './memory';

// In place of the time of a record.
/** The line has to be parsed by the agent: it is no JSON, odd, or contains something to redact. */
const needsParsing: f64 = -1;
/** The rooms are too small for the record. */
const needsRoom: f64 = -2;

/** @param words at which the parts of the compiled program are, see program.ts. */
export function loadProgram(words: usize): void {
  setReading(load<u32>(words), load<u32>(words, 4) !== 0);
  setKeys(load<u32>(words, 8), load<u32>(words, 12));
  setSlots(load<u32>(words, 16), load<u32>(words, 20));
  setFacts(load<u32>(words, 24), load<u32>(words, 28));
  setServices(load<u32>(words, 32), load<u32>(words, 36), load<u32>(words, 40));
  setPrincipalTypes(load<u32>(words, 44));
  setNames(load<u32>(words, 48));
  setProgram(words + 52);
}

/** Returns where the rooms end; the agent grows the memory to that, and then calls `enterRooms`. */
export function layOutRooms(at: usize, lineBytesMax: usize): usize {
  return layOut(at, lineBytesMax);
}

/** False when the keys of the mapping do not fit. */
export function enterRooms(): bool {
  startWithRoom();
  forgetKeys();
  forgetResource();
  return !isShortOfRoom();
}

/** Where the agent writes the line, or the JSON that it made of it, and where the body when that is something else. */
export function lineStartsAt(): usize {
  return lineAt;
}

export function bodyStartsAt(): usize {
  return bodyAt;
}

/** Of the line and of the body. */
export function sizeMax(): usize {
  return lineMax;
}

/** What the records that follow have in common. */
export function setObservedTime(timeMs: f64): void {
  setObserved(timeMs);
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
  // What is no JSON here is a bug, or the tape ran full.
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
