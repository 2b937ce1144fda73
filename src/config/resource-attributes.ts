/**
 * Parses `OTEL_RESOURCE_ATTRIBUTES` as the specification defines it (resource/sdk.md): comma-separated `name=value` pairs, with names
 * and values percent-decoded. The specification discards the whole value on any error; here the error is reported instead.
 */
import { bad, good, type Parsed } from '../runtime/variable.ts';

export function parseResourceAttributes(text: string): Parsed<Readonly<Record<string, string>>> {
  const attributes: [string, string][] = [];
  for (const pair of text.split(',')) {
    if (pair.trim() === '') continue;
    const separator = pair.indexOf('=');
    const name = decode(pair.slice(0, Math.max(0, separator)));
    const value = decode(pair.slice(separator + 1));
    if (name === undefined || name === '' || value === undefined) {
      return bad('expected name=value pairs separated by commas, percent-encoded (a comma is %2C, = is %3D, % is %25)');
    }
    attributes.push([name, value]);
  }
  return good(Object.fromEntries(attributes));
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text.trim());
  } catch {
    return undefined;
  }
}
