/**
 * Recognises text that is not JSON Lines, from the start of an object up to the end of its first JSON value. Such text is still
 * shipped, its lines as unparsed records, so that nothing is lost; this check lets the agent report the reason.
 */
import { AgentError } from '../model/agent-error.ts';

const character = {
  null: 0x00,
  tab: 0x09,
  lineFeed: 0x0a,
  carriageReturn: 0x0d,
  recordSeparator: 0x1e,
  space: 0x20,
  quote: 0x22,
  comma: 0x2c,
  openBracket: 0x5b,
  backslash: 0x5c,
  closeBracket: 0x5d,
  openBrace: 0x7b,
  closeBrace: 0x7d,
};
const byteOrderMark = [0xef, 0xbb, 0xbf];
const ignoredAtStart: readonly number[] = [
  character.null,
  character.tab,
  character.lineFeed,
  character.carriageReturn,
  character.space,
  ...byteOrderMark,
];
/** A longer first line is inconclusive. */
const lookedAtBytesMax = 1_048_576;

export class TextForm {
  #state: 'start' | 'inObject' | 'afterObject' | 'decided' = 'start';
  #depth = 0;
  #inString = false;
  #isEscaped = false;
  #lookedAtBytes = 0;
  #fault: AgentError | undefined;

  get isDecided(): boolean {
    return this.#state === 'decided';
  }

  /** The form, if it is not JSON Lines. */
  get fault(): AgentError | undefined {
    return this.#fault;
  }

  /** Takes the next bytes of the object. */
  push(chunk: Uint8Array): void {
    if (this.#lookedAtBytes === 0 && isTar(chunk)) this.#decide('a tar archive');
    this.#lookedAtBytes += chunk.length;
    for (const byte of chunk) {
      if (this.#state === 'decided') return;
      if (this.#state === 'inObject') this.#insideObject(byte);
      else if (this.#state === 'start') this.#atStart(byte);
      else this.#behindObject(byte);
    }
    if (this.#lookedAtBytes > lookedAtBytesMax) this.#decide(undefined);
  }

  #atStart(byte: number): void {
    if (ignoredAtStart.includes(byte)) return;
    if (byte === character.openBrace) {
      this.#state = 'inObject';
      this.#depth = 1;
    } else if (byte === character.openBracket) this.#decide('a JSON array');
    else if (byte === character.recordSeparator) this.#decide('a JSON text sequence (RFC 7464)');
    else this.#decide(undefined);
  }

  #insideObject(byte: number): void {
    if (this.#inString) {
      if (this.#isEscaped) this.#isEscaped = false;
      else if (byte === character.backslash) this.#isEscaped = true;
      else if (byte === character.quote) this.#inString = false;
      else if (byte === character.lineFeed) this.#decide(undefined); // Not JSON: a truncated line.
    } else if (byte === character.quote) this.#inString = true;
    else if (byte === character.openBrace || byte === character.openBracket) this.#depth++;
    else if (byte === character.closeBrace || byte === character.closeBracket) {
      if (--this.#depth === 0) this.#state = 'afterObject';
    } else if (byte === character.lineFeed) this.#decide('JSON that spans several lines (pretty-printed)');
  }

  #behindObject(byte: number): void {
    if (byte === character.openBrace) this.#decide('JSON with several objects on one line');
    else if (byte === character.comma) this.#decide('JSON objects separated by commas');
    else if (byte !== character.space && byte !== character.tab && byte !== character.carriageReturn) {
      this.#decide(undefined);
    }
  }

  #decide(form: string | undefined): void {
    this.#state = 'decided';
    if (form === undefined) return;
    const message = `The object is ${form}, not one JSON object per line: lines that are not an object were shipped as unparsed records`;
    this.#fault = new AgentError('ERR_OBJECT_FORMAT', message, {
      hint: "Deliver one JSON object per line, without commas around it: jq -c '.[]' for an array, jq -c . for the rest.",
    });
  }
}

/** The magic of POSIX and GNU tar is in the header of the first member, which arrives in one chunk. */
function isTar(chunk: Uint8Array): boolean {
  return Buffer.from(chunk.subarray(257, 262)).toString('latin1') === 'ustar';
}
