import type { LabRequest } from '../lab-request.ts'
import { FirstCome } from './first-come.ts'

const minuteMs = 60_000

/** So many requests a minute of each tenant, first come, first served; more are refused, even while engines idle. */
export class RequestsPerMinute extends FirstCome {
  override readonly name: string
  override readonly source =
    'VTC-artifact, slora/server/router/lshare_req_queue.py: a sliding minute, refused when they come'
  readonly #limit: number
  /** By tenant: when those of the last minute came. */
  readonly #admitted = new Map<string, number[]>()

  constructor(limit: number) {
    super()
    this.name = `rpm-${limit}`
    this.#limit = limit
  }

  admits({ entry }: LabRequest, nowMs: number): boolean {
    const recent = (this.#admitted.get(entry.tenant) ?? []).filter((at) => nowMs - at <= minuteMs)
    const isAdmitted = recent.length < this.#limit
    this.#admitted.set(entry.tenant, isAdmitted ? [...recent, nowMs] : recent)
    return isAdmitted
  }
}
