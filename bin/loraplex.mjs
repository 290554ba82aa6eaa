#!/usr/bin/env node
// The `loraplex` command: from a checkout it runs the TypeScript sources, from a build the compiled ones.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { root, runOnPinnedNode } from './prepare.mjs'

const source = 'src/cli/main.ts'
const script = existsSync(join(root, source)) ? source : 'dist/cli/main.js'
runOnPinnedNode(script, process.argv.slice(2), {
  forDevelopment: false,
  // Requests are short-lived garbage: a larger young generation is collected less often.
  nodeOptions: ['--max-semi-space-size=32'],
})
