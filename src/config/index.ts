export { type Configuration, type Environment, type LoadOptions, loadConfiguration, unknownVariables } from './load.ts';
export { renderConfigurationReference } from './reference.ts';
