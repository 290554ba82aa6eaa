import { readFileSync } from 'node:fs'
import { runLab } from '../src/sim/lab/run-lab.ts'
import { createRandom, exponential, lengthOf } from '../src/sim/lab/random.ts'
import { send } from '../src/sim/lab/policy.ts'
const args = JSON.parse(process.argv[2] ?? '{}')
const text = readFileSync('../shared/data/vllm-lora-runs.csv','utf8').trim().split('\n')
const head = text[0]!.split(',')
const rows = text.slice(1).map(l => Object.fromEntries(l.split(',').map((v,i)=>[head[i],v]))) as Record<string,string>[]
const kv16: Record<number,number> = {}
const prof = { name:'x', stepMs: args.a ?? 12.6, perRequestMs: args.b ?? 0.044, perAdapterMs: args.c ?? 0.463, perAdapterRequestMs: args.e ?? 0, perSlotMs: args.d ?? 0.024, perPrefillTokenMs: args.p ?? 0.057, freePrefillTokens: args.f ?? 0, hostToSlotMs: 6.4, diskToHostMs: 0, kvTokens: args.kv ?? 308000, kvTokensPerSlotRank: args.ks ?? 47 }
const sel = rows.filter(r => r.model!.startsWith(args.model ?? 'llama') && r.max_lora_rank === String(args.rank ?? 16) && r.regime === (args.regime ?? 'stable'))
const step = Math.max(1, Math.floor(sel.length / (args.n ?? 20)))
let e=0, te=0, n=0, tt=0, w=0
for (let i = args.off ?? 0; i < sel.length; i += step) {
  const r = sel[i]!
  const random = createRandom(Number(i)+1)
  const secs = args.seconds ?? Number(r.duration_s)
  const rates: number[] = []
  for (const part of r.adapter_rates_rps!.split(';')) { const [v,c] = part.split('x'); for (let k=0;k<Number(c);k++) rates.push(Number(v)) }
  const tape: any[] = []
  for (const [a, rate] of rates.entries()) { for (let t=exponential(random)*1000/rate; t<secs*1000; t+=exponential(random)*1000/rate) tape.push({atMs:t, tenant:'t', adapter:'a'+a, inputTokens: lengthOf(random, Number(r.mean_input_tokens), args.icv ?? 1.2), outputTokens: lengthOf(random, Number(r.mean_output_tokens), args.ocv ?? 1.0), blocks: []}) }
  tape.sort((x,y)=>x.atMs-y.atMs)
  const S = Number(r.max_loras)
  const kv = prof.kvTokens - prof.kvTokensPerSlotRank*S*Number(r.max_lora_rank)
  const run = runLab({ tape, replicas: 1, seed: 1, afterMs: 0, engine: { profile: prof, maxLoras: S, maxCpuLoras: Math.max(S, rates.length), maxNumSeqs: 2048, maxNumBatchedTokens: 2048, kvTokens: kv }, policy: { name:'one', source:'', isPlanned:false, route:(_q,v)=>send(v.replicas[0]!) } })
  const done = run.requests.filter(q=>!Number.isNaN(q.endMs))
  const tp = done.reduce((s,q)=>s+q.outputTokens,0)/secs, tpot = done.filter(q=>q.outputTokens>1).reduce((s,q)=>s+q.tpotMs,0)/done.length, ttft = done.reduce((s,q)=>s+q.ttftMs,0)/done.length/1000
  const E=(x:number,y:number)=>(x/y-1)*100
  const a=E(tp,Number(r.throughput_out_tok_s)), b=E(tpot,Number(r.tpot_mean_ms)), c=ttft/Number(r.ttft_mean_s)
  e+=Math.abs(a); te+=Math.abs(b); n++; tt+=Math.abs(Math.log2(c)); if (c>0.5&&c<2) w++
  if (args.v) console.log(r.run_id, 'S',S,'N',rates.length,'rps',r.offered_rps,'tp',tp.toFixed(0),a.toFixed(1)+'%','tpot',tpot.toFixed(1),r.tpot_mean_ms,b.toFixed(1)+'%','ttft',ttft.toFixed(3),r.ttft_mean_s, 'run', r.running_mean, 'wait', r.waiting_mean)
}
console.log(JSON.stringify(args), 'rows',n,'throughput err',(e/n).toFixed(2),'tpot mape',(te/n).toFixed(2),'ttft |log2|',(tt/n).toFixed(2),'within 2x',w)
