// Scans a record: the line, then the strings in it that embed JSON, as Azure writes objects. Decides whether the kernel can map the line as it
// is, or the host must parse, redact and normalise it first.
import { hadLoneSurrogate } from './escapes';
import { findService, hasServiceRules, serviceEnd, serviceStart } from './facts';
import { changesString, isUtf8, normaliseString } from './host';
import { isNearlyFull, resetKeys } from './keys';
import { Header, hasOverflowed, header, lineAt, pendingAt, pendingSize, tapeAt } from './layout';
import * as scan from './scan';
import { clearSlots, clearSlotsBetween } from './slots';
import * as tape from './tape';
import * as tokens from './tokens';

/** Of nested containers. No real record comes close. */
const depthMax: i32 = 32;
/** Of JSON embedded in strings of JSON; redaction replaces anything deeper. */
const inspectedLevelsMax: u32 = 4;
/** The host does not write deeper JSON. */
const normalisedDepthMax: i32 = 65;

function startRecord(): void {
  if (scan.restart() || isNearlyFull()) resetKeys();
  clearSlots();
  tape.clearTape();
}

/** For a line that is not a record. */
export function readNothing(): void {
  startRecord();
}

/** Scans the line as delivered. False if the host must parse it: it is not a JSON object, is irregular, or contains something to redact. */
export function readLine(size: usize): bool {
  startRecord();
  const redacts = header(Header.Redacts) !== 0;
  scan.setChecks(true, redacts);
  const isJson = scan.scanJson(lineAt, lineAt + size, header(Header.RootStep), depthMax, 0);
  if (!isJson || scan.hasSensitiveKey || tape.kindOf(tapeAt) !== tape.Kind.Object) return false;
  if (!tokens.isAscii && !isUtf8(lineAt, size)) return false;
  const asksForService = scan.hasKeyOfService;
  const suspectsEnd = readEmbedded(redacts);
  if (asksForService) {
    findService();
    if (hasServiceRules()) return false;
  }
  return suspectsEnd === pendingAt || !changesAny(suspectsEnd);
}

/** Scans JSON that the host has normalised. */
export function readNormalisedLine(size: usize): bool {
  startRecord();
  scan.setChecks(false, false);
  const isJson = scan.scanJson(lineAt, lineAt + size, header(Header.RootStep), normalisedDepthMax, 0);
  readEmbedded(false);
  return isJson;
}

/**
 * Scans all listed strings, and the strings embedded in them.
 * @returns the end of the list, which then holds the strings that redaction may change.
 */
function readEmbedded(suspects: bool): usize {
  const first = scan.pendingEnd;
  let suspectsEnd = pendingAt;
  for (let text = pendingAt; text < first && !hasOverflowed(); text += pendingSize) {
    const entry = load<u32>(text, scan.pendingEntry);
    let isSuspect = readEmbeddedIn(text, depthMax, suspects);
    for (let inner = first; inner < scan.pendingEnd && !hasOverflowed(); inner += pendingSize) {
      if (readEmbeddedIn(inner, min(load<i32>(inner, scan.pendingDepth), depthMax), suspects)) isSuspect = true;
    }
    scan.setPendingEnd(first);
    if (!isSuspect) continue;
    store<u32>(suspectsEnd, entry, scan.pendingEntry);
    suspectsEnd += pendingSize;
  }
  return suspectsEnd;
}

/** @returns true if redaction may change the string. */
function readEmbeddedIn(pending: usize, depth: i32, suspects: bool): bool {
  const entry: usize = load<u32>(pending, scan.pendingEntry);
  const step: usize = load<u32>(pending, scan.pendingStep);
  const level = load<u32>(pending, scan.pendingLevel);
  const start = tape.plainStart(entry);
  if (start === 0) return true;
  // Lone surrogates become U+FFFD, which must not turn different keys into duplicates.
  const isUnicode = !hadLoneSurrogate;
  const end = tape.plainEnd(entry);
  const root = tape.tapeEnd;
  const listEnd = scan.pendingEnd;
  scan.setChecks(true, suspects);
  const isJson = scan.scanJson(start, end, step, depth, level);
  if (isJson && isUnicode) {
    if (tape.kindOf(root) === tape.Kind.Object) tape.setEmbedded(entry, root);
    return suspects && (scan.hasSensitiveKey || scan.hasKeyOfService || level > inspectedLevelsMax);
  }
  const needsParsing = scan.needsParser || isJson;
  // Discard what was found before the string turned out not to be JSON.
  scan.setPendingEnd(listEnd);
  if (step !== 0) {
    clearSlotsBetween(load<u32>(step, scan.stepSlot) + 4, load<u32>(step, scan.stepSlotsEnd));
    if (needsParsing) readNormalised(entry, step, level);
  }
  return suspects && (needsParsing || level > inspectedLevelsMax || tokens.mayContainKey(start, end));
}

/** Has the host parse and normalise the embedded JSON. */
function readNormalised(entry: usize, step: usize, level: u32): void {
  const to = tape.takeScratch(0);
  if (to === 0) return;
  const size = normaliseString(tape.startOf(entry), tape.endOf(entry), to, tape.scratchLeft());
  if (size === 0 || tape.takeScratch(size) === 0) return;
  tape.endScratch(to + size);
  const root = tape.tapeEnd;
  scan.setChecks(false, false);
  if (scan.scanJson(to, to + size, step, normalisedDepthMax, level)) tape.setEmbedded(entry, root);
}

function changesAny(suspectsEnd: usize): bool {
  findService();
  for (let text = pendingAt; text < suspectsEnd; text += pendingSize) {
    const entry: usize = load<u32>(text, scan.pendingEntry);
    if (changesString(tape.startOf(entry), tape.endOf(entry), serviceStart, serviceEnd)) return true;
  }
  return false;
}
