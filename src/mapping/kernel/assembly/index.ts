// The hot path of the mapping: from the bytes of a line to the attributes of its record.
export { compose, unescapeTo } from './compose';
export { beginOrigin, cellOf, keepIn } from './derivations';
export {
  cellSize,
  cellSlots,
  cellsAt,
  composedAt,
  composedEndAnswer,
  derivationsMax,
  digestAt,
  layoutEnd,
  missedCellAnswer,
  programsAt,
  programsSize,
} from './memory';
export { entriesOnTape, scan, wasAscii } from './scan';
