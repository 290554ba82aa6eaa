import { MemoryLedger } from '../../ledger/memory-ledger.ts'
import { Meter } from './meter.ts'

/** Limits that hold for as long as the process lives, and no bills. */
export function memoryMeter(userSecret: Buffer): Meter {
  return new Meter({ ledger: new MemoryLedger(), record: () => undefined, userSecret })
}
