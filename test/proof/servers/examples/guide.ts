/**
 * The commands in a guide in docs/.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('../../../../', import.meta.url);

/** The commands of all shell blocks; a command may span several lines. */
export function commandsOf(guide: string): string[] {
  const blocks = blocksOf(guide, 'sh').map((block) => block.replaceAll('\\\n', ' '));
  const lines = blocks.flatMap((block) => block.split('\n'));
  return lines.map((line) => line.replaceAll(/\s+/g, ' ').trim()).filter((line) => line !== '');
}

/** The lines of all blocks in a language. */
export function linesOf(guide: string, language: string): string[] {
  return blocksOf(guide, language).flatMap((block) => block.split('\n').filter((line) => line !== ''));
}

/** Runs a command of a guide unchanged, except for the address. */
export function runCommand(command: string, folder: string, from: string, to: string): string {
  if (!command.includes(from)) throw new Error(`${command} does not hold ${from}`);
  const cwd = fileURLToPath(new URL(folder, root));
  return execFileSync('bash', ['-c', command.replaceAll(from, to)], { cwd, encoding: 'utf8', stdio: 'pipe' });
}

/** The blocks in a language, such as `yaml`. */
export function blocksOf(guide: string, language: string): string[] {
  const text = readFileSync(new URL(`docs/${guide}.md`, root), 'utf8');
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(([, block = '']) => block);
}
