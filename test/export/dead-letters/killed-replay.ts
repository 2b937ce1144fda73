/**
 * A process that starts to replay the dead-letter file in its first argument, marks the dead letters in the other arguments as
 * done, one at a time, reports that and waits to be killed.
 */
import type { DeadLetterLine } from '../../../src/export/dead-letters/dead-letter-files.ts';
import { ReplayedFile } from '../../../src/export/dead-letters/replayed-file.ts';

const [path = '', ...indexes] = process.argv.slice(2);
const file = await ReplayedFile.open(path);
if (file === undefined || file === 'gone') throw new Error('the file is in use or gone');
const lines: DeadLetterLine[] = [];
for await (const line of file.lines()) lines.push(line);
for (const index of indexes) await file.markDone(lines.slice(Number(index), Number(index) + 1));
console.log('marked');
setInterval(() => {}, 1_000);
