/**
 * The command-line interface, which at its end prints its peak memory.
 */
import { writeSync } from 'node:fs';

process.on('exit', () => {
  writeSync(2, `peak RSS ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB\n`);
});
await import('../../../src/cli.ts');
