/**
 * `npm run bench`: how fast the agent and its parts are beside JSON.parse and beside the OpenTelemetry Collector, and what it
 * takes of memory and disk. docs/performance.md says what each row means.
 *
 *     npm run bench                          all of it, more than half an hour
 *     npm run bench -- --only whole          one section; may be given several times
 *     npm run bench -- --quick               one round, and without the gigabyte
 *     npm run bench -- --lines 20000         smaller deliveries
 *     npm run bench -- --json bench.json     all figures, for a machine and for test/bench/write-tables.ts
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { bundle } from '../../scripts/bundle.ts';
import { canMeasureProcesses } from './child.ts';
import { measureIdle } from './idle.ts';
import { measureMapping } from './mapping.ts';
import { measureMemory } from './memory.ts';
import { measureOverwrites } from './overwrite.ts';
import { measureParts } from './parts.ts';
import { measurePolls } from './polls.ts';
import { printTable, type Table } from './report.ts';
import { measureState } from './state.ts';
import { measureWholeAgent } from './whole-agent.ts';
import { measureWorkers } from './workers.ts';
import { Workshop } from './workshop.ts';

type Section = (workshop: Workshop) => readonly Table[] | Promise<readonly Table[]>;

const sections: Readonly<Record<string, Section>> = {
  mapping: measureMapping,
  whole: measureWholeAgent,
  parts: measureParts,
  workers: measureWorkers,
  overwrite: measureOverwrites,
  polls: measurePolls,
  memory: measureMemory,
  idle: measureIdle,
  state: measureState,
};

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: Object.keys(sections) },
    lines: { type: 'string', default: '300000' },
    rounds: { type: 'string' },
    'state-objects': { type: 'string', default: '1000000' },
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});

const sizes = {
  lineCount: Number(values.lines),
  rounds: Number(values.rounds ?? (values.quick ? 1 : 3)),
  stateObjectCount: Number(values['state-objects']),
  objectMegabytes: values.quick ? [1, 100] : [1, 100, 1_000],
};
const workshop = new Workshop(sizes);
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    workshop.remove();
    process.exit(1);
  });
}
await bundle('dist/bench', { 'measured-ship': 'test/bench/measured-ship.ts', cli: 'src/cli.ts' });
const tables: Table[] = [];
try {
  for (const name of values.only) {
    for (const table of await sectionOf(name)(workshop)) {
      tables.push(table);
      printTable(table);
    }
  }
} finally {
  workshop.remove();
}
if (values.json !== undefined) {
  const { node } = process.versions;
  writeFileSync(values.json, `${JSON.stringify({ node, sizes, tables }, undefined, 2)}\n`);
}

function sectionOf(name: string): Section {
  const section = sections[name];
  if (section === undefined) throw new Error(`no section "${name}"; there are ${Object.keys(sections).join(', ')}`);
  if (name !== 'parts' && name !== 'mapping' && !canMeasureProcesses)
    throw new Error(`"${name}" needs Linux: only --only mapping and --only parts run elsewhere`);
  return section;
}
