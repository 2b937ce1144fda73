/**
 * What a server answered, made fit for a message of ours.
 */
import { printable } from '../runtime/printable.ts';

/** On one line: white space becomes one space, characters that nobody sees become `\u{...}`. */
export function readableText(text: string, lengthMax = 500): string {
  return printable(text.toWellFormed().replaceAll(/\s+/g, ' ').trim(), lengthMax);
}
