/**
 * A sidecar is paid for by the mebibyte: V8 lets its heap grow well beyond what is alive, which buys little here. The
 * young generation stays at 16 MiB with this and goes to 32 without; docs/performance.md
 * says what a smaller one saves and costs.
 */
import { setFlagsFromString } from 'node:v8';

/** Call it before there is much on the heap. In code and not as flags of node, because not every `env` knows `-S`. */
export function keepHeapSmall(): void {
  setFlagsFromString('--max-semi-space-size=4');
  setFlagsFromString('--semi-space-growth-factor=1');
}
