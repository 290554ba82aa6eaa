import type { LabRequest } from './lab-request.ts'

/** Tries to send a request; false: there is no place for it now. */
export type Take = (request: LabRequest) => boolean

/** Who waits at the gateway, and in which order they are sent when places become free. */
export interface RequestQueue {
  readonly name: string
  /** Where the rule comes from. */
  readonly source: string
  /** Requests that wait. */
  readonly length: number
  /** Those that were turned away; undefined: it turns nobody away. */
  readonly refused?: ReadonlySet<LabRequest> | undefined
  /** It is sent at once, kept, or refused. */
  arrive(request: LabRequest, take: Take, nowMs: number): void
  /** Something changed at a replica: whoever can go now goes. */
  offer(take: Take, nowMs: number): void
  /** One more token of a request that was sent. */
  token?(request: LabRequest, nowMs: number): void
  /** After its last token. */
  ended?(request: LabRequest, nowMs: number): void
}
