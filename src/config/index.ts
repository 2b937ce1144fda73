export { type Configuration, type Environment, loadConfiguration, unknownVariables } from './load.ts';
export { renderConfigurationReference } from './reference.ts';
