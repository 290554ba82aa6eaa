#!/usr/local/bin/node
// What the image starts. The first process of a container has no default answer to signals: one that comes before
// anybody listens would be lost, and the pod would stay for as long as a stream may last.
for (const [signal, number] of [
  ['SIGTERM', 15],
  ['SIGINT', 2],
]) {
  process.on(signal, () => {
    if (process.listenerCount(signal) === 1) {
      process.exit(128 + number)
    }
  })
}
void import('../dist/cli/main.js')
