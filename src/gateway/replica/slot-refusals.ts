import { slotDefaults } from '../../core/slots.ts'

/** As long as a busy adapter may keep its slot while others wait. */
const refusalMs = slotDefaults.quantumMs

/** Slots that were asked for at one replica and not granted: who was refused asks elsewhere before it believes figures that are a little old. */
export class SlotRefusals {
  readonly #atMs = new Map<string, number>()

  /** Not granted when it was asked for last, a moment ago. */
  has(revision: string, nowMs: number): boolean {
    return nowMs - (this.#atMs.get(revision) ?? Number.NEGATIVE_INFINITY) < refusalMs
  }

  /** A call was answered, or failed. */
  note(wanted: readonly string[], isGranted: (revision: string) => boolean, nowMs: number): void {
    for (const revision of this.#atMs.keys()) {
      if (isGranted(revision) || !this.has(revision, nowMs)) {
        this.#atMs.delete(revision)
      }
    }
    for (const revision of wanted) {
      if (!isGranted(revision)) {
        this.#atMs.set(revision, nowMs)
      }
    }
  }
}
