/**
 * The hot path of the mapping, in WebAssembly: reads a line onto a tape and composes the attributes of its record. Its source is in
 * assembly/, and docs/decisions says why it is not JavaScript. Its memory holds the line that was read last, so each mapper has a
 * kernel of its own.
 */
import { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { layOut, Tape, type TapeLayout } from './tape.ts';

/** In place of the number of a shape: no object in valid JSON, and a record whose shape is not kept. */
export const [noObject, unkeptShape] = [-1, 0];

/** In place of an entry, for what is derived: where the line comes from. */
export const originEntry = -1;

/** Lines are read onto one of two tapes: records, and the objects that stand in one of their texts. */
export type TapeName = 'record' | 'text';

interface KernelExports {
  readonly memory: WebAssembly.Memory;
  readonly scan: (line: number, sizeBytes: number, tape: number, depthMax: number) => number;
  readonly entriesOnTape: () => number;
  readonly wasAscii: () => number;
  readonly cellOf: (line: number, tape: number, cells: number, first: number, second: number) => number;
  readonly beginOrigin: () => void;
  readonly unescapeTo: (to: number, start: number, end: number) => number;
  readonly keepIn: (cell: number, sizeBytes: number) => number;
  readonly compose: (line: number, tape: number, instruction: number) => number;
  readonly composedEndAnswer: WebAssembly.Global;
  readonly missedCellAnswer: WebAssembly.Global;
  readonly digestAt: WebAssembly.Global;
  readonly cellsAt: WebAssembly.Global;
  readonly cellSize: WebAssembly.Global;
  readonly cellSlots: WebAssembly.Global;
  readonly derivationsMax: WebAssembly.Global;
  readonly composedAt: WebAssembly.Global;
  readonly programsAt: WebAssembly.Global;
  readonly programsSize: WebAssembly.Global;
  readonly layoutEnd: WebAssembly.Global;
}

const pageBytes = 65_536;
/** Long enough for nearly all lines; it grows. */
const initialLineBytes = 16_384;
/** The word of a cell that is 0 while it holds nothing. */
const partWord = 2;

let compiled: WebAssembly.Module | undefined;

export class Kernel {
  readonly #exports: KernelExports;
  readonly #composedAt: number;
  readonly #composedEndWord: number;
  readonly #missedCellWord: number;
  readonly #digestAt: number;
  readonly #cellSize: number;
  #bytes = Buffer.alloc(0);
  #words = new Int32Array(0);
  #layouts: Record<TapeName, TapeLayout>;
  #layoutsEnd: number;
  #derivationCount = 0;
  #programsEnd: number;
  #texts = new Map<string, number>();
  /** What was read last. */
  readonly record: Tape;
  readonly text: Tape;

  constructor() {
    compiled ??= new WebAssembly.Module(readFileSync(new URL('kernel.wasm', import.meta.url)));
    // What the module exports is compiled along with this file.
    this.#exports = new WebAssembly.Instance(compiled).exports as unknown as KernelExports;
    const { composedAt, composedEndAnswer, digestAt, missedCellAnswer, programsAt, layoutEnd } = this.#exports;
    this.#composedAt = composedAt.value;
    this.#composedEndWord = composedEndAnswer.value >> 2;
    this.#missedCellWord = missedCellAnswer.value >> 2;
    this.#digestAt = digestAt.value;
    this.#cellSize = this.#exports.cellSize.value;
    this.#programsEnd = programsAt.value;
    const record = layOut(layoutEnd.value, initialLineBytes);
    const text = layOut(record.endAt, initialLineBytes);
    this.#layouts = { record, text };
    this.#layoutsEnd = text.endAt;
    this.#reserve();
    this.record = new Tape(this.#exports.memory.buffer, record);
    this.text = new Tape(this.#exports.memory.buffer, text);
  }

  /**
   * Reads a line.
   * @param depthMax containers in each other.
   * @returns the number of the shape, or `noObject`, or `unkeptShape`.
   */
  scan(name: TapeName, line: Uint8Array, depthMax: number): number {
    if (line.length > this.#layouts[name].lineBytesMax) this.#makeRoom(name, line.length);
    this[name].bytes.set(line);
    const { lineAt, entriesAt } = this.#layouts[name];
    return this.#exports.scan(lineAt, line.length, entriesAt, depthMax);
  }

  /** Reads what stands with escapes in a text of the record onto the other tape; see `scan`. */
  scanInRecord(entry: number, depthMax: number): number {
    const [start, end] = [this.record.start(entry), this.record.end(entry)];
    if (end - start > this.#layouts.text.lineBytesMax) this.#makeRoom('text', end - start);
    const { record, text } = this.#layouts;
    const endOfText = this.#exports.unescapeTo(text.lineAt, record.lineAt + start, record.lineAt + end);
    return this.#exports.scan(text.lineAt, endOfText - text.lineAt, text.entriesAt, depthMax);
  }

  /**
   * What the next record says of its line.
   * @param isNewOrigin true when it comes from elsewhere than the one before.
   * @param digest undefined when it is not to be copied.
   */
  setLine(isNewOrigin: boolean, digest: string | undefined): void {
    if (isNewOrigin) this.#exports.beginOrigin();
    this.#words[this.#digestAt >> 2] =
      digest === undefined ? 0 : this.#bytes.write(digest, this.#digestAt + 16, 'latin1');
  }

  /** Of the last scan. */
  get entryCount(): number {
    return this.#exports.entriesOnTape();
  }

  /** False when the last scan met bytes that are not ASCII. */
  get wasAscii(): boolean {
    return this.#exports.wasAscii() !== 0;
  }

  /** Cells for a derivation; undefined when there are too many. */
  createCells(): number | undefined {
    const { cellsAt, cellSlots, derivationsMax } = this.#exports;
    if (this.#derivationCount === derivationsMax.value) return undefined;
    return cellsAt.value + this.#derivationCount++ * cellSlots.value * this.#cellSize;
  }

  /**
   * The cell for the values at two entries of the record.
   * @returns 0 when one of them is too long to be known.
   */
  cellOf(cells: number, first: number, second: number): number {
    const { lineAt, entriesAt } = this.#layouts.record;
    return this.#exports.cellOf(lineAt, entriesAt, cells, first, second);
  }

  /** Which of the cells it is. */
  cellIndex(cells: number, cell: number): number {
    return (cell - cells) / this.#cellSize;
  }

  /** True when something is held for the values of the cell. */
  isHeld(cell: number): boolean {
    return this.#words[(cell >> 2) + partWord] !== 0;
  }

  /** Whoever asks holds something for the cell from now on, elsewhere. */
  hold(cell: number): void {
    this.#words[(cell >> 2) + partWord] = 1;
  }

  /** Keeps what was written for the values of the cell, if they came before. */
  keep(cell: number, written: Uint8Array): void {
    const part = this.#exports.keepIn(cell, written.length);
    if (part !== 0) this.#bytes.set(written, part);
  }

  /** Forgets all programs. */
  clearPrograms(): void {
    this.#programsEnd = this.#exports.programsAt.value;
    this.#texts.clear();
  }

  /** Where the UTF-8 of the text is, for instructions; undefined when there is no room. */
  textAt(text: string): number | undefined {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    const bytes = Buffer.from(text);
    const at = this.#reserveProgram(bytes.length + 16);
    if (at === undefined) return undefined;
    this.#bytes.set(bytes, at);
    this.#texts.set(text, at);
    return at;
  }

  /** Where the program is; undefined when there is no room. */
  addProgram(words: Int32Array): number | undefined {
    const at = this.#reserveProgram(words.byteLength);
    if (at !== undefined) this.#words.set(words, at >> 2);
    return at;
  }

  /**
   * Composes attributes of the record from an instruction on; `composed` has them.
   * @returns the instruction that it leaves to the caller; 0 at the end of the program.
   */
  compose(instruction: number): number {
    const { lineAt, entriesAt } = this.#layouts.record;
    return this.#exports.compose(lineAt, entriesAt, instruction);
  }

  /** Copies what was composed last. Returns where it ends. */
  copyComposed(to: Buffer, at: number): number {
    return at + this.#bytes.copy(to, at, this.#composedAt, this.#words[this.#composedEndWord]);
  }

  get composedBytes(): number {
    return (this.#words[this.#composedEndWord] as number) - this.#composedAt;
  }

  /** The cell whose values the kernel knew nothing of at the instruction that it left; 0 without one. */
  get missedCell(): number {
    return this.#words[this.#missedCellWord] as number;
  }

  #reserveProgram(sizeBytes: number): number | undefined {
    const { programsAt, programsSize } = this.#exports;
    const at = this.#programsEnd;
    const end = at + Math.ceil(sizeBytes / 16) * 16;
    if (end > programsAt.value + programsSize.value) return undefined;
    this.#programsEnd = end;
    return at;
  }

  /** Lays the tape out anew, behind all others: lines are of bounded length, and so is what is left behind. */
  #makeRoom(name: TapeName, lineBytes: number): void {
    this.#layouts[name] = layOut(this.#layoutsEnd, lineBytes * 2);
    this.#layoutsEnd = this.#layouts[name].endAt;
    this.#reserve();
    this.record.moveTo(this.#exports.memory.buffer, this.#layouts.record);
    this.text.moveTo(this.#exports.memory.buffer, this.#layouts.text);
  }

  /** Makes the memory as large as the layouts are. Views of it are no good any more once it has grown. */
  #reserve(): void {
    const { memory } = this.#exports;
    const missingBytes = this.#layoutsEnd + pageBytes - memory.buffer.byteLength;
    if (missingBytes > 0) memory.grow(Math.ceil(missingBytes / pageBytes));
    this.#bytes = Buffer.from(memory.buffer);
    this.#words = new Int32Array(memory.buffer);
  }
}
