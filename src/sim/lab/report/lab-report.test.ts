import { describe, expect, it } from 'vitest'
import { xmlFault } from '../../../../test/support/well-formed-xml.ts'
import { labCosts, labEngine } from '../lab-engine.ts'
import { recordOf, type LabRecord } from '../lab-record.ts'
import { policyNamed } from '../policy-names.ts'
import { runLab } from '../run-lab.ts'
import { scaledTape } from '../scaled-tape.ts'
import { Timeline } from '../timeline.ts'
import { syntheticTape } from '../workloads/synthetic.ts'
import { tiny } from '../../profile.ts'
import { labReport } from './lab-report.ts'

const objective = { ttftMs: 200, tpotMs: 10 }
const engine = labEngine({
  profile: tiny,
  maxLoras: 4,
  maxCpuLoras: 20,
  maxLoraRank: 16,
  maxNumSeqs: 64,
  maxNumBatchedTokens: 2048,
})

function recordsAt(loads: readonly number[], names: readonly string[]): readonly LabRecord[] {
  const tape = syntheticTape({ adapters: 20, zipf: 1, rate: 20, seconds: 20, seed: 1 })
  return loads.flatMap((load) =>
    names.flatMap((name) => {
      const context = { costs: labCosts(engine), objective, kvTokens: engine.kvTokens }
      const policy = policyNamed(name, context)
      if (policy === undefined) {
        return []
      }
      const timeline = new Timeline()
      const run = runLab({
        tape: scaledTape(tape, load),
        policy,
        replicas: 2,
        engine,
        seed: 1,
        observer: timeline,
      })
      return [recordOf(run, { load, objective, warmUpMs: 0, timeline: timeline.points })]
    }),
  )
}

function reportOf(records: readonly LabRecord[], title = 'Routing rules'): string {
  return labReport({ title, words: ['what was run'], records, objective, maxLoras: 4 })
}

describe('a report', () => {
  const one = reportOf(recordsAt([1], ['random', 'loraplex']))
  const many = reportOf(recordsAt([0.5, 1, 2], ['random', 'loraplex']))

  it('is well-formed and stands alone', () => {
    expect(xmlFault(one)).toBeUndefined()
    expect(xmlFault(many)).toBeUndefined()
    expect(one).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" viewBox="0 0 1140 /)
    expect(many.replace('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|href|<script|url\(/)
  })

  it('has no value that is no number', () => {
    expect(many).not.toMatch(/NaN|Infinity|undefined/)
  })

  it('has titles, units and objectives of every chart', () => {
    for (const words of [
      'Load: ',
      'Queue: ',
      'Slots: ',
      'Replicas that take requests',
      'Time to first token, p99',
      'Time per output token, p99',
      'requests/s',
      'time, seconds',
      'max_loras 4',
      'objective 200 ms',
      'objective 10 ms',
    ]) {
      expect(one).toContain(words)
    }
  })

  it('has the figures of every rule, and lines in its style', () => {
    expect(one).toContain('>random</text>')
    expect(one).toContain('>loraplex</text>')
    expect(one.match(/class="line s0"/g)?.length).toBe(7)
    expect(one.match(/class="line s1"/g)?.length).toBe(7)
  })

  it('has attainment by load where there are several loads, and how much a rule takes', () => {
    expect(one).not.toContain('by load')
    expect(many).toContain('Requests within the objective by load')
    expect(many).toContain('99 % UP TO')
    expect(many.match(/<circle/g)?.length).toBe(6)
    expect(many).toContain('at 1 × the tape’s load')
  })

  it('follows the reader’s colour scheme', () => {
    expect(one).toContain('@media (prefers-color-scheme:dark)')
  })

  it('escapes what users wrote', () => {
    const nasty = reportOf(recordsAt([1], ['random']), '</text><script>"&\u0007')
    expect(xmlFault(nasty)).toBeUndefined()
    expect(nasty).toContain('&lt;/text&gt;&lt;script&gt;&quot;&amp;�')
  })
})

describe('xmlFault', () => {
  it.each([
    '<a><b></a></b>',
    '<a>',
    '<a x="1" x="2"/>',
    '<a>&nbsp;</a>',
    '<a>1 < 2</a>',
    '<a x="&"/>',
  ])('finds what is wrong with %s', (text) => {
    expect(xmlFault(text)).toBeDefined()
  })
})
