/** Something requests are sent to: a yardstick, the gateway, or the upstream itself. */
export interface Target {
  readonly name: TargetName
  /** `http://127.0.0.1:41233` */
  readonly url: string
  /** What a caller of it sends besides content type and length. */
  readonly headers: Readonly<Record<string, string>>
  /** What a caller writes in `model`. */
  readonly model: string
  /** The part of a suite's requests that it gets; absent: all. One so slow that it would take up the run's time gets fewer. */
  readonly workShare?: number
  /** Root of the process tree that does the work. */
  readonly pid: number
  stop(): Promise<void>
}

export const targetNames = ['nginx', 'bare', 'litellm', 'gateway'] as const
export type TargetName = (typeof targetNames)[number] | 'direct'
