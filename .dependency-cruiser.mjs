// The levels of the tree (docs/architecture.md): imports go down only, parts do not know each other, and there are no circles.
const part = '^src/(sources|decoders|mapping|export|delivery|backends|telemetry)/';
const contract = '^src/(source|decoder|mapper|exporter|delivery-state|backend|observer)\\.ts$';

export default {
  forbidden: [
    { name: 'no-circles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'level-0-model-and-runtime-import-nothing-of-ours',
      severity: 'error',
      from: { path: '^src/(model|runtime)/' },
      to: { path: '^src/', pathNot: '^src/(model|runtime)/' },
    },
    {
      name: 'level-1-contracts-import-the-model',
      severity: 'error',
      from: { path: contract },
      to: { path: '^src/', pathNot: ['^src/model/', contract] },
    },
    {
      name: 'level-2-parts-do-not-know-each-other',
      severity: 'error',
      from: { path: part },
      to: { path: '^src/', pathNot: ['^src/$1/', '^src/(model|runtime)/', contract] },
    },
    {
      name: 'level-3-the-pipeline-knows-contracts-only',
      severity: 'error',
      from: { path: '^src/pipeline/' },
      to: { path: '^src/', pathNot: ['^src/(pipeline|model|runtime)/', contract] },
    },
    {
      name: 'level-3-configuration-reads-the-parts-option-schemas',
      severity: 'error',
      from: { path: '^src/config/' },
      to: { path: '^src/', pathNot: ['^src/(config|model|runtime)/', '^src/[a-z]+/options\\.ts$'] },
    },
    {
      name: 'level-4-workers-know-what-the-agent-and-they-share',
      severity: 'error',
      from: { path: '^src/workers/' },
      to: {
        path: '^src/',
        pathNot: ['^src/(workers|config|pipeline|model|runtime)/', '^src/wiring\\.ts$', part, contract],
      },
    },
    {
      name: 'level-4-the-agent-meets-parts-by-their-index',
      severity: 'error',
      from: {
        path: '^src/((agent|wiring|checks|preview|reconcile|replay|mapping-trial|monitoring|index)\\.ts$|workers/)',
      },
      to: {
        path: part,
        pathNot: '/index\\.ts$',
      },
    },
    {
      name: 'level-5-commands-go-through-the-agent',
      severity: 'error',
      from: { path: '^src/(cli\\.ts|commands/)' },
      to: { path: [part, '^src/(pipeline|workers)/', contract] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    parser: 'swc',
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.js', '.mjs', '.json'] },
  },
};
