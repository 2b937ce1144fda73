/**
 * Makes text from a server response fit for one of our messages.
 */
import { printable } from '../runtime/printable.ts';

/** Returns one line: white space is collapsed, and invisible characters are escaped as `\u{...}`. */
export function readableText(text: string, lengthMax = 500): string {
  return printable(text.toWellFormed().replaceAll(/\s+/g, ' ').trim(), lengthMax);
}
