import { PassThrough, Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { createConsoleExporter } from '../../src/export/index.ts';
import { batchOf, lines, manyLines, never, toJsonLine } from './fixtures.ts';

test('writes one line of OTLP/JSON per record', async () => {
  const output = new PassThrough();
  const exporter = createConsoleExporter(output);
  const end = await exporter.export(batchOf(lines('a', 'b')), never);
  await exporter.close();
  expect(end).toEqual({ acceptedCount: 2, deadLetteredCount: 0 });
  expect(output.read().toString()).toBe(
    lines('a', 'b')
      .map((line) => `${toJsonLine(line)}\n`)
      .join(''),
  );
});

test('accepts nothing before the stream has accepted it', async () => {
  const taken: (() => void)[] = [];
  const output = new Writable({ write: (_chunk, _encoding, done) => void taken.push(done) });
  const exporter = createConsoleExporter(output);
  let ended = 0;
  const all = [0, 1].map((index) => exporter.export(batchOf(manyLines(3, `${index}-`)), never).then(() => ended++));
  await new Promise((resolve) => setImmediate(resolve));
  expect(ended).toBe(0);
  taken.shift()?.();
  await all[0];
  expect(ended).toBe(1);
  taken.shift()?.();
  await all[1];
});

test('a reader that has exited is reported as an error with a hint, and does not end the process', async () => {
  const broken = Object.assign(new Error('write EPIPE'), { code: 'EPIPE' });
  const output = new Writable({ write: (_chunk, _encoding, done) => done(broken) });
  const exporter = createConsoleExporter(output);
  await expect(exporter.export(batchOf(lines('a')), never)).rejects.toMatchObject({
    code: 'ERR_EXPORT_UNAVAILABLE',
    message: 'Could not write records to standard output: write EPIPE',
    cause: broken,
  });
});

test('the signal ends the wait for a reader that no longer reads', async () => {
  const output = new Writable({ write() {} });
  const exporter = createConsoleExporter(output);
  const stop = new AbortController();
  const end = exporter.export(batchOf(lines('a')), stop.signal);
  stop.abort(new Error('stopping'));
  await expect(end).rejects.toThrow('stopping');
});
