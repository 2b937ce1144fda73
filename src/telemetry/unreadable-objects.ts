/**
 * Counts the objects that could not be read as they should be.
 */
import { errorType, type ObservedInstrument } from './instrument.ts';

const codes = ['ERR_OBJECT_DAMAGED', 'ERR_OBJECT_FORMAT', 'ERR_OBJECT_UNPARSED'] as const;

export const unreadableObjects: ObservedInstrument = {
  name: 'databricks.audit.objects.unreadable',
  type: 'gauge',
  unit: '{object}',
  attributes: [errorType],
  meaning:
    'Objects that could not be read to their end (`ERR_OBJECT_DAMAGED`, `ERR_OBJECT_FORMAT`), or are not one JSON object per line (`ERR_OBJECT_FORMAT`, `ERR_OBJECT_UNPARSED`), until another version is read whole. Includes those of earlier processes, once they were listed.',
  read: ({ activity: { unreadableObjects } }) =>
    codes.map((each) => [
      unreadableObjects.values().reduce((sum, { code }) => sum + (code === each ? 1 : 0), 0),
      { [errorType]: each },
    ]),
};
