#!/usr/bin/env node
// `node bin/run.mjs SCRIPT ARGS…`: a script of this checkout on the pinned Node, dependencies installed.
import process from 'node:process'
import { runOnPinnedNode } from './prepare.mjs'

const [script, ...args] = process.argv.slice(2)
if (script === undefined) {
  process.stderr.write('use: node bin/run.mjs SCRIPT [ARGS…]\n')
  process.exit(2)
}
runOnPinnedNode(script, args, { forDevelopment: true })
