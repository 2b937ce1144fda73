/**
 * A delivery that grows over time: date by date, file by file, in one workspace. Every line has a number.
 */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { utcDate } from '../../../src/runtime/clock.ts';

export const dateCount = 8;
const linesPerFile = 2_000;
/** The average length of delivered lines. */
const lineBytes = 830;
const padding = 'x'.repeat(lineBytes - 160);

export interface GrowingDelivery {
  readonly lineCount: number;
  readonly sizeBytes: number;
  /** Writes files until the delivery has this size. */
  growTo(sizeBytes: number): void;
  dateOfLine(line: number): number;
}

/** @param sizeBytesMax the final size, divided equally between the dates. */
export function createGrowingDelivery(root: string, sizeBytesMax: number): GrowingDelivery {
  const bytesPerDate = sizeBytesMax / dateCount;
  const dateOfFile: number[] = [];
  let sizeBytes = 0;

  function writeFile(): void {
    const file = dateOfFile.length;
    const date = Math.min(dateCount - 1, Math.floor(sizeBytes / bytesPerDate));
    const folder = join(root, 'workspaceId=1', `date=${utcDate(Date.now(), dateCount - 1 - date)}`);
    const lines = Array.from({ length: linesPerFile }, (_, index) => line(file * linesPerFile + index));
    const content = lines.join('');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `.${file}.tmp`), content);
    renameSync(join(folder, `.${file}.tmp`), join(folder, `auditlogs_${String(file).padStart(6, '0')}.json`));
    dateOfFile.push(date);
    sizeBytes += content.length;
  }

  return {
    get lineCount() {
      return dateOfFile.length * linesPerFile;
    },
    get sizeBytes() {
      return sizeBytes;
    },
    growTo(targetBytes) {
      while (sizeBytes < targetBytes) writeFile();
    },
    dateOfLine: (number) => dateOfFile[Math.floor(number / linesPerFile)] ?? -1,
  };
}

function line(number: number): string {
  return `${JSON.stringify({
    version: '2.0',
    timestamp: 1_769_817_600_000 + number,
    workspaceId: '1',
    serviceName: 'clusters',
    actionName: 'start',
    requestParams: { padding },
    requestId: `soak-${number}`,
  })}\n`;
}

/** The numbers of the lines in a request, whose bodies contain the lines unchanged. */
export function lineNumbersIn(request: Buffer): number[] {
  return Array.from(request.toString('latin1').matchAll(/"requestId":"soak-(\d+)"/g), ([, number]) => Number(number));
}
