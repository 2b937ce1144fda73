/**
 * Executes a Dockerfile without a container engine: each stage is a folder that represents its root, COPY copies and RUN runs.
 * Node.js, which comes with the base images, is that of this machine.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Copy, DockerfileParser, From, type Instruction, JSONInstruction, PropertyInstruction } from 'dockerfile-ast';

const context = fileURLToPath(new URL('../../../../', import.meta.url));

export interface Image {
  /** The folder that represents `/`. */
  readonly root: string;
  readonly environment: Readonly<Record<string, string>>;
  /** As `uid:gid`. */
  readonly user: string;
  readonly volumes: readonly string[];
  readonly entryPoint: readonly string[];
  readonly command: readonly string[];
  readonly healthCheck: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** What was copied from the build context. */
  readonly copied: readonly string[];
}

type Stage = { -readonly [Field in keyof Image]: Image[Field] } & { workingDirectory: string };

/** @param directory where the stages are built and kept. */
export function followDockerfile(path: string, directory: string): Image {
  const stages = new Map<string, Stage>();
  const copied: string[] = [];
  let stage = emptyStage('', copied);
  for (const instruction of DockerfileParser.parse(readFileSync(join(context, path), 'utf8')).getInstructions()) {
    if (instruction instanceof From) {
      const name = instruction.getBuildStage() ?? 'final';
      stage = emptyStage(join(directory, name), copied);
      stages.set(name, stage);
    } else follow(instruction, stage, stages, copied);
  }
  return stage;
}

function emptyStage(root: string, copied: readonly string[]): Stage {
  return {
    root,
    environment: {},
    user: '0:0',
    volumes: [],
    entryPoint: [],
    command: [],
    healthCheck: [],
    labels: {},
    copied,
    workingDirectory: '/',
  };
}

function follow(instruction: Instruction, stage: Stage, stages: ReadonlyMap<string, Stage>, copied: string[]): void {
  const text = instruction.getArgumentsContent() ?? '';
  const keyword = instruction.getKeyword();
  if (instruction instanceof Copy) copy(instruction, stage, stages, copied);
  else if (keyword === 'ENV') stage.environment = { ...stage.environment, ...properties(instruction) };
  else if (keyword === 'LABEL') stage.labels = { ...stage.labels, ...properties(instruction) };
  else if (keyword === 'USER') stage.user = text;
  else if (keyword === 'VOLUME') stage.volumes = [...stage.volumes, text];
  else if (keyword === 'ENTRYPOINT') stage.entryPoint = words(instruction);
  else if (keyword === 'CMD') stage.command = words(instruction);
  else if (keyword === 'HEALTHCHECK') stage.healthCheck = JSON.parse(text.replace(/^.*CMD /s, ''));
  else if (keyword === 'WORKDIR') {
    stage.workingDirectory = text;
    mkdirSync(join(stage.root, text), { recursive: true });
  } else if (keyword === 'RUN') {
    execFileSync('/bin/sh', ['-c', text], {
      cwd: join(stage.root, stage.workingDirectory),
      env: { PATH: process.env.PATH, HOME: process.env.HOME, npm_config_prefer_offline: 'true', ...stage.environment },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  } else if (keyword !== 'ARG' && keyword !== 'EXPOSE') throw new Error(`${keyword} is not understood here`);
}

function copy(instruction: Copy, stage: Stage, stages: ReadonlyMap<string, Stage>, copied: string[]): void {
  const paths = (instruction.getArgumentsContent() ?? '').split(/\s+/);
  const target = join(stage.root, posix.resolve(stage.workingDirectory, paths.pop() ?? ''));
  const flag = (name: string) =>
    instruction
      .getFlags()
      .find((each) => each.getName() === name)
      ?.getValue() ?? undefined;
  const from = stages.get(flag('from') ?? '');
  const owner = flag('chown');
  for (const path of paths) {
    const source = join(from?.root ?? context, path);
    if (from === undefined) copied.push(path);
    const isFolder = statSync(source).isDirectory();
    const destination = !isFolder && existsSync(target) ? join(target, basename(path)) : target;
    cpSync(source, destination, { recursive: true });
    if (owner !== undefined && process.getuid?.() === 0) {
      const [uid, gid] = owner.split(':').map(Number);
      chownSync(destination, uid ?? 0, gid ?? 0);
    }
  }
}

/** Node.js and the libraries that it is linked to, at the same path as in the distroless image. */
export function addNode(image: Image, path: string): void {
  const libraries = execFileSync('ldd', [process.execPath], { encoding: 'utf8' }).matchAll(/(\/\S+) \(0x/g);
  for (const [from, to] of [
    [process.execPath, path],
    ...[...libraries].map(([, library = '']) => [library, library]),
  ]) {
    const target = join(image.root, to ?? '');
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(from ?? '', target);
    chmodSync(target, 0o555);
  }
}

function properties(instruction: Instruction): Record<string, string> {
  if (!(instruction instanceof PropertyInstruction)) return {};
  return Object.fromEntries(instruction.getProperties().map((each) => [each.getName(), each.getValue() ?? '']));
}

function words(instruction: Instruction): string[] {
  return instruction instanceof JSONInstruction ? instruction.getJSONStrings().map((word) => word.getJSONValue()) : [];
}
