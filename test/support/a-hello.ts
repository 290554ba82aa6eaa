import type { HelloMessage } from '../../src/api/agent-protocol.ts'

/** What an agent's state stream begins with. */
export const aHello: HelloMessage = {
  type: 'hello',
  replica: 'r0',
  engineProcess: 'p1',
  engineVersion: '0.32.0',
  simulated: true,
}
