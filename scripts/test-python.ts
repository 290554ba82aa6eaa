// `npm run test:python`: puts OpenAI's and Anthropic's Python clients into a cache folder once, then runs the tests of the clients.
import { preparePython } from '../test/support/python.ts'
import { runTiers } from './test/run-tiers.ts'

const clients = {
  project: 'system',
  what: "OpenAI's and Anthropic's clients",
  prepare: async () => void (await preparePython()),
}
await runTiers([clients], ['test/clients'], [])
