import type { ControllerProcess } from '../../src/cluster/controller-process.ts'
import { BugError } from '../../src/errors.ts'
import type { ControllerBed } from './controller-bed.ts'

export interface Death {
  /** Counted from 1; never for 0. */
  readonly at: number
  readonly side: 'before' | 'after'
}

/** A controller that dies at one of its writes, and another one in its place from then on. */
export class MortalController {
  writes = 0
  readonly #bed: ControllerBed
  readonly #death: Death
  #isDead = false
  #running: ControllerProcess | undefined

  static async start(bed: ControllerBed, death: Death): Promise<MortalController> {
    const controller = new MortalController(bed, death)
    await controller.#start()
    return controller
  }

  private constructor(bed: ControllerBed, death: Death) {
    this.#bed = bed
    this.#death = death
  }

  get hasDied(): boolean {
    return this.#isDead
  }

  /** Called all the time: a dead one is buried, and the next begins from what it finds. */
  async tend(): Promise<void> {
    if (this.#isDead && this.#running !== undefined) {
      const dead = this.#running
      this.#running = undefined
      await dead.close()
      await this.#bed.controller()
    }
  }

  async #start(): Promise<void> {
    this.#running = await this.#bed.controller({
      writes: {
        beforeWrite: () => {
          this.writes += 1
          this.#dieAt('before')
        },
        afterWrite: () => this.#dieAt('after'),
      },
    })
  }

  #dieAt(side: Death['side']): void {
    this.#isDead ||= this.#death.side === side && this.writes === this.#death.at
    if (this.#isDead) {
      throw new BugError('this controller is dead')
    }
  }
}
