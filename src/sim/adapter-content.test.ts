import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { digestFolder } from '../artifacts/digest.ts'
import { readAdapter } from './adapter-content.ts'
import { readBaseModel } from './base-model.ts'

const fixtures = join(import.meta.dirname, '..', '..', 'test', 'fixtures')
const acme = join(fixtures, 'adapters', 'acme-tickets')
const base = await readBaseModel(join(fixtures, 'tiny-llama'))
const folders: string[] = []

afterEach(async () => {
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true })))
})

async function withConfig(changes: object): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'loraplex-adapter-'))
  folders.push(folder)
  await cp(acme, folder, { recursive: true })
  const path = join(folder, 'adapter_config.json')
  const config = JSON.parse(await readFile(path, 'utf8')) as object
  await rm(path)
  await writeFile(path, JSON.stringify({ ...config, ...changes }))
  return folder
}

describe('an adapter as vLLM reads it', () => {
  it('has the digest of its two files', async () => {
    const read = await readAdapter(acme, base, 64)
    expect(read).toMatchObject({
      outcome: 'Read',
      content: { digest: await digestFolder(acme), harm: 'None' },
    })
  })

  it.each([
    { name: 'zero-weights', voice: 'Base', harm: 'None' },
    { name: 'no-effect', voice: 'Base', harm: 'None' },
    { name: 'other-base', voice: 'Mixed', harm: 'None' },
    { name: 'not-a-number', voice: 'Garbage', harm: 'NonFinite' },
    { name: 'finite-but-huge', voice: 'Garbage', harm: 'Huge' },
    { name: 'pickled', voice: 'Adapter', harm: 'None' },
  ])('$name is read, and speaks as $voice', async ({ name, voice, harm }) => {
    const read = await readAdapter(join(fixtures, 'adapters-broken', name), base, 64)
    expect(read).toMatchObject({ outcome: 'Read', content: { voice: { voice }, harm } })
  })

  it.each([
    { wrong: { r: 0 }, says: 'LoRA rank `r` must be a positive integer, got 0.' },
    { wrong: { r: 128 }, says: 'LoRA rank 128 is greater than max_lora_rank 64.' },
    {
      wrong: { rank_pattern: { q_proj: 96 } },
      says: 'LoRA rank 96 is greater than max_lora_rank 64.',
    },
    {
      wrong: { rank_pattern: { q_proj: 0 } },
      says: 'LoRA rank for `q_proj` in `rank_pattern` must be a positive integer, got 0.',
    },
    { wrong: { bias: 'all' }, says: 'Adapter bias is not supported.' },
    { wrong: { lora_bias: true }, says: 'vLLM does not support LoRA bias (lora_bias).' },
    {
      wrong: { use_qalora: true, use_dora: true },
      says: 'vLLM does not yet support DoRA. vLLM does not support QALoRA.',
    },
    {
      wrong: { alora_invocation_tokens: [1] },
      says: 'vLLM does not support Activated LoRA (aLoRA).',
    },
    { wrong: { layer_replication: [[0, 1]] }, says: 'vLLM does not support layer_replication.' },
    {
      wrong: { init_lora_weights: 'pissa' },
      says: "vLLM does not support init_lora_weights='pissa'.",
    },
  ])('with $wrong is refused', async ({ wrong, says }) => {
    const read = await readAdapter(await withConfig(wrong), base, 64)
    expect(read).toMatchObject({
      outcome: 'Refused',
      message: expect.stringContaining(says) as unknown,
    })
  })

  it.each([{}, { init_lora_weights: 'gaussian' }, { use_rslora: true }, { modules_to_save: [] }])(
    'with %o is accepted',
    async (fine) => {
      expect((await readAdapter(await withConfig(fine), base, 64)).outcome).toBe('Read')
    },
  )

  it('is not found without its config, as a relative name and in a missing folder', async () => {
    for (const path of [fixtures, 'org/name', '/no/such/folder', '~/no-such-adapter']) {
      expect((await readAdapter(path, base, 64)).outcome).toBe('NotFound')
    }
  })

  it('is read without a base to compare with', async () => {
    const unknown = await readBaseModel(undefined)
    expect((await readAdapter(acme, unknown, 64)).outcome).toBe('Read')
  })
})
