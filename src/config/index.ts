export { parseStateLocation } from '../delivery/options.ts';
export { type Configuration, type Environment, type LoadOptions, loadConfiguration } from './load.ts';
export { renderConfigurationReference } from './reference.ts';
