// Reads a record: the line, then the texts in it that contain JSON, as Azure writes objects. Decides whether the line is usual, or has to be
// parsed, redacted and written anew by the agent first.

import { hadLoneSurrogate } from './escapes';
import { findService, hasServiceRules, serviceEnd, serviceStart } from './facts';
import { changesText, isUtf8, tidyText } from './host';
import { areKeysMany, forgetKeys } from './keys';
import { Header, header, isShortOfRoom, lineAt, pendingAt, pendingSize, tapeAt } from './memory';
import {
  areSerialsUsedUp,
  clearPending,
  hasKeyOfService,
  hasSensitiveKey,
  isAscii,
  isOdd,
  mayHoldKey,
  pendingDepth,
  pendingEnd,
  pendingEntry,
  pendingLevel,
  pendingStep,
  restartSerials,
  scanText,
  setChecks,
  setPendingEnd,
  stepSlot,
  stepSlotsEnd,
} from './scan';
import { clearSlots, clearSlotsBetween } from './slots';
import {
  clearTape,
  endOf,
  endScratch,
  Kind,
  kindOf,
  plainEnd,
  plainStart,
  scratchLeft,
  setNextOf,
  startOf,
  takeScratch,
  tapeEnd,
} from './tape';

/** Of containers in each other. No real record comes near. */
const depthMax: i32 = 32;
/** Of JSON in texts of JSON: redaction replaces what is deeper. */
const inspectedLevelsMax: u32 = 4;
/** JSON that the agent wrote ends here. */
const tidyDepthMax: i32 = 65;

function startRecord(): void {
  if (areSerialsUsedUp()) {
    restartSerials();
    forgetKeys();
  } else if (areKeysMany()) {
    forgetKeys();
  }
  clearSlots();
  clearTape();
  clearPending();
}

/** Nothing to read: the line is no record. */
export function readNothing(): void {
  startRecord();
}

/** Reads the line as it was delivered. False for one that is no JSON, is odd, or contains something to redact. */
export function readLine(size: usize): bool {
  startRecord();
  const redacts = header(Header.Redacts) !== 0;
  setChecks(true, redacts);
  const isJson = scanText(lineAt, lineAt + size, header(Header.RootStep), depthMax, 0);
  if (!isJson || hasSensitiveKey || kindOf(tapeAt) !== Kind.Object) return false;
  if (!isAscii && !isUtf8(lineAt, size)) return false;
  const asksForService = hasKeyOfService;
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
  setChecks(false, false);
  const isJson = scanText(lineAt, lineAt + size, header(Header.RootStep), tidyDepthMax, 0);
  readTexts(false);
  return isJson;
}

/**
 * Reads all listed texts, and the texts in those.
 * @returns the end of the list as it is then: of those that redaction may change.
 */
function readTexts(suspects: bool): usize {
  const first = pendingEnd;
  let suspectsEnd = pendingAt;
  for (let text = pendingAt; text < first && !isShortOfRoom(); text += pendingSize) {
    const entry = load<u32>(text, pendingEntry);
    let isSuspect = readText(text, depthMax, suspects);
    for (let inner = first; inner < pendingEnd && !isShortOfRoom(); inner += pendingSize) {
      if (readText(inner, min(load<i32>(inner, pendingDepth), depthMax), suspects)) isSuspect = true;
    }
    setPendingEnd(first);
    if (!isSuspect) continue;
    store<u32>(suspectsEnd, entry, pendingEntry);
    suspectsEnd += pendingSize;
  }
  return suspectsEnd;
}

/** @returns true when redaction may change the text. */
function readText(pending: usize, depth: i32, suspects: bool): bool {
  const entry: usize = load<u32>(pending, pendingEntry);
  const step: usize = load<u32>(pending, pendingStep);
  const level = load<u32>(pending, pendingLevel);
  const start = plainStart(entry);
  if (start === 0) return true;
  // Half a surrogate pair becomes U+FFFD, which must not make two keys equal.
  const isUnicode = !hadLoneSurrogate;
  const end = plainEnd(entry);
  const root = tapeEnd;
  const listEnd = pendingEnd;
  setChecks(true, suspects);
  const isJson = scanText(start, end, step, depth, level);
  if (isJson && isUnicode) {
    if (kindOf(root) === Kind.Object) setNextOf(entry, root);
    return suspects && (hasSensitiveKey || hasKeyOfService || level > inspectedLevelsMax);
  }
  const needsParsing = isOdd || isJson;
  // What it seemed to contain before it turned out to be no JSON does not count.
  setPendingEnd(listEnd);
  if (step !== 0) {
    clearSlotsBetween(load<u32>(step, stepSlot) + 4, load<u32>(step, stepSlotsEnd));
    if (needsParsing) readOddText(entry, step, level);
  }
  return suspects && (needsParsing || level > inspectedLevelsMax || mayHoldKey(start, end));
}

/** By way of JSON.parse. */
function readOddText(entry: usize, step: usize, level: u32): void {
  const to = takeScratch(0);
  if (to === 0) return;
  const size = tidyText(startOf(entry), endOf(entry), to, scratchLeft());
  if (size === 0 || takeScratch(size) === 0) return;
  endScratch(to + size);
  const root = tapeEnd;
  setChecks(false, false);
  if (scanText(to, to + size, step, tidyDepthMax, level)) setNextOf(entry, root);
}

function changesAny(suspectsEnd: usize): bool {
  findService();
  for (let text = pendingAt; text < suspectsEnd; text += pendingSize) {
    const entry: usize = load<u32>(text, pendingEntry);
    if (changesText(startOf(entry), endOf(entry), serviceStart, serviceEnd)) return true;
  }
  return false;
}
