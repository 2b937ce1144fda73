/**
 * What the kernel does for the attributes of a record, as instructions in its memory.
 */
import type { Kernel } from './kernel.ts';

/** What composes one attribute, or some that are derived from the same values. Entries are those of the record. */
export type Instruction =
  /** Copies a text that is not longer than so many bytes. */
  | { readonly does: 'copyText'; readonly entry: number; readonly key: string; readonly bytesMax: number }
  /** The same for a text with escapes, as what it means. */
  | { readonly does: 'copyEscapedText'; readonly entry: number; readonly key: string; readonly bytesMax: number }
  /** Copies the digest of the line, when it is to be copied. */
  | { readonly does: 'copyDigest'; readonly key: string }
  /** Copies what was kept for the values. */
  | { readonly does: 'copyDerived'; readonly cells: number; readonly first: number; readonly second: number }
  /** Copies an object as a map, when nothing of it has to be left out. */
  | { readonly does: 'copyMap'; readonly entry: number; readonly key: string; readonly limits: CopiedMapLimits }
  /** Leaves the step to the caller. */
  | { readonly does: 'leave' };

export interface CopiedMapLimits {
  /** Of the object as it stands in the record. */
  readonly jsonBytesMax: number;
  readonly leavesMax: number;
  readonly depthMax: number;
}

/** The numbers of assembly/compose.ts; 0 is the end. */
const codes = { copyText: 1, copyDerived: 2, copyMap: 3, copyEscapedText: 4, copyDigest: 5, leave: 6 } as const;
const wordsOfInstruction = 8;
const bytesOfInstruction = wordsOfInstruction * 4;
/** The kernel has room for twice as much. */
const copiedBytesMax = 65_536;
const copiedJsonBytesMax = 32_768;

export class Program {
  readonly kernel: Kernel;
  /** Its first instruction. */
  readonly first: number;

  private constructor(kernel: Kernel, first: number) {
    this.kernel = kernel;
    this.first = first;
  }

  /** @returns undefined when there is no room in the kernel. */
  static write(kernel: Kernel, instructions: readonly Instruction[]): Program | undefined {
    const words = new Int32Array((instructions.length + 1) * wordsOfInstruction);
    for (const [index, instruction] of instructions.entries()) {
      const encoded = encode(kernel, instruction);
      if (encoded === undefined) return undefined;
      words.set([codes[instruction.does], ...encoded], index * wordsOfInstruction);
    }
    const first = kernel.addProgram(words);
    return first === undefined ? undefined : new Program(kernel, first);
  }

  /** Which of the instructions it is, from 0. */
  indexOf(instruction: number): number {
    return (instruction - this.first) / bytesOfInstruction;
  }

  /** The one behind it. */
  next(instruction: number): number {
    return instruction + bytesOfInstruction;
  }
}

function encode(kernel: Kernel, instruction: Instruction): readonly number[] | undefined {
  switch (instruction.does) {
    case 'leave':
      return [];
    case 'copyDerived':
      return [instruction.cells, instruction.first, instruction.second];
    case 'copyDigest':
      return withKey(kernel, 0, instruction.key, []);
    case 'copyEscapedText':
    case 'copyText': {
      const { entry, key, bytesMax } = instruction;
      return withKey(kernel, entry, key, [Math.min(bytesMax, copiedBytesMax)]);
    }
    case 'copyMap': {
      const { entry, key, limits } = instruction;
      const jsonBytesMax = Math.min(limits.jsonBytesMax, copiedJsonBytesMax);
      return withKey(kernel, entry, key, [jsonBytesMax, limits.leavesMax, limits.depthMax]);
    }
  }
}

function withKey(kernel: Kernel, entry: number, key: string, others: readonly number[]): number[] | undefined {
  const at = kernel.textAt(key);
  return at === undefined ? undefined : [entry, at, Buffer.byteLength(key), ...others];
}
