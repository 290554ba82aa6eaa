import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readSafetensorsHeader } from '../safetensors.ts'

const tokenizerFiles = /^(?:tokenizer.*|vocab\.json|.*\.tiktoken|.*\.spm|spiece\.model)$/
const pickles = /\.(?:bin|pt|pth|ckpt)$/

/** What a folder lacks to be a checkpoint that an engine can serve, in words; nothing where it is one. */
export async function lacksOf(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch(() => undefined)
  if (names === undefined) {
    return [`There is no folder ${folder}.`]
  }
  return [
    ...(names.includes('config.json') ? [] : ['It holds no config.json.']),
    ...(names.some((name) => tokenizerFiles.test(name))
      ? []
      : ['It holds no tokenizer (tokenizer.json, tokenizer.model, vocab.json…).']),
    ...(await weightsLack(folder, names)),
  ]
}

async function weightsLack(folder: string, names: readonly string[]): Promise<readonly string[]> {
  const wanted = (await shardsOf(folder)) ?? names.filter((name) => name.endsWith('.safetensors'))
  if (wanted.length === 0) {
    return [
      names.some((name) => pickles.test(name))
        ? 'Its weights are pickled, and a pickle can run code: save them as safetensors.'
        : 'It holds no .safetensors file.',
    ]
  }
  return wanted.flatMap((name) => {
    if (!names.includes(name)) {
      return [`${name} is missing, which its index names.`]
    }
    const header = readSafetensorsHeader(join(folder, name))
    return header.ok ? [] : [header.problem.message]
  })
}

async function shardsOf(folder: string): Promise<readonly string[] | undefined> {
  try {
    const text = await readFile(join(folder, 'model.safetensors.index.json'), 'utf8')
    const { weight_map: map } = JSON.parse(text) as { readonly weight_map?: unknown }
    const shards = Object.values(Object(map) as Record<string, unknown>)
    return [...new Set(shards.filter((shard) => typeof shard === 'string'))].toSorted()
  } catch {
    return undefined
  }
}
