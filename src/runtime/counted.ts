/**
 * Renders numbers of things for people.
 */

export function count(value: number): string {
  return value.toLocaleString('en');
}

/** For example `1 line` or `1,234 lines`. */
export function counted(value: number, noun: string, plural = `${noun}s`): string {
  return `${count(value)} ${value === 1 ? noun : plural}`;
}
