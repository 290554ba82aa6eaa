import type { LabRequest } from './lab-request.ts'
import type { RequestQueue, Take } from './request-queue.ts'

/** Requests that wait at the gateway, a line for each adapter; first come, first served within a line. */
export class WaitingLines implements RequestQueue {
  readonly name = 'adapter-lines'
  readonly source = 'a line for each adapter; what the lab’s routing figures are taken with'
  readonly #lines = new Map<number, LabRequest[]>()
  #length = 0

  get length(): number {
    return this.#length
  }

  arrive(request: LabRequest, take: Take): void {
    if (!take(request)) {
      this.add(request)
    }
  }

  add(request: LabRequest): void {
    const id = request.adapter?.id ?? 0
    const line = this.#lines.get(id)
    this.#length += 1
    if (line === undefined) {
      this.#lines.set(id, [request])
    } else {
      line.push(request)
    }
  }

  /** Offers the head of each line, the longest waiting first, again and again until nobody is taken. */
  offer(take: Take): void {
    const heads = [...this.#lines.values()].sort(
      (left, right) => (left[0]?.arrivedMs ?? 0) - (right[0]?.arrivedMs ?? 0),
    )
    for (const line of heads) {
      let taken = 0
      for (const request of line) {
        if (!take(request)) {
          break
        }
        taken += 1
      }
      this.#drop(line, taken)
    }
  }

  #drop(line: LabRequest[], taken: number): void {
    this.#length -= taken
    const id = line[0]?.adapter?.id ?? 0
    line.splice(0, taken)
    if (line.length === 0) {
      this.#lines.delete(id)
    }
  }
}
