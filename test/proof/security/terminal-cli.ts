/**
 * The command-line interface as it behaves on a terminal, although its output goes to pipes.
 */
for (const stream of [process.stdout, process.stderr]) {
  stream.isTTY = true;
  stream.columns = 200;
}
await import('../../../src/cli.ts');
