/**
 * `npm run test:table -- NAME`: the contract of a store on a real DynamoDB table, with the credentials and the region of the
 * environment. Create the table with `databricks-audit-otel state init` or Terraform. The tests write items under names of their own,
 * delete them, and leave others alone; they cost less than a cent.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const [table, ...others] = process.argv.slice(2);
if (table === undefined || others.length > 0) {
  console.error('usage: npm run test:table -- NAME');
  process.exit(2);
}
const { status } = spawnSync(
  process.execPath,
  ['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/table/vitest.config.ts'],
  {
    cwd: fileURLToPath(new URL('../../', import.meta.url)),
    stdio: 'inherit',
    env: { ...process.env, TEST_TABLE: table },
  },
);
process.exitCode = status ?? 1;
