/**
 * A sidecar is paid for by the mebibyte: V8 lets its heap grow well beyond what is alive, which buys little here. The young
 * generation keeps the size that it has when this is imported, so it is imported first; the old one is collected when it
 * is less than half larger than after the last time. docs/performance.md says what that saves and costs.
 *
 * In code and not as flags of node, because not every `env` knows `-S`.
 */
import { setFlagsFromString } from 'node:v8';

setFlagsFromString('--semi-space-growth-factor=1');
setFlagsFromString('--heap-growing-percent=40');
