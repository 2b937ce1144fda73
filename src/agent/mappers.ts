/**
 * The compiled mappings: that of the configuration, and those of individual sources (`?mapping=`).
 */
import type { Configuration } from '../config/index.ts';
import type { Mapper } from '../contracts/mapper.ts';
import { createMapper } from '../mapping/index.ts';
import { layersOf } from '../mapping/options.ts';

/** @param layers joined by commas, as in `ObjectOrigin.mapping`; undefined for the mapping of the configuration. */
export type MapperFor = (layers: string | undefined) => Mapper;

/**
 * Compiles one mapper for each list of layers.
 * @param given replaces the mapper of the configuration.
 * @throws AgentError ERR_MAPPING_FILE
 */
export function createMappers(
  { mapping, sources }: Pick<Configuration, 'mapping' | 'sources'>,
  given?: Mapper,
): MapperFor {
  const mappers = new Map<string | undefined, Mapper>([[undefined, given ?? createMapper(mapping)]]);
  const mapperFor = (layers: string | undefined): Mapper => {
    const known = mappers.get(layers);
    if (known !== undefined) return known;
    const mapper = createMapper({ ...mapping, layers: layersOf(layers ?? '') });
    mappers.set(layers, mapper);
    return mapper;
  };
  // So that mistakes in a mapping file are reported before anything is read.
  for (const source of sources) mapperFor(source.mapping);
  return mapperFor;
}
