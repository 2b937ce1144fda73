// Reads a record: the line, then the texts in it that contain JSON, as Azure writes objects. Decides whether the line is usual, or has to be
// parsed, redacted and written anew by the agent first.

import { hadLoneSurrogate } from './escapes';
import { findService, hasServiceRules, serviceEnd, serviceStart } from './facts';
import { changesText, isUtf8, tidyText } from './host';
import { areKeysMany, forgetKeys } from './keys';
import { Header, header, isShortOfRoom, lineAt, pendingAt, pendingSize, tapeAt } from './memory';
import * as scan from './scan';
import { clearSlots, clearSlotsBetween } from './slots';
import * as tape from './tape';

/** Of containers in each other. No real record comes near. */
const depthMax: i32 = 32;
/** Of JSON in texts of JSON: redaction replaces what is deeper. */
const inspectedLevelsMax: u32 = 4;
/** JSON that the agent wrote ends here. */
const tidyDepthMax: i32 = 65;

function startRecord(): void {
  if (scan.restart() || areKeysMany()) forgetKeys();
  clearSlots();
  tape.clearTape();
}

/** Nothing to read: the line is no record. */
export function readNothing(): void {
  startRecord();
}

/** Reads the line as it was delivered. False for one that is no JSON, is odd, or contains something to redact. */
export function readLine(size: usize): bool {
  startRecord();
  const redacts = header(Header.Redacts) !== 0;
  scan.setChecks(true, redacts);
  const isJson = scan.scanText(lineAt, lineAt + size, header(Header.RootStep), depthMax, 0);
  if (!isJson || scan.hasSensitiveKey || tape.kindOf(tapeAt) !== tape.Kind.Object) return false;
  if (!scan.isAscii && !isUtf8(lineAt, size)) return false;
  const asksForService = scan.hasKeyOfService;
  const suspectsEnd = readTexts(redacts);
  if (asksForService) {
    findService();
    if (hasServiceRules()) return false;
  }
  return suspectsEnd === pendingAt || !changesAny(suspectsEnd);
}

/** Reads the line as the agent wrote it anew. */
export function readTidied(size: usize): bool {
  startRecord();
  scan.setChecks(false, false);
  const isJson = scan.scanText(lineAt, lineAt + size, header(Header.RootStep), tidyDepthMax, 0);
  readTexts(false);
  return isJson;
}

/**
 * Reads all listed texts, and the texts in those.
 * @returns the end of the list as it is then: of those that redaction may change.
 */
function readTexts(suspects: bool): usize {
  const first = scan.pendingEnd;
  let suspectsEnd = pendingAt;
  for (let text = pendingAt; text < first && !isShortOfRoom(); text += pendingSize) {
    const entry = load<u32>(text, scan.pendingEntry);
    let isSuspect = readText(text, depthMax, suspects);
    for (let inner = first; inner < scan.pendingEnd && !isShortOfRoom(); inner += pendingSize) {
      if (readText(inner, min(load<i32>(inner, scan.pendingDepth), depthMax), suspects)) isSuspect = true;
    }
    scan.setPendingEnd(first);
    if (!isSuspect) continue;
    store<u32>(suspectsEnd, entry, scan.pendingEntry);
    suspectsEnd += pendingSize;
  }
  return suspectsEnd;
}

/** @returns true when redaction may change the text. */
function readText(pending: usize, depth: i32, suspects: bool): bool {
  const entry: usize = load<u32>(pending, scan.pendingEntry);
  const step: usize = load<u32>(pending, scan.pendingStep);
  const level = load<u32>(pending, scan.pendingLevel);
  const start = tape.plainStart(entry);
  if (start === 0) return true;
  // Half a surrogate pair becomes U+FFFD, which must not make two keys equal.
  const isUnicode = !hadLoneSurrogate;
  const end = tape.plainEnd(entry);
  const root = tape.tapeEnd;
  const listEnd = scan.pendingEnd;
  scan.setChecks(true, suspects);
  const isJson = scan.scanText(start, end, step, depth, level);
  if (isJson && isUnicode) {
    if (tape.kindOf(root) === tape.Kind.Object) tape.setNextOf(entry, root);
    return suspects && (scan.hasSensitiveKey || scan.hasKeyOfService || level > inspectedLevelsMax);
  }
  const needsParsing = scan.isOdd || isJson;
  // What it seemed to contain before it turned out to be no JSON does not count.
  scan.setPendingEnd(listEnd);
  if (step !== 0) {
    clearSlotsBetween(load<u32>(step, scan.stepSlot) + 4, load<u32>(step, scan.stepSlotsEnd));
    if (needsParsing) readOddText(entry, step, level);
  }
  return suspects && (needsParsing || level > inspectedLevelsMax || scan.mayHoldKey(start, end));
}

/** By way of JSON.parse. */
function readOddText(entry: usize, step: usize, level: u32): void {
  const to = tape.takeScratch(0);
  if (to === 0) return;
  const size = tidyText(tape.startOf(entry), tape.endOf(entry), to, tape.scratchLeft());
  if (size === 0 || tape.takeScratch(size) === 0) return;
  tape.endScratch(to + size);
  const root = tape.tapeEnd;
  scan.setChecks(false, false);
  if (scan.scanText(to, to + size, step, tidyDepthMax, level)) tape.setNextOf(entry, root);
}

function changesAny(suspectsEnd: usize): bool {
  findService();
  for (let text = pendingAt; text < suspectsEnd; text += pendingSize) {
    const entry: usize = load<u32>(text, scan.pendingEntry);
    if (changesText(tape.startOf(entry), tape.endOf(entry), serviceStart, serviceEnd)) return true;
  }
  return false;
}
