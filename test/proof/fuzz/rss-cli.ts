/**
 * The command line interface that says at its end how much memory it held at most.
 */
import { writeSync } from 'node:fs';

process.on('exit', () => {
  writeSync(2, `peak RSS ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB\n`);
});
await import('../../../src/cli.ts');
