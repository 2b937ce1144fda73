/**
 * The text of the lines that plans refer to by name.
 */

/** Text that is too large for the collector. */
export const recordBytesMax = 2_000;

export function textOf(name: string): string {
  if (name.startsWith('x')) return `this is no JSON: ${name}`;
  const padding = name.startsWith('b') ? { errorMessage: 'long '.repeat(recordBytesMax / 4) } : {};
  return JSON.stringify({
    version: '2.0',
    timestamp: 1_769_817_600_000,
    serviceName: 'clusters',
    actionName: 'start',
    requestId: name,
    ...padding,
  });
}

export function isPoison(text: string): boolean {
  return text.includes('"requestId":"p');
}
