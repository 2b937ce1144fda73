import { defineConfig } from 'vitest/config';

export default defineConfig({ test: { include: ['test/table/real-table.ts'], testTimeout: 300_000 } });
