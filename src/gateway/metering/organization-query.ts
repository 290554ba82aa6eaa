import type { UsageGroup } from '../../ledger/usage/types.ts'
import { invalid } from '../endpoints/invalid.ts'

/** OpenAI's words for what sums are split by. */
export type Grouping = 'project_id' | 'user_id' | 'api_key_id' | 'model'

export const groupsOf: Readonly<Record<Grouping, readonly UsageGroup[]>> = {
  project_id: ['namespace'],
  user_id: ['userHash'],
  api_key_id: ['keyId'],
  model: ['namespace', 'adapter', 'pool'],
}

export interface OrganizationQuery {
  /** Buckets of this page, in seconds since 1970; the last entry is where the last one ends. */
  readonly edges: readonly number[]
  readonly groupings: readonly Grouping[]
  /** Where the next page starts; undefined: this is the last. */
  readonly next: number | undefined
}

interface Width {
  readonly seconds: number
  readonly preset: number
  readonly most: number
}

export const widths: Readonly<Record<string, Width>> = {
  '1m': { seconds: 60, preset: 60, most: 1440 },
  '1h': { seconds: 3600, preset: 24, most: 168 },
  '1d': { seconds: 86_400, preset: 7, most: 31 },
}

/** @throws LoraplexError invalid_request */
export function readOrganizationQuery(
  query: Readonly<Record<string, unknown>>,
  allowed: Readonly<Record<string, Width>>,
  nowMs: number,
): OrganizationQuery {
  const widthName = one(query, 'bucket_width') ?? '1d'
  const width = Object.hasOwn(allowed, widthName) ? allowed[widthName] : undefined
  if (width === undefined) {
    throw invalid(
      `'bucket_width' must be one of ${Object.keys(allowed).join(', ')}.`,
      'bucket_width',
    )
  }
  const start = seconds(query, 'start_time')
  if (start === undefined) {
    throw invalid("'start_time' is required: seconds since 1970.", 'start_time')
  }
  const end = seconds(query, 'end_time') ?? Math.floor(nowMs / 1000) + 1
  const limit = Math.min(width.most, Math.max(1, seconds(query, 'limit') ?? width.preset))
  const from = Math.max(start, seconds(query, 'page') ?? start)
  const edges = [from]
  let at = from
  while (at < end && edges.length <= limit) {
    at = Math.min(end, (Math.floor(at / width.seconds) + 1) * width.seconds)
    edges.push(at)
  }
  return { edges, groupings: groupings(query), next: at < end ? at : undefined }
}

function groupings(query: Readonly<Record<string, unknown>>): readonly Grouping[] {
  const given = query['group_by'] ?? query['group_by[]'] ?? []
  const names =
    typeof given === 'string' ? given.split(',') : Array.isArray(given) ? given.map(String) : []
  for (const name of names) {
    if (!Object.hasOwn(groupsOf, name)) {
      throw invalid(`'group_by' may hold ${Object.keys(groupsOf).join(', ')}.`, 'group_by')
    }
  }
  return names as readonly Grouping[]
}

function one(query: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = query[name]
  return typeof value === 'string' && value !== '' ? value : undefined
}

function seconds(query: Readonly<Record<string, unknown>>, name: string): number | undefined {
  const text = one(query, name)
  if (text === undefined) {
    return undefined
  }
  if (!/^\d{1,11}$/.test(text)) {
    throw invalid(`'${name}' must be a whole number.`, name)
  }
  return Number(text)
}
