import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { digestFolder, isDigest } from './digest.ts'

const adapters = join(import.meta.dirname, '../../test/fixtures/adapters')

describe('digestFolder', () => {
  it.each(readdirSync(adapters))('says of %s what sha256sum says', async (name) => {
    const folder = join(adapters, name)
    const command = 'sha256sum adapter_config.json adapter_model.safetensors | sha256sum'
    const want = execFileSync('sh', ['-c', command], { cwd: folder, encoding: 'utf8' }).slice(0, 64)
    expect(await digestFolder(folder)).toBe(want)
    expect(isDigest(want)).toBe(true)
  })

  it('rejects where a file is missing', async () => {
    await expect(digestFolder(adapters)).rejects.toThrow('ENOENT')
  })

  it('stops when it is told to', async () => {
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(digestFolder(join(adapters, 'acme-tickets'), signal)).rejects.toThrow('enough')
  })
})
