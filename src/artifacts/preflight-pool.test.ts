import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  aLora,
  aTensor,
  safetensorsFile,
  writeAdapter,
} from '../../test/support/adapter-builder.ts'
import { PreflightPool } from './preflight-pool.ts'
import type { PreflightOptions, PreflightVerdict } from './types.ts'

const fixtures = join(import.meta.dirname, '../../test/fixtures')
const good = join(fixtures, 'adapters/acme-tickets')
const options: PreflightOptions = {
  baseModelPath: join(fixtures, 'tiny-llama'),
  baseModelNames: [],
  baseModelCheck: 'Warn',
  maxRank: 64,
  dtype: 'Auto',
}

let work: string
beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'loraplex-pool-'))
  // Within the grammar that is accepted, and slow all the same once there are thousands of hostile names.
  const name = 'a.'.repeat(240)
  const ranks = Array.from({ length: 16 }, (_, index) => [`.*.*(a|a|a|a|a|a|a|a|a)${index}x`, 4])
  const tensors = Array.from({ length: 1_000 }, (_, index) => [
    aTensor(`${name}${index}.lora_A.weight`, [4, 1]),
    aTensor(`${name}${index}.lora_B.weight`, [1, 4]),
  ])
  const slow = aLora(...tensors.flat()).with({ rank_pattern: Object.fromEntries(ranks) as object })
  await writeAdapter(join(work, 'slow'), slow)
})
afterAll(() => rm(work, { recursive: true, force: true }))

function reasonOf(verdict: PreflightVerdict): string {
  if (verdict.verdict === 'Failed') {
    return verdict.problem.reason
  }
  return verdict.verdict === 'Refused' ? (verdict.problems[0]?.reason ?? '') : verdict.verdict
}

describe('PreflightPool', () => {
  it('judges many adapters at once in few threads', async () => {
    await using pool = disposable(new PreflightPool({ workers: 2 }))
    const bad = join(fixtures, 'adapters-broken/not-a-number')
    const verdicts = await Promise.all(
      Array.from({ length: 20 }, (_, index) => pool.run(index % 2 === 0 ? good : bad, options)),
    )
    expect(verdicts.map(reasonOf)).toEqual(
      Array.from({ length: 20 }, (_, index) =>
        index % 2 === 0 ? 'Compatible' : 'NonFiniteWeights',
      ),
    )
  })

  it('refuses to queue without bound', async () => {
    await using pool = disposable(new PreflightPool({ workers: 1, maxQueued: 2 }))
    const verdicts = await Promise.all(Array.from({ length: 5 }, () => pool.run(good, options)))
    expect(verdicts.map(reasonOf)).toEqual([
      'Compatible',
      'Compatible',
      'Compatible',
      'PreflightBusy',
      'PreflightBusy',
    ])
  })

  it('stops what takes too long and goes on with the next', async () => {
    await using pool = disposable(new PreflightPool({ workers: 1, timeoutMs: 1_500 }))
    const [slow, next] = await Promise.all([
      pool.run(join(work, 'slow'), options),
      pool.run(good, options),
    ])
    expect(reasonOf(slow)).toBe('PreflightTimeout')
    expect(reasonOf(next)).toBe('Compatible')
  })

  it('stops what nobody wants any more, waiting or running', async () => {
    await using pool = disposable(new PreflightPool({ workers: 1 }))
    const running = new AbortController()
    const waiting = new AbortController()
    const first = pool.run(join(work, 'slow'), options, running.signal)
    const second = pool.run(good, options, waiting.signal)
    const third = pool.run(good, options)
    waiting.abort(new Error('second'))
    running.abort(new Error('first'))
    await expect(second).rejects.toThrow('second')
    await expect(first).rejects.toThrow('first')
    expect(reasonOf(await third)).toBe('Compatible')
    await expect(pool.run(good, options, running.signal)).rejects.toThrow('first')
  })

  it('says Failed of a folder that the disk does not give', async () => {
    await using pool = disposable(new PreflightPool({ workers: 1 }))
    await writeFile(join(work, 'loop'), '')
    await mkdir(join(work, 'looped'))
    execFileSync('ln', ['-s', 'adapter_config.json', join(work, 'looped/adapter_config.json')])
    const verdict = await pool.run(join(work, 'looped'), options)
    expect(reasonOf(verdict)).toBe('PreflightFailed')
    expect(JSON.stringify(verdict)).toContain('ELOOP')
    expect(JSON.stringify(verdict)).not.toContain(work)
  })

  it('survives a header that costs a worker its memory', async () => {
    await using pool = disposable(new PreflightPool({ workers: 1 }))
    const folder = join(work, 'heavy')
    await mkdir(folder)
    await writeFile(
      join(folder, 'adapter_config.json'),
      '{"r":8,"lora_alpha":8,"target_modules":[]}',
    )
    const header = `{"a":{"dtype":"F32","shape":[${'0,'.repeat(8_000_000)}0],"data_offsets":[0,0]}}`
    await writeFile(
      join(folder, 'adapter_model.safetensors'),
      safetensorsFile(header, Buffer.alloc(0)),
    )
    const before = process.memoryUsage().rss
    expect(['WeightsMalformed', 'PreflightFailed']).toContain(
      reasonOf(await pool.run(folder, options)),
    )
    expect(reasonOf(await pool.run(good, options))).toBe('Compatible')
    expect(process.memoryUsage().rss - before).toBeLessThan(900 << 20)
  })

  it('settles everything when it is closed', async () => {
    const pool = new PreflightPool({ workers: 1 })
    const jobs = [pool.run(join(work, 'slow'), options), pool.run(good, options)]
    await pool.close()
    expect((await Promise.all(jobs)).map(reasonOf)).toEqual(['PreflightFailed', 'PreflightFailed'])
    expect(reasonOf(await pool.run(good, options))).toBe('PreflightFailed')
    await pool.close()
  })

  it('keeps no process alive that has nothing else to do', () => {
    const script = `
      const { PreflightPool } = await import(${JSON.stringify(new URL('preflight-pool.ts', import.meta.url).href)})
      const verdict = await new PreflightPool().run(${JSON.stringify(good)}, ${JSON.stringify(options)})
      console.log(verdict.verdict)`
    const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      timeout: 30_000,
    })
    expect(output).toBe('Compatible\n')
  })
})

function disposable(pool: PreflightPool): PreflightPool & AsyncDisposable {
  return Object.assign(pool, { [Symbol.asyncDispose]: () => pool.close() })
}
