import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runCommand } from '../../test/support/run-command.ts'
import { xmlFault } from '../../test/support/well-formed-xml.ts'
import { ablationNames, policyNames } from '../sim/lab/policy-names.ts'
import { queueNames } from '../sim/lab/queue-names.ts'
import { scalerNames } from '../sim/lab/scaler-names.ts'
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

  it('plays ours without each of its parts, one of them by its name', async () => {
    const namesOf = async (policy: string): Promise<readonly string[]> => {
      const { out } = await run(...small, '-p', policy, '-o', 'json')
      const { runs } = JSON.parse(out) as { runs: readonly { policy: string }[] }
      return runs.map((one) => one.policy)
    }
    expect(await namesOf('ablations')).toEqual(['loraplex', ...ablationNames])
    expect(await namesOf('loraplex-no-placement,random')).toEqual([
      'loraplex-no-placement',
      'random',
    ])
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
    const made = workloads.map((workload) => workload.name)
    for (const name of [...policyNames, ...ablationNames, ...queueNames, ...scalerNames, ...made]) {
      expect(out).toMatch(new RegExp(`^  ${name}(:|$)`, 'm'))
    }
  })
})

describe('queues and scaling rules', () => {
  const busy = ['--workload', 'abuser', '--rate', '60', '--seconds', '100', '--replicas', '1']
  const one = [...busy, '-p', 'least-requests']

  it('every one of each list is played with every one of the others, and rows have their names', async () => {
    const { out, err } = await run(
      ...small,
      '-p',
      'random',
      '--queue',
      'fcfs,vtc',
      '--scaler',
      'fixed,keda',
    )
    const rows = out.trimEnd().split('\n')
    expect(rows[0]).toMatch(/^QUEUE, SCALER +REQUESTS/)
    expect(rows.slice(1).map((row) => row.split(/ {2,}/)[0])).toEqual([
      'fcfs, fixed',
      'fcfs, keda',
      'vtc, fixed',
      'vtc, keda',
    ])
    expect(err).toMatch(/^vtc, keda at 1 ×: /m)
  })

  it('columns are there only for what is asked', async () => {
    const headOf = async (...flags: readonly string[]) =>
      (await run(...small, '-p', 'random', ...flags)).out.split('\n')[0]
    const [plain, queued, scaled] = [
      await headOf(),
      await headOf('--queue', 'vtc'),
      await headOf('--scaler', 'hpa'),
    ]
    expect(plain).toMatch(/^POLICY .* ADAPTERS *$/)
    expect(queued).toMatch(/^POLICY .* ADAPTERS +GAP MAX +GAP MEAN +REFUSED *$/)
    expect(scaled).toMatch(/^POLICY .* ADAPTERS +OF AVOIDABLE +GPU-HOURS +× CLAIRVOYANT *$/)
  })

  it('a fair queue serves tenants more evenly than one of first come, and rpm turns away', async () => {
    const { out } = await run(
      ...one,
      '--queue',
      'fcfs,vtc,rpm',
      '--requests-per-minute',
      '30',
      '-o',
      'json',
    )
    const [fcfs, vtc, rpm] = runsOf(out)
    expect(vtc?.serviceGap?.max).toBeLessThan((fcfs?.serviceGap?.max ?? 0) / 2)
    expect([fcfs?.refused, vtc?.refused]).toEqual([0, 0])
    expect(rpm?.refused).toBeGreaterThan(0)
  })

  it('the bound of requests at a replica holds whatever the queue', async () => {
    const json = [...one, '--queue', 'lines,fcfs', '--max-in-flight', '4', '-o', 'json']
    const [tight] = [runsOf((await run(...json)).out)]
    const loose = runsOf((await run(...one, '-o', 'json')).out)
    for (const { meanActive } of tight) {
      expect(meanActive).toBeLessThanOrEqual(4)
    }
    expect(loose[0]?.meanActive).toBeGreaterThan(4)
  })

  it('a scaler keeps within its bounds, and what it costs is told', async () => {
    const flags = ['--scaler', 'fixed,hpa-running', '--cold-start-seconds', '20']
    const bounds = ['--min-replicas', '1', '--max-replicas', '3']
    const { out } = await run(...one, ...flags, ...bounds, '-o', 'json', '--report', 's.svg')
    const [fixed, hpa] = runsOf(out)
    const hours = fixed?.scaling?.gpuHours ?? 0
    expect(hours).toBeCloseTo(100 / 3600, 2)
    expect(hpa?.scaling?.gpuHours).toBeGreaterThan(1.2 * hours)
    expect(hpa?.scaling?.gpuHours).toBeLessThanOrEqual(3 * hours)
    const dearer = (hpa?.scaling?.gpuHours ?? 0) / hours
    expect((hpa?.scaling?.ratio ?? 0) / (fixed?.scaling?.ratio ?? 0)).toBeCloseTo(dearer)
    const report = readFileSync(join(folder, 's.svg'), 'utf8')
    expect(xmlFault(report)).toBeUndefined()
    expect(report).toContain('Replicas that serve, start (dashed) and leave (dotted)')
    expect(report).toMatch(/class="line s1 starting" d="M[^"]*"><title>hpa-running, starting/)
  })

  it('the same seed gives the same JSON with every queue and every scaler, another another', async () => {
    const brief = ['--workload', 'zipf', '--adapters', '9', '--rate', '10', '--seconds', '9']
    const all = [...brief, '-p', 'toppings', '--replicas', '2', '-o', 'json']
    const rules = ['--queue', 'all', '--scaler', 'all', '--cold-start-seconds', '5']
    const [first, again, other] = [
      await run(...all, ...rules, '--seed', '5'),
      await run(...all, ...rules, '--seed', '5'),
      await run(...all, ...rules, '--seed', '6'),
    ]
    expect(first.out).toBe(again.out)
    expect(first.out).not.toBe(other.out)
    const names = runsOf(first.out).map(({ queue, scaler }) => `${queue}/${scaler}`)
    expect(names).toEqual(
      queueNames.flatMap((queue) => scalerNames.map((one) => `${queue}/${one}`)),
    )
  })
})

interface JsonRun {
  readonly queue: string
  readonly scaler: string
  readonly refused: number
  readonly meanActive: number
  readonly serviceGap: { readonly max: number } | null
  readonly scaling: { readonly gpuHours: number; readonly ratio: number } | null
}

function runsOf(out: string): readonly JsonRun[] {
  return (JSON.parse(out) as { runs: readonly JsonRun[] }).runs
}

describe('mistakes are named', () => {
  const mistakes: readonly [string, readonly string[], RegExp][] = [
    ['no tape', [], /Name a tape, or a workload/],
    ['tape and workload', ['t.jsonl', '--workload', 'zipf'], /Name a tape, or a workload/],
    [
      'an unknown rule',
      [...small, '-p', 'best'],
      /--policy: there is no rule "best"; there are lora/,
    ],
    [
      'an unknown queue',
      [...small, '--queue', 'vtc,best'],
      /--queue: there is no rule "best"; there are lines, fcfs, vtc/,
    ],
    [
      'an unknown scaler',
      [...small, '--scaler', 'best'],
      /--scaler: there is no rule "best"; there are fixed, loraplex/,
    ],
    [
      'a start above the most',
      [...small, '--scaler', 'keda', '--max-replicas', '4'],
      /--replicas 8 is what scaling rules start with; .*--max-replicas 4/,
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
