/**
 * Writes what `npm run bench -- --json <file>` measured into docs/performance.md:
 *
 *     node test/bench/write-tables.ts bench.json
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { type Table, writeTables } from './report.ts';

const document = new URL('../../docs/performance.md', import.meta.url);
const [path = 'bench.json'] = process.argv.slice(2);
const { tables } = JSON.parse(readFileSync(path, 'utf8')) as { readonly tables: readonly Table[] };
writeFileSync(document, writeTables(readFileSync(document, 'utf8'), tables));
