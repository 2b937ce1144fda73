// The levels of the tree (docs/architecture.md): imports point downwards only, parts do not import each other, and there are no cycles.
const part = '^src/(sources|decoders|mapping|export|delivery|sharing|backends|telemetry|detections)/';
const shared = '^src/(contracts|model|runtime)/';

export default {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'level-0-model-and-runtime-import-only-each-other',
      severity: 'error',
      from: { path: '^src/(model|runtime)/' },
      to: { path: '^src/', pathNot: '^src/(model|runtime)/' },
    },
    {
      name: 'level-1-contracts-import-the-model',
      severity: 'error',
      from: { path: '^src/contracts/' },
      to: { path: '^src/', pathNot: '^src/(contracts|model)/' },
    },
    {
      name: 'level-1-otlp-imports-contracts-and-the-model',
      severity: 'error',
      from: { path: '^src/otlp/' },
      to: { path: '^src/', pathNot: '^src/(otlp|contracts|model)/' },
    },
    {
      name: 'level-2-parts-do-not-import-each-other',
      severity: 'error',
      from: { path: part },
      to: { path: '^src/', pathNot: ['^src/$1/', '^src/otlp/', shared] },
    },
    {
      name: 'level-2-kinds-of-source-do-not-import-each-other',
      severity: 'error',
      from: { path: '^src/sources/([a-z0-9-]+)/' },
      to: { path: '^src/sources/[a-z0-9-]+/', pathNot: '^src/sources/$1/' },
    },
    {
      name: 'level-3-configuration-imports-option-schemas-only',
      severity: 'error',
      from: { path: '^src/config/' },
      to: { path: '^src/', pathNot: ['^src/(config|model|runtime)/', '^src/[a-z]+/options\\.ts$'] },
    },
    {
      name: 'level-3-the-pipeline-imports-contracts-only',
      severity: 'error',
      from: { path: '^src/pipeline/' },
      to: { path: '^src/', pathNot: ['^src/pipeline/', shared] },
    },
    {
      name: 'level-4-the-schedule-imports-pipeline-and-contracts',
      severity: 'error',
      from: { path: '^src/schedule/' },
      to: { path: '^src/', pathNot: ['^src/(schedule|pipeline)/', shared] },
    },
    {
      name: 'level-5-the-agent-does-not-import-tools-or-commands',
      severity: 'error',
      from: { path: '^src/agent/' },
      to: { path: '^src/(tools|commands)/|^src/[^/]+\\.ts$' },
    },
    {
      name: 'level-6-tools-do-not-import-commands',
      severity: 'error',
      from: { path: '^src/tools/' },
      to: { path: '^src/commands/|^src/[^/]+\\.ts$' },
    },
    {
      name: 'level-5-and-6-import-a-part-through-its-index',
      severity: 'error',
      from: { path: '^src/(agent|tools)/|^src/index\\.ts$' },
      to: { path: part, pathNot: ['^src/[a-z]+/index\\.ts$', '/options\\.ts$'] },
    },
    {
      name: 'level-7-commands-go-through-agent-and-tools',
      severity: 'error',
      from: { path: '^src/(cli\\.ts|commands/)' },
      to: { path: [part, '^src/(pipeline|schedule|contracts)/', '^src/agent/workers/'] },
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
