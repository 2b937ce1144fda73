/**
 * Formats that the agent does not read, recognised by their first bytes.
 */
import { AgentError } from '../model/agent-error.ts';

/** In hexadecimal. */
const formats: readonly (readonly [name: string, ...firstBytes: readonly string[]])[] = [
  ...Array.from({ length: 9 }, (_, index): [string, string, string] => {
    const header = `425a683${index + 1}`;
    return ['compressed with bzip2', `${header}314159265359`, `${header}177245385090`];
  }),
  ['compressed with xz', 'fd377a585a00'],
  ['compressed with LZ4', '04224d18'],
  ['compressed with Snappy', 'ff060000734e61507059'],
  ['compressed with compress (.Z)', '1f9d90'],
  ['a zip archive', '504b0304', '504b0506'],
  ['a 7z archive', '377abcaf271c'],
  ['a Parquet file', '50415231', '50415245'],
  ['an Avro file', '4f626a01'],
  ['an ORC file', '4f524308', '4f52430a', '4f524312'],
  ['an Arrow file', '4152524f57310000'],
];

/** The longest signature. */
export const formatBytesMax = 16;

/** Undefined if the object may consist of lines. */
export function unreadableFormat(firstBytes: Uint8Array): AgentError | undefined {
  const hex = Buffer.from(firstBytes.subarray(0, formatBytesMax)).toString('hex');
  const format = formats.find(([, ...magics]) => magics.some((magic) => hex.startsWith(magic)));
  return format && unreadable(format[0]);
}

export function tooManyLayers(layersMax: number): AgentError {
  return unreadable(`compressed more than ${layersMax} times`);
}

function unreadable(what: string): AgentError {
  return new AgentError('ERR_OBJECT_FORMAT', `The object is ${what} and cannot be read: none of it was shipped`, {
    hint: 'Deliver lines of JSON, plain or compressed with gzip or zstd.',
  });
}
