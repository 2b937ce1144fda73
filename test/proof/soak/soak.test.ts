import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { soak } from './soak.ts';

// It reads the process's figures from /proc, which only Linux has.
describe.skipIf(!existsSync('/proc/self/status'))('a short soak', () => {
  it('uses no more resources while an outage lasts, and then loses, repeats and reorders nothing', async () => {
    const { problems, samples } = await soak({
      cli: fileURLToPath(new URL('../../../src/cli.ts', import.meta.url)),
      directory: temporaryDirectory(),
      outageMs: 8_000,
      deliveryBytes: 30_000_000,
      sampleMs: 200,
    });
    expect(problems).toEqual([]);
    expect(new Set(samples.map(({ phase }) => phase))).toEqual(
      new Set(['before', 'unreachable', 'overloaded', 'recovery']),
    );
  }, 300_000);
});
