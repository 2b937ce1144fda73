/**
 * CPU, memory and uptime of this process, as reported by the operating system and Node.js.
 */

export interface ProcessFigures {
  readonly uptimeS: number;
  readonly residentBytes: number;
  readonly userCpuS: number;
  readonly systemCpuS: number;
}

export const nodeVersion: string = process.versions.node;

export function readProcessFigures(): ProcessFigures {
  const { user, system } = process.cpuUsage();
  return {
    uptimeS: process.uptime(),
    residentBytes: process.memoryUsage.rss(),
    userCpuS: user / 1e6,
    systemCpuS: system / 1e6,
  };
}
