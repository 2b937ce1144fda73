export { type Configuration, type Environment, loadConfiguration } from './load.ts';
export { renderConfigurationReference } from './reference.ts';
