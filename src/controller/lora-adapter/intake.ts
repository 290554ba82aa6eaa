import type { Intake } from '../../core/adapter-plan.ts'
import type {
  AdapterProblem,
  FetchOutcome,
  PreflightOptions,
  PreflightVerdict,
  StoredAdapter,
} from '../../artifacts/types.ts'
import type { SourceOrigin } from '../../wire/depot-protocol.ts'

/** What has to be true of an adapter's content; a change of any part starts it over. */
export interface IntakeRequest {
  readonly uri: string
  readonly baseFolder: string
  readonly expectedDigest: string | undefined
  /** Content that was fetched for this very spec before; it is not resolved again. */
  readonly knownDigest: string | undefined
  readonly generation: number
  readonly preflight: PreflightOptions
  /** In a cluster: whose it is, and on whose credentials it is read. */
  readonly origin?: SourceOrigin
}

export interface IntakeTools {
  fetch(request: IntakeRequest, signal: AbortSignal): Promise<FetchOutcome>
  stored(digest: string, request: IntakeRequest): Promise<StoredAdapter | undefined>
  preflight(
    path: string,
    options: PreflightOptions,
    signal: AbortSignal,
    request: IntakeRequest,
  ): Promise<PreflightVerdict>
  /** Something became known: look again. */
  readonly onChange: () => void
}

interface Job {
  readonly fingerprint: string
  readonly request: IntakeRequest
  isRunning: boolean
  /** What its request was made of. */
  parts: readonly unknown[]
  readonly abort: AbortController
  intake: Intake
  /** What its source gave; another look needs no other fetch. */
  digest: string | undefined
  retryTimer: NodeJS.Timeout | undefined
  failures: number
}

const firstRetryMs = 1000
const maxRetryMs = 60_000

/** Fetches and checks adapters in the background, each content once a spec; what failed for a while is tried again. */
export class AdapterIntake {
  readonly #tools: IntakeTools
  readonly #jobs = new Map<string, Job>()

  constructor(tools: IntakeTools) {
    this.#tools = tools
  }

  /** What is known now of a request that was made of these very values; undefined: make it. */
  recall(adapterKey: string, parts: readonly unknown[]): Intake | undefined {
    const job = this.#jobs.get(adapterKey)
    const isSame =
      job?.parts.length === parts.length && job.parts.every((one, at) => one === parts[at])
    return isSame ? job.intake : undefined
  }

  /** What is known of a spec of this generation; undefined: nobody has begun on it. */
  peek(adapterKey: string, generation: number): Intake | undefined {
    const job = this.#jobs.get(adapterKey)
    return job?.request.generation === generation ? job.intake : undefined
  }

  /** What is known now; starts the work where it has not begun. `parts` is for `recall`. */
  of(adapterKey: string, request: IntakeRequest, parts: readonly unknown[] = []): Intake {
    const fingerprint = JSON.stringify([
      request.uri,
      request.baseFolder,
      request.expectedDigest ?? '',
      request.generation,
      request.preflight,
      request.origin,
    ])
    const existing = this.#jobs.get(adapterKey)
    if (existing?.fingerprint === fingerprint) {
      existing.parts = parts
      return existing.intake
    }
    existing?.abort.abort()
    clearTimeout(existing?.retryTimer)
    const job: Job = {
      fingerprint,
      request,
      isRunning: false,
      parts,
      abort: new AbortController(),
      intake: { state: 'Pending', message: pendingWords(request) },
      digest: request.knownDigest,
      retryTimer: undefined,
      failures: 0,
    }
    this.#jobs.set(adapterKey, job)
    void this.#run(job)
    return job.intake
  }

  /** Content that is not in the store any more, by pool: it is fetched again. What was accepted stays so meanwhile. */
  lost(missing: Readonly<Record<string, readonly string[]>>): void {
    for (const job of this.#jobs.values()) {
      const { intake, request, isRunning, retryTimer } = job
      const isLost =
        intake.state === 'Accepted' &&
        missing[request.origin?.poolKey ?? '']?.includes(intake.digest) === true
      if (isLost && !isRunning && retryTimer === undefined) {
        void this.#run(job)
      }
    }
  }

  /** Ends and forgets the work for adapters that are gone. */
  retain(adapterKeys: { has(key: string): boolean }): void {
    for (const [key, job] of this.#jobs) {
      if (!adapterKeys.has(key)) {
        this.#jobs.delete(key)
        stop(job)
      }
    }
  }

