/**
 * Whole processes beside JSON.parse: in every round each process has a turn, and JSON.parse has one before it and one behind it,
 * because a machine that is shared is not equally fast for long.
 */
import type { Cost } from './child.ts';
import type { DeliveryName } from './deliveries.ts';
import { JsonParse } from './json-parse.ts';
import { type Figures, median, type Row } from './report.ts';

export interface Contender {
  readonly name: string;
  run(): Promise<ContenderRun>;
}

export interface ContenderRun extends Cost {
  readonly wallSeconds: number;
  /** What it worked on, and the processor time that this took, when that is not all of the process. */
  readonly lineCount: number;
  readonly workCpuSeconds?: number;
}

export async function compareWithJsonParse(
  contenders: readonly Contender[],
  delivery: DeliveryName,
  rounds: number,
): Promise<Row[]> {
  const jsonParse = new JsonParse(delivery);
  const results = contenders.map(({ name }) => ({ name, rounds: [] as Round[] }));
  let parsedBefore = jsonParse.linesPerCpuSecond();
  for (let round = 1; round <= rounds; round++) {
    for (const [index, contender] of contenders.entries()) {
      const run = await contender.run();
      const parsedBehind = jsonParse.linesPerCpuSecond();
      const result = resultOf(run, (parsedBefore + parsedBehind) / 2);
      parsedBefore = parsedBehind;
      results[index]?.rounds.push(result);
      console.error(
        `  round ${round} of ${rounds}, ${contender.name}: ${result.toJsonParse.toPrecision(3)} of JSON.parse`,
      );
    }
  }
  return results.map(({ name, rounds }) => ({ name, figures: summarise(rounds) }));
}

type Round = Required<Pick<Figures, 'linesPerCpuSecond' | 'toJsonParse' | 'cpuSeconds' | 'wallSeconds' | 'peakMiB'>>;

function resultOf(run: ContenderRun, parsedPerCpuSecond: number): Round {
  const { lineCount, cpuSeconds, workCpuSeconds = cpuSeconds, wallSeconds, peakMiB } = run;
  const linesPerCpuSecond = lineCount / workCpuSeconds;
  return { linesPerCpuSecond, toJsonParse: linesPerCpuSecond / parsedPerCpuSecond, cpuSeconds, wallSeconds, peakMiB };
}

function summarise(rounds: readonly Round[]): Figures {
  const middle = (name: keyof Round) => median(rounds.map((round) => round[name]));
  const ratios = rounds.map(({ toJsonParse }) => toJsonParse);
  return {
    linesPerCpuSecond: middle('linesPerCpuSecond'),
    toJsonParse: middle('toJsonParse'),
    ...(rounds.length > 1 ? { spread: Math.max(...ratios) / Math.min(...ratios) - 1 } : {}),
    cpuSeconds: middle('cpuSeconds'),
    wallSeconds: middle('wallSeconds'),
    peakMiB: middle('peakMiB'),
  };
}
