import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runCommand } from '../../test/support/run-command.ts'
import { xmlFault } from '../../test/support/well-formed-xml.ts'
import { policyNames } from '../sim/lab/policy-names.ts'
import { workloads } from '../sim/lab/workloads/workload-names.ts'
import { lab } from './commands/lab.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'loraplex-lab-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const run = (...argv: readonly string[]) => runCommand([lab], folder, ['lab', ...argv])
const small = ['--workload', 'zipf', '--adapters', '20', '--rate', '20', '--seconds', '20']

describe('loraplex lab', () => {
  it('prints a line of figures a rule, and progress apart', async () => {
    const { code, out, err } = await run(...small, '--policy', 'random,loraplex')
    expect(code).toBe(0)
    const [head, first, second, end] = out.split('\n')
    expect(head).toMatch(/^POLICY +REQUESTS +IN SLO +GOOD\/S +TTFT MEAN/)
    expect(first).toMatch(/^random +\d+ +\d+\.\d %/)
    expect(second).toMatch(/^loraplex +\d+ +\d+\.\d %/)
    expect(end).toBe('')
    expect(err).toMatch(/^random at 1 ×: \d+ requests in \d+\.\d s$/m)
  })

  it('gives the same JSON for the same seed, with every rule, and another for another', async () => {
    const json = [...small, '--policy', 'all', '-o', 'json']
    const [first, again, other] = [
      await run(...json, '--seed', '5'),
      await run(...json, '--seed', '5'),
      await run(...json, '--seed', '6'),
    ]
    expect(first.out).toBe(again.out)
    expect(first.out).not.toBe(other.out)
    const { runs } = JSON.parse(first.out) as { runs: readonly { policy: string }[] }
    expect(runs.map(({ policy }) => policy)).toEqual(policyNames)
  })

  it('plays several loads, says what each rule takes, and writes a report', async () => {
    const { out } = await run(...small, '-p', 'random', '--rates', '0.5,2', '--report', 'r.svg')
    expect(out).toMatch(/^random +0\.5 × /m)
    expect(out).toMatch(/^random +2 × /m)
    expect(out).toMatch(/99 % IN SLO UP TO\nrandom +[<>]? ?\d+\.\d\/s\n$/)
    expect(xmlFault(readFileSync(join(folder, 'r.svg'), 'utf8'))).toBeUndefined()
  })

  it('writes a tape that gives the same figures when it is read', async () => {
    const written = await run(...small, '--write-tape', 'tape.jsonl')
    expect(written.err).toMatch(/^\d+ requests written to tape\.jsonl/)
    const figures = (out: string): unknown => (JSON.parse(out) as { tape: object }).tape
    const made = await run(...small, '-p', 'random', '-o', 'json')
    const read = await run('tape.jsonl', '-p', 'random', '-o', 'json')
    expect(figures(read.out)).toMatchObject({
      ...(figures(made.out) as object),
      name: 'tape.jsonl',
    })
  })

  it('lists rules and workloads', async () => {
    const { out } = await run('--list')
    for (const name of [...policyNames, ...workloads.map((workload) => workload.name)]) {
      expect(out).toMatch(new RegExp(`^  ${name}(:|$)`, 'm'))
    }
  })
})

describe('mistakes are named', () => {
  const mistakes: readonly [string, readonly string[], RegExp][] = [
    ['no tape', [], /Name a tape, or a workload/],
    ['tape and workload', ['t.jsonl', '--workload', 'zipf'], /Name a tape, or a workload/],
    [
      'an unknown rule',
      [...small, '-p', 'best'],
      /--policy: there is no rule "best"; there are lora/,
    ],
    ['an unknown workload', ['--workload', 'x'], /--workload: there is no "x"; there are zipf, /],
    [
      'a knob it lacks',
      ['--workload', 'zipf', '--alpha', '1'],
      /--alpha: the workload zipf has none/,
    ],
    ['a knob for a file', ['t.jsonl', '--rate', '1'], /--rate is for workloads/],
    ['a knob that is no number', ['--workload', 'zipf', '--rate', 'x'], /--rate is "x"/],
    ['a load of nothing', [...small, '--rates', '1,0'], /--rates is "0"/],
    ['a missing tape', ['none.jsonl'], /none\.jsonl cannot be read/],
    ['no folder of data', ['--workload', 'azure'], /azure-llm-2023-conv\.csv .* with --data/],
    ['another folder', ['--workload', 'azure', '--data', '.'], /It is not in \./],
    ['few places in memory', [...small, '--max-cpu-loras', '3'], /below --max-loras/],
    [
      'a report nowhere',
      [...small, '-p', 'random', '--report', 'no/r.svg'],
      /no\/r\.svg cannot be/,
    ],
  ]
  it.each(mistakes)('%s', async (_, argv, words) => {
    const { code, err } = await run(...argv)
    expect(code).toBe(2)
    expect(err).toMatch(words)
  })

  it('in a tape by line and field', async () => {
    writeFileSync(
      join(folder, 'bad.jsonl'),
      '{"t":0,"tenant":"a","adapter":"b","input_tokens":1}\n',
    )
    const { code, err } = await run('bad.jsonl')
    expect(code).toBe(1)
    expect(err).toMatch(/Line 1 of the tape, field output_tokens: /)
  })
})
