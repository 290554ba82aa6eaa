import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Agent, request } from 'undici'
import { fixtures } from './service.ts'

interface Row {
  readonly messages: readonly { readonly role: string; readonly content: string }[]
  readonly expected: string
}

export interface Place {
  readonly url: string
  readonly key: string
  readonly model: string
}

/** Exact matches over the first of the 80 held-out rows of an adapter, greedy; the row's answer is trimmed. */
export async function score(place: Place, evaluation: string, first = 80): Promise<number> {
  const rows = readFileSync(join(fixtures, 'evaluations', `${evaluation}.jsonl`), 'utf8')
    .trimEnd()
    .split('\n')

    .slice(0, first)
    .map((line) => JSON.parse(line) as Row)
  const agent = new Agent({ connections: null, pipelining: 1, allowH2: false })
  let next = 0
  let hits = 0
  const worker = async (): Promise<void> => {
    for (let row = rows[next++]; row !== undefined; row = rows[next++]) {
      const answer = await request(`${place.url}/v1/chat/completions`, {
        method: 'POST',
        dispatcher: agent,
        headers: { authorization: `Bearer ${place.key}`, 'content-type': 'application/json' },
        body: JSON.stringify({
          model: place.model,
          messages: row.messages,
          max_tokens: 80,
          temperature: 0,
        }),
      })
      const body = await answer.body.text()
      if (answer.statusCode !== 200) {
        throw new Error(`${place.model}: ${answer.statusCode} ${body}`)
      }
      const { choices } = JSON.parse(body) as { choices: { message: { content: string } }[] }
      hits += choices[0]?.message.content.trim() === row.expected ? 1 : 0
    }
  }
  await Promise.all(Array.from({ length: 8 }, worker))
  await agent.close()
  return hits
}
