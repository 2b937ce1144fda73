/**
 * Writes the detection pack for a backend, with the mapping layers and allow lists of a user.
 */
import {
  applyFilters,
  type CompiledPack,
  compilePack,
  type FormatName,
  type Level,
  readFilters,
  readRules,
} from '../detections/index.ts';
import { loadMapping } from '../mapping/index.ts';
import { AgentError, messageOf } from '../model/agent-error.ts';

export { type FormatName, formatNames, type Level, levels } from '../detections/index.ts';

export interface DetectionsRequest {
  readonly format: FormatName;
  /** Undefined: those that the format's backend is shipped with. */
  readonly layers: readonly string[] | undefined;
  /** Of the resource, when it is not the mapping's. */
  readonly serviceName: string | undefined;
  readonly filterDirectory: string | undefined;
  readonly level: Level;
  readonly delayMs: number;
  readonly allInOne: boolean;
}

/** What the guides ship with: the layer of the backend on top. */
const defaultLayers: Readonly<Record<FormatName, readonly string[]>> = {
  loki: ['databricks-audit', 'loki'],
  grafana: ['databricks-audit', 'loki'],
  kibana: ['databricks-audit', 'elastic'],
  sigma: ['databricks-audit'],
  'sigma-pipeline': ['databricks-audit'],
};

/** @throws AgentError ERR_CONFIGURATION with every rule that cannot be written, or ERR_MAPPING_FILE */
export function writeDetections(request: DetectionsRequest): CompiledPack {
  const layers = request.layers ?? defaultLayers[request.format];
  const mapping = loadMapping(layers, '.');
  const serviceName = request.serviceName ?? mapping.resource.get('service.name')?.[0]?.value ?? 'databricks';
  try {
    const filters = request.filterDirectory === undefined ? [] : readFilters(request.filterDirectory);
    const rules = applyFilters(readRules(), filters);
    return compilePack(request.format, rules, { ...request, layers, mapping, serviceName }, filters);
  } catch (cause) {
    throw new AgentError('ERR_CONFIGURATION', `The detection pack cannot be written:\n${messageOf(cause)}`, {
      cause,
      hint: 'docs/writing-detections.md says what each backend can do.',
    });
  }
}
