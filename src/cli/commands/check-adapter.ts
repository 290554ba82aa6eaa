import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { DeclaredResource } from '../../api/validate.ts'
import { ContentStore } from '../../artifacts/content-store.ts'
import { fetchFromFile } from '../../artifacts/file-source.ts'
import { preflightOptionsOf } from '../../artifacts/preflight-options.ts'
import { PreflightPool } from '../../artifacts/preflight-pool.ts'
import { pathOfFileUri } from '../../artifacts/source-uri.ts'
import { removeFolder } from '../../artifacts/staging-folder.ts'
import type { AdapterProblem, PreflightVerdict, StoredAdapter } from '../../artifacts/types.ts'
import { UserError } from '../../errors.ts'
import { readFileOnce } from '../../resources/directory/file-reader.ts'
import { defineCommand, type CommandIo } from '../command.ts'

type DeclaredPool = DeclaredResource & { readonly kind: 'ModelPool' }

export const checkAdapter = defineCommand({
  name: 'check-adapter',
  summary: 'Run the checks of a pool on an adapter, without an engine',
  details:
    'Prints the digest that LoraAdapter `source.digest` takes, and whether the pool would take the adapter.\n' +
    'Example: loraplex check-adapter ./my-adapter --pool models/pool.yaml',
  args: [{ name: 'adapter', summary: 'folder of save_pretrained, or a .tar.gz of it' }],
  options: {
    pool: {
      type: 'string',
      summary: 'YAML file with the ModelPool',
      placeholder: 'file',
      required: true,
    },
    name: { type: 'string', summary: 'which pool, where the file has several' },
  },
  run: async ({ io, args: [adapter = ''], options }) => {
    const file = resolve(io.workingFolder, options.pool)
    const pool = await poolIn(file, options.name)
    const scratch = await mkdtemp(join(tmpdir(), 'loraplex-check-'))
    const preflight = new PreflightPool({ workers: 1 })
    try {
      const fetched = await fetchFromFile({
        uri: pathToFileURL(resolve(io.workingFolder, adapter)).href,
        baseFolder: io.workingFolder,
        store: await ContentStore.open(scratch),
      })
      if (fetched.outcome !== 'Stored') {
        return refuse(io, adapter, [fetched.problem])
      }
      io.out(`digest   sha256:${fetched.adapter.digest}\n`)
      const verdict = await preflight.run(
        fetched.adapter.path,
        preflightOptionsOf(pool, basePathOf(pool, dirname(file))),
      )
      return tell(io, adapter, verdict, fetched.adapter, pool)
    } finally {
      await preflight.close()
      await removeFolder(scratch)
    }
  },
})

function tell(
  io: CommandIo,
  adapter: string,
  verdict: PreflightVerdict,
  stored: StoredAdapter,
  pool: DeclaredPool,
): 0 | 1 {
  switch (verdict.verdict) {
    case 'Refused':
      return refuse(io, adapter, verdict.problems)
    case 'Failed':
      io.out(`${verdict.problem.reason}: ${verdict.problem.message}\n`)
      io.out(`\n${adapter} could not be judged; nothing is known to be wrong with it. Try again.\n`)
      return 1
    case 'Compatible':
    case 'Unknown': {
      const { rank, alpha, targetModules, baseModel, tensors } = verdict.facts
      io.out(`size     ${(stored.sizeBytes / 1e6).toFixed(1)} MB in ${tensors} tensors\n`)
      io.out(`rank     ${rank}, alpha ${alpha}, on ${targetModules.join(', ')}\n`)
      io.out(`base     ${baseModel ?? 'not said'}\n`)
      for (const notice of verdict.notices) {
        io.out(`notice   ${notice}\n`)
      }
      const name = `ModelPool ${pool.metadata.namespace}/${pool.metadata.name}`
      io.out(
        verdict.verdict === 'Compatible'
          ? `\n${adapter} fits ${name}.\n`
          : `\nNothing is wrong with ${adapter}, but the architecture of ${name}'s base is not known here: the canary decides when it is loaded.\n`,
      )
      return 0
    }
    default:
      return verdict satisfies never
  }
}

function refuse(io: CommandIo, adapter: string, problems: readonly AdapterProblem[]): 1 {
  for (const { reason, message } of problems) {
    io.out(`${reason}: ${message}\n`)
  }
  io.out(`\n${adapter} would not be served.\n`)
  return 1
}

async function poolIn(file: string, name: string | undefined): Promise<DeclaredPool> {
  const reading = await readFileOnce(file)
  if (reading === 'Gone' || reading.outcome !== 'Read') {
    const why =
      reading !== 'Gone' && reading.outcome === 'Broken'
        ? `${reading.problem.message} (line ${reading.problem.position.line})`
        : 'is not there'
    throw new UserError(`The file ${file} ${why}. --pool names a YAML file with a ModelPool.`, 2)
  }
  const own = reading.objects.flatMap((document) => (document.outcome === 'Own' ? [document] : []))
  const pools = own
    .flatMap(({ object }) => (object?.kind === 'ModelPool' ? [object] : []))
    .filter((pool) => name === undefined || pool.metadata.name === name)
  const [pool, second] = pools
  if (pool === undefined) {
    const isFaulty = own.some(({ object }) => object === undefined)
    throw new UserError(
      `There is no ${isFaulty ? 'valid ' : ''}ModelPool${name === undefined ? '' : ` ${name}`} in ${file}.${isFaulty ? `\nloraplex check ${file} says what is wrong.` : ''}`,
      2,
    )
  }
  if (second !== undefined) {
    throw new UserError(
      `There are several ModelPools in ${file}. Say which with --name: ${pools.map(({ metadata }) => metadata.name).join(', ')}.`,
      2,
    )
  }
  return pool
}

/** As the controller asks for an adapter of that pool that names no base itself. */
function basePathOf(pool: DeclaredPool, folder: string): string {
  const base = pathOfFileUri(pool.spec.model.uri, folder)
  if (!base.ok) {
    throw new UserError(base.problem.message)
  }
  return base.path.replace(/\/$/, '')
}
