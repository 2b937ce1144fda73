/**
 * The whole agent, from files to the answer of a receiver, with its durable state, beside the OpenTelemetry Collector on the same
 * files; the processor time is that of the whole process, its start included.
 */
import { isCollectorBuilt, runCollector } from './collector.ts';
import type { Compression } from './collector-configuration.ts';
import { type Contender, compareWithJsonParse } from './compare.ts';
import type { DeliveryName } from './deliveries.ts';
import type { Figures, Row, Table } from './report.ts';
import { ship } from './ship.ts';
import { manyObjects, type Workshop } from './workshop.ts';

interface Case {
  readonly name: string;
  readonly objectCount?: number;
  readonly compression?: Compression;
  readonly protocol?: 'http/json' | 'grpc';
  /** The Collectors to compare with. */
  readonly collectors: readonly ('memory' | 'durable')[];
}

const both = ['memory', 'durable'] as const;
const cases: readonly (readonly [DeliveryName, readonly Case[]])[] = [
  [
    'varied',
    [
      { name: 'varied', collectors: both },
      { name: 'varied, gzip', compression: 'gzip', collectors: both },
      { name: 'varied, zstd', compression: 'zstd', collectors: both },
      { name: 'varied, 3,000 objects', objectCount: manyObjects, collectors: both },
      { name: 'varied, `http/json`', protocol: 'http/json', collectors: [] },
      { name: 'varied, `grpc`', protocol: 'grpc', collectors: [] },
    ],
  ],
  ...(['nested', 'verbose', 'uniform'] as const).map((name): readonly [DeliveryName, readonly Case[]] => [
    name,
    [
      { name, collectors: ['memory'] },
      { name: `${name}, gzip`, compression: 'gzip', collectors: ['memory'] },
      { name: `${name}, zstd`, compression: 'zstd', collectors: ['memory'] },
    ],
  ]),
];

export async function measureWholeAgent(workshop: Workshop): Promise<readonly Table[]> {
  const hasCollector = isCollectorBuilt();
  if (!hasCollector) {
    console.log('\nNo Collector to compare with: node test/proof/servers/recipes.ts collector builds it, with Go.');
  }
  const rows: Row[] = [];
  for (const [delivery, casesOfDelivery] of cases) {
    const contenders = casesOfDelivery.flatMap((each) => [
      agent(workshop, delivery, each),
      ...(hasCollector ? each.collectors : []).map((kind) => collector(workshop, delivery, each, kind)),
    ]);
    const measured = await compareWithJsonParse(contenders, delivery, workshop.sizes.rounds);
    rows.push(...casesOfDelivery.map(({ name }) => ({ name, figures: besideCollector(name, measured) })));
  }
  const title = `Whole agent, ${workshop.sizes.lineCount.toLocaleString('en')} lines from files to accepted over HTTP`;
  return [{ name: 'whole', title, rows }];
}

function agent(workshop: Workshop, delivery: DeliveryName, { name, objectCount, ...job }: Case): Contender {
  const environment = {
    ...(job.compression === undefined ? {} : { OTEL_EXPORTER_OTLP_COMPRESSION: job.compression }),
    ...(job.protocol === undefined ? {} : { OTEL_EXPORTER_OTLP_PROTOCOL: job.protocol }),
  };
  return {
    name,
    async run() {
      const source = workshop.delivery(delivery, objectCount);
      const run = await ship({ source, state: workshop.newDirectory(), environment });
      if (run.linesAccepted !== workshop.lineCount(delivery)) throw new Error(`${run.linesAccepted} lines were sent`);
      return { ...run, lineCount: run.linesAccepted };
    },
  };
}

function collector(
  workshop: Workshop,
  delivery: DeliveryName,
  { name, objectCount, compression = 'none' }: Case,
  kind: 'memory' | 'durable',
): Contender {
  const isDurable = kind === 'durable';
  return {
    name: `${name}: Collector ${kind}`,
    run: () => runCollector(workshop, { delivery, objectCount, compression, isDurable }),
  };
}

function besideCollector(name: string, measured: readonly Row[]): Figures {
  const figuresOf = (row: string) => measured.find((each) => each.name === row)?.figures;
  const [own, memory, durable] = ['', ': Collector memory', ': Collector durable'].map((suffix) =>
    figuresOf(name + suffix),
  );
  const times = (other: Figures | undefined) =>
    own?.toJsonParse === undefined || other?.toJsonParse === undefined
      ? undefined
      : own.toJsonParse / other.toJsonParse;
  const figures = {
    ...own,
    collectorToJsonParse: memory?.toJsonParse,
    collectorPeakMiB: memory?.peakMiB,
    timesInMemory: times(memory),
    durableToJsonParse: durable?.toJsonParse,
    timesDurable: times(durable),
  };
  return Object.fromEntries(Object.entries(figures).filter(([, value]) => value !== undefined));
}
