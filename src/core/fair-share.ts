/** Tokens of one request, as estimated before and as the engine counted them after. */
export interface ServedTokens {
  readonly input: number
  readonly output: number
}

/** One request's service so far, in the tenant's virtual time: cost by weight. */
export interface Charge {
  readonly tenant: string
  readonly weight: number
  readonly input: number
  amount: number
}

/** What the other gateways of the pool say, by tenant. */
export interface Elsewhere {
  readonly served: Readonly<Record<string, number>>
  readonly turns: Readonly<Record<string, number>>
  readonly now: number
}

interface Account {
  counter: number
  waiting: number
  running: number
  /** Moving average, for what is charged before the engine has counted. */
  output: number
}

/** VTC (OSDI'24): a token of output costs an engine about as much as two of input. */
const inputCost = 1
const outputCost = 2

/**
 * What an answer is taken to have before the first one ended. Too little is made up for as it comes; too much would be
 * what newcomers begin with, and would stay with them.
 */
const firstOutput = 0

/** How much one answer moves an average. */
const averagePart = 0.2

/**
 * Of so many requests a tenant keeps what it was behind when it comes back from idling: one that stays within its share
 * is not made to wait for its own small bursts. So much, and no more, is gained by idling.
 */
const keptRequests = 16

/**
 * How far a counter goes towards the other gateways', and how often. Theirs lack what was charged here a moment ago, so each
 * step takes a little of that away: with each answer, a fifth of all charges were lost, and more of one tenant's than of
 * another's.
 */
const agreement = 0.2
const agreeEveryMs = 1000

/**
 * What a tenant that waited for something else than its turn (a load, a slot) may be behind the others. Without an end to
 * it, it would have the pool alone for as long as it waited.
 */
const maxCredit = 32_768

/**
 * Whose turn it is in a pool (I15): a counter of tokens by weight for each tenant, and the least one is next. Charged when
 * a request begins, by estimate, and corrected by what the engine counted. Whoever comes back from idling begins where the
 * others are, or a few requests before: no more is saved up. VTC's rules, with the virtual time of start-time fair queueing
 * for the lift, so that it also holds between times of contention.
 */
export class FairShare {
  readonly #accounts = new Map<string, Account>()
  #now = 0
  /** The furthest of the other gateways. */
  #nowElsewhere = 0
  #agreedAtMs = Number.NEGATIVE_INFINITY
  /** Tickets that wait. */
  #waiting = 0
  #output = firstOutput
  /** Moving average of what requests added to counters. */
  #amount = 0

  /** Virtual time here: where the last request began that was ahead of all before it. */
  get now(): number {
    return this.#now
  }

  /**
   * Where the busy ones are: those who wait here. Counters of one tenant differ a little between gateways, so the others'
   * time would put a newcomer behind them. Only where nobody waits is it the better knowledge.
   */
  get #level(): number {
    return this.#waiting > 0 ? this.#now : Math.max(this.#now, this.#nowElsewhere)
  }

  /** Where newcomers begin. */
  get #entry(): number {
    return this.#level - Math.min(maxCredit, keptRequests * this.#amount)
  }

  /** Tenants whose counters are kept. */
  get size(): number {
    return this.#accounts.size
  }

  turnOf(tenant: string): number {
    return this.#accounts.get(tenant)?.counter ?? this.#entry
  }

  /** What one request of this tenant adds to its counter, by what is known of it. */
  costOf(tenant: string, weight: number, inputTokens: number): number {
    const output = this.#accounts.get(tenant)?.output ?? this.#output
    return costOf({ input: inputTokens, output }) / weight
  }

  /** One request more waits. */
  enter(tenant: string): void {
    this.#open(tenant).waiting += 1
    this.#waiting += 1
  }

  /** One that waited does not any more: it was placed, after `begin`, or it went away. */
  leave(tenant: string): void {
    const account = this.#accounts.get(tenant)
    if (account !== undefined) {
      account.waiting -= 1
      this.#waiting -= 1
    }
  }

  /** A request goes to an engine. */
  begin(tenant: string, weight: number, inputTokens: number): Charge {
    const account = this.#open(tenant)
    account.running += 1
    const start = Math.max(account.counter, this.#level - maxCredit)
    this.#now = Math.max(this.#now, start)
    const amount = this.costOf(tenant, weight, inputTokens)
    account.counter = start + amount
    return { tenant, weight, input: inputTokens, amount }
  }

  /** It has got more than it was charged for; answers by how much the charge grew. */
  progress(charge: Charge, outputTokens: number): number {
    const amount = costOf({ input: charge.input, output: outputTokens }) / charge.weight
    return this.#correct(charge, Math.max(charge.amount, amount))
  }

  /** It is over; answers by how much the charge was wrong. Tokens are undefined where the engine counted none. */
  end(charge: Charge, tokens: ServedTokens | undefined): number {
    const account = this.#accounts.get(charge.tenant)
    const real = tokens ?? { input: charge.input, output: 0 }
    const amount = costOf(real) / charge.weight
    if (account !== undefined) {
      account.running -= 1
      if (tokens !== undefined) {
        account.output += averagePart * (tokens.output - account.output)
        this.#output += averagePart * (tokens.output - this.#output)
      }
    }
    this.#amount += averagePart * (amount - this.#amount)
    return this.#correct(charge, amount)
  }

  /**
   * What the other gateways served since they last said so, and how far they are. A tenant that begins where others are
   * does so at one gateway; what its counters differ by for that reason would let each gateway prefer another tenant for
   * as long. So they move together, up as well as down: what is still on its way evens out.
   * @param atMs monotonic
   */
  learn({ served, turns, now }: Elsewhere, atMs: number): void {
    this.#nowElsewhere = now
    for (const [tenant, amount] of Object.entries(served)) {
      const account = this.#accounts.get(tenant)
      if (account !== undefined) {
        account.counter += amount
      } else if (amount > 0) {
        this.#accounts.set(tenant, this.#newAccount(this.#entry + amount))
      }
    }
    if (Object.keys(turns).length > 0 && atMs - this.#agreedAtMs >= agreeEveryMs) {
      this.#agreedAtMs = atMs
      this.#agree(turns)
    }
  }

  #agree(turns: Elsewhere['turns']): void {
    for (const [tenant, turn] of Object.entries(turns)) {
      const account = this.#accounts.get(tenant)
      if (account !== undefined) {
        account.counter += agreement * (turn - account.counter)
      }
    }
  }

  /** Forgets who is idle and would begin where the others are in any case. */
  tidy(): void {
    for (const [tenant, { counter, waiting, running }] of this.#accounts) {
      if (waiting === 0 && running === 0 && counter <= this.#entry) {
        this.#accounts.delete(tenant)
      }
    }
  }

  #open(tenant: string): Account {
    const account = this.#accounts.get(tenant) ?? this.#newAccount(this.#entry)
    if (account.waiting === 0) {
      account.counter = Math.max(account.counter, this.#entry)
    }
    this.#accounts.set(tenant, account)
    return account
  }

  #newAccount(counter: number): Account {
    return { counter, waiting: 0, running: 0, output: this.#output }
  }

  #correct(charge: Charge, amount: number): number {
    const difference = amount - charge.amount
    charge.amount = amount
    const account = this.#accounts.get(charge.tenant)
    if (account !== undefined) {
      account.counter += difference
    }
    return difference
  }
}

function costOf({ input, output }: ServedTokens): number {
  return inputCost * input + outputCost * output
}
