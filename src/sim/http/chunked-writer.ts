import type { ServerResponse } from 'node:http'

/**
 * Writes one HTTP chunk with one system call. `response.write` makes three pieces of it and a tick of its own; at
 * thousands of chunks a second that is most of the time. The head must have been flushed; `response.end` ends as usual.
 */
export function writeChunk(response: ServerResponse, text: string): void {
  const { socket } = response
  if (socket === null || !socket.writable) {
    return
  }
  const bytes = Buffer.byteLength(text)
  const encoding = bytes === text.length ? 'latin1' : 'utf8'
  socket.write(`${bytes.toString(16)}\r\n${text}\r\n`, encoding)
}
