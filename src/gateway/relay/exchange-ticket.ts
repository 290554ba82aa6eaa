import type { Caller, RouteTarget } from '../../core/resolve.ts'
import type { PromptPrefix } from '../../core/prefix-affinity.ts'
import type { LoraplexError } from '../../errors.ts'
import type { Patience } from '../admission/patience.ts'
import type { Ticket } from '../admission/ticket.ts'
import { countForm } from '../forms/plain-forms.ts'
import type { Charge } from '../metering/charge.ts'
import type { Suspicion } from '../quarantine/suspicion.ts'
import type { ReplicaView } from '../replica-view.ts'
import type { InferenceRequest } from '../request/inference-request.ts'

/** What of an exchange its admission has to do with. */
export interface TicketParts {
  readonly caller: Caller
  readonly target: RouteTarget
  readonly request: InferenceRequest
  readonly charge: Charge
  readonly prefix: PromptPrefix | undefined
  readonly patience: Patience
  readonly suspicion: Suspicion
}

/** A class: an object with getters of its own would cost each request a shape. */
export class ExchangeTicket implements Ticket {
  readonly revision: string | undefined
  readonly tenant: string
  readonly weight: number
  readonly sizeBytes: number
  readonly isStreamed: boolean
  readonly isCount: boolean
  readonly cameAt: number
  readonly contextWindow: number | undefined
  readonly outputCap: number | undefined
  readonly prefix: PromptPrefix | undefined
  readonly deadline: number
  readonly coldStart: Patience['coldStart']
  readonly tried = new Set<string>()
  lost: Ticket['lost'] = undefined
  served: Ticket['served'] = undefined
  readonly place: (view: ReplicaView) => void
  readonly refuse: (error: LoraplexError) => void
  readonly #suspicion: Suspicion

  constructor(
    { target, caller, request, charge, prefix, patience, suspicion }: TicketParts,
    cameAt: number,
    place: (view: ReplicaView) => void,
    refuse: (error: LoraplexError) => void,
  ) {
    this.revision = target.revision
    this.tenant = caller.tenant
    this.weight = caller.weight
    this.sizeBytes = request.sizeBytes
    this.isStreamed = request.stream
    this.isCount = request.endpoint.form === countForm
    this.cameAt = cameAt
    this.contextWindow = charge.contextWindow
    const { answers, outputCap } = request.measure
    this.outputCap = answers === 0 ? 0 : outputCap === undefined ? undefined : outputCap * answers
    this.prefix = prefix
    this.deadline = patience.deadline
    this.coldStart = patience.coldStart
    this.place = place
    this.refuse = refuse
    this.#suspicion = suspicion
  }

  get isOnTrial(): boolean {
    return this.#suspicion.isOnTrial
  }
}