  /** Digests that some adapter's present spec stands for. */
  digests(): ReadonlySet<string> {
    const digests = new Set<string>()
    for (const { intake } of this.#jobs.values()) {
      if (intake.state === 'Accepted' || intake.state === 'Refused') {
        digests.add(intake.digest)
      }
    }
    return digests
  }

  /** Whether content may be on its way into the store right now. */
  get busy(): boolean {
    return [...this.#jobs.values()].some((job) => job.intake.state === 'Pending')
  }

  close(): void {
    for (const job of this.#jobs.values()) {
      stop(job)
    }
    this.#jobs.clear()
  }

  async #run(job: Job): Promise<void> {
    const { signal } = job.abort
    job.isRunning = true
    try {
      const { intake, again } = await this.#take(job, job.request, signal)
      if (signal.aborted) {
        return
      }
      settle(job, intake)
      if (again) {
        this.#retryLater(job)
      }
    } catch (error) {
      if (signal.aborted) {
        return
      }
      const name = error instanceof Error ? error.name : 'error'
      const message = `The source could not be read (${name}). It is tried again.`
      settle(job, failed({ reason: 'FetchFailed', message }))
      this.#retryLater(job)
    } finally {
      job.isRunning = false
    }
    this.#tools.onChange()
  }

  async #take(
    job: Job,
    request: IntakeRequest,
    signal: AbortSignal,
  ): Promise<{ readonly intake: Intake; readonly again: boolean }> {
    const known =
      job.digest === undefined ? undefined : await this.#tools.stored(job.digest, request)
    const fetched: FetchOutcome =
      known === undefined
        ? await this.#tools.fetch(request, signal)
        : { outcome: 'Stored', adapter: known }
    if (fetched.outcome !== 'Stored') {
      return {
        intake: failed(fetched.problem),
        again: fetched.outcome === 'Failed' || isSourceMissing(fetched.problem),
      }
    }
    const { digest, path, sizeBytes } = fetched.adapter
    job.digest = digest
    const verdict = await this.#tools.preflight(path, request.preflight, signal, request)
    const again =
      verdict.verdict === 'Failed' ||
      (verdict.verdict === 'Unknown' && verdict.provisional === true)
    return { intake: judge(digest, sizeBytes, verdict), again }
  }

  #retryLater(job: Job): void {
    const delayMs = Math.min(maxRetryMs, firstRetryMs * 2 ** job.failures)
    job.failures += 1
    job.retryTimer = setTimeout(() => {
      job.retryTimer = undefined
      void this.#run(job)
    }, delayMs)
    job.retryTimer.unref()
  }
}

/** In the status, so that it is not lost with a controller that ends meanwhile. */
function pendingWords({ knownDigest }: IntakeRequest): string {
  return knownDigest === undefined
    ? 'The source is being fetched and checked.'
    : `sha256:${knownDigest}`
}

/** What was accepted stays so while another look at it fails. */
function settle(job: Job, intake: Intake): void {
  if (job.intake.state !== 'Accepted' || intake.state !== 'FetchFailed') {
    job.intake = intake
  }
}

function stop(job: Job): void {
  clearTimeout(job.retryTimer)
  job.abort.abort()
}

/** A folder that is not there yet may be on its way; what an operator has not allowed may be allowed later. */
function isSourceMissing(problem: AdapterProblem): boolean {
  return problem.reason === 'SourceNotFound' || problem.reason === 'SourceForbidden'
}

function failed(problem: AdapterProblem): Intake {
  return { state: 'FetchFailed', reason: problem.reason, message: problem.message }
}

function judge(digest: string, sizeBytes: number, verdict: PreflightVerdict): Intake {
  switch (verdict.verdict) {
    case 'Refused':
      return {
        state: 'Refused',
        digest,
        reason: verdict.problems[0]?.reason ?? 'Refused',
        message: verdict.problems.map((problem) => problem.message).join(' '),
      }
    case 'Failed':
      return failed(verdict.problem)
    case 'Compatible':
    case 'Unknown':
      return {
        state: 'Accepted',
        digest,
        sizeBytes,
        rank: verdict.facts.rank,
        compatible: verdict.verdict === 'Compatible' ? 'True' : 'Unknown',
        notices: verdict.notices,
      }
    default:
      return verdict satisfies never
  }
}
