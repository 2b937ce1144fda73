/** `npm run test:e2e`: the built package against real servers, which are built first when they are missing. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/proof/servers/**/*.test.ts'],
    globalSetup: ['test/proof/servers/build-servers.ts'],
    // Each test runs several servers, so files one after the other.
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 120_000,
  },
});
