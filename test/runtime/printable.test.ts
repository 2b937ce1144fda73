import { describe, expect, it } from 'vitest';
import { printable } from '../../src/runtime/printable.ts';

describe('printable text', () => {
  it('has no character that moves a cursor or hides another', () => {
    expect(printable('a\u001b[2Jb\u202ec\ud800d\n')).toBe(String.raw`a\u{1b}[2Jb\u{202e}c\u{d800}d\u{a}`);
  });

  it('is no longer than its limit once it is escaped', () => {
    expect(printable('abcdef', 6)).toBe('abcdef');
    expect(printable('abcdefg', 6)).toBe('abcdef...');
    expect(printable('\ud800'.repeat(300), 300)).toHaveLength(37 * 8 + '...'.length);
  });

  it.each([9, 10, 11, 12, 13, 14, 15])('never ends within an escape: %i characters', (lengthMax) => {
    expect(printable('a\0\0\ud800\0', lengthMax)).toMatch(/^a(\\u\{[0-9a-f]+\})*(\.\.\.)?$/);
  });
});
