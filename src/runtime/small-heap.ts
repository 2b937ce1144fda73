/**
 * Keeps the V8 heap small, because memory is what a sidecar costs. By default V8 lets the heap grow well beyond the live data, which
 * gains little here. These flags pin the young generation to its size at import time, so import this module first; and they make
 * V8 collect the old generation before it has grown by half since the last collection. docs/performance.md has the figures.
 *
 * Set in code and not on node's command line, because not every `env` supports `-S` in the shebang.
 */
import { setFlagsFromString } from 'node:v8';

setFlagsFromString('--semi-space-growth-factor=1');
setFlagsFromString('--heap-growing-percent=40');
