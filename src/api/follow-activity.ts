import type { ActivityMessage } from './agent-protocol.ts'

/** What is in flight at an engine, after the message. */
export function followActivity(
  active: Set<string>,
  { began, ended }: Pick<ActivityMessage, 'began' | 'ended'>,
): void {
  ended.forEach((revision) => active.delete(revision))
  began.forEach((revision) => active.add(revision))
}
