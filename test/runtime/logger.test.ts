import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { createLogger } from '../../src/runtime/logger.ts';

it('dates each line on a terminal, too, because an agent may run there for days', () => {
  const terminal = Object.assign(new PassThrough(), { isTTY: true }) as unknown as NodeJS.WriteStream;
  createLogger('info', terminal).info({ lines: 3 }, 'Shipped');
  expect(String(terminal.read())).toMatch(/^\[\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}\].*Shipped/);
});
