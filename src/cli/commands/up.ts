import { isIPv4 } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { resolve } from 'node:path'
import { adapterLines, engineLines, type AdapterLine } from '../../standalone/progress.ts'
import { Standalone } from '../../standalone/standalone.ts'
import { openAdminAuth, type AdminAuth } from '../../telemetry/admin-auth.ts'
import { createLogger } from '../../telemetry/logger.ts'
import { createTokenAdminAuth } from '../../telemetry/token-admin-auth.ts'
import { adminAuthOf, adminOptions } from '../admin-options.ts'
import { defineCommand, type CommandIo } from '../command.ts'
import { guardOf, ledgerOptions } from '../ledger-options.ts'
import { portOption } from '../process-options.ts'
import { aborted, stopSignals } from '../stop-signals.ts'
import { tuneCollector } from '../tune-collector.ts'

export const up = defineCommand({
  name: 'up',
  summary: 'Run the whole service on this machine, with resources from a folder',
  details:
    'Reads every YAML file below the folder and follows its changes. A vLLM on the PATH (or LORAPLEX_VLLM) runs under the pools;\nwithout one the bundled simulator does, and says so. Tenants without a TenantKey get a starter key, shown at each start.',
  args: [{ name: 'folder', summary: 'Folder of YAML files', optional: true, default: '.' }],
  options: {
    engine: {
      type: 'string',
      summary: 'What runs under the pools',
      choices: ['auto', 'vllm', 'simulator'],
      default: 'auto',
    },
    host: { type: 'string', summary: 'Address of the tenant port', default: '127.0.0.1' },
    port: { ...portOption, summary: 'Tenant port; 0 takes any free one', default: 8080 },
    'admin-port': {
      ...portOption,
      summary: 'Operator port, on the same address; 0 takes any free one',
      default: 9090,
    },
    'admin-auth': {
      type: 'string',
      summary: 'Who may read /metrics and /debug/state: whoever has a token, or everybody',
      choices: ['Token', 'None'],
      default: 'None',
    },
    'admin-token-file': adminOptions['admin-token-file'],
    state: {
      type: 'string',
      summary: 'Folder for adapters, statuses and secrets',
      default: '.loraplex',
    },
    ...ledgerOptions,
    'unknown-fields': {
      type: 'string',
      summary: 'What becomes of request fields that nobody knows',
      choices: ['Drop', 'Reject'],
      default: 'Drop',
    },
    'max-queue-seconds': {
      type: 'integer',
      summary: 'How long a request may wait for a slot, a load or an engine',
      minimum: 1,
      maximum: 3600,
      default: 30,
    },
    'drain-seconds': {
      type: 'integer',
      summary: 'How long open streams may last once the service is told to stop',
      minimum: 0,
      maximum: 86_400,
      default: 3600,
    },
    'log-level': {
      type: 'string',
      summary: 'Least level that is logged',
      choices: ['debug', 'info', 'warn', 'error'],
      default: 'warn',
    },
  },
  run: async ({ io, args, options }) => {
    tuneCollector()
    const adminAuth = await adminAuthFor(options, io)
    const logger = createLogger({
      format: io.logFormat,
      level: options['log-level'],
      write: io.err,
    })
    const stop = stopSignals()
    const standalone = await Standalone.start({
      folder: resolve(io.workingFolder, args[0] ?? '.'),
      stateFolder: resolve(io.workingFolder, options.state),
      engine: options.engine,
      host: options.host,
      port: options.port,
      adminPort: options['admin-port'],
      adminAuth,
      unknownFields: options['unknown-fields'],
      maxQueueMs: options['max-queue-seconds'] * 1000,
      currency: options.currency,
      ledgerGuard: guardOf(options),
      ...(options.ledger === undefined ? {} : { ledger: options.ledger }),
      ...(options['usage-store'] === undefined ? {} : { usageStore: options['usage-store'] }),
      logger,
      env: io.env,
      onProgress: (words) => io.err(`${words}\n`),
    })
    announce(standalone, io)
    const problems = watchProblems(standalone, io)
    await untilSettled(standalone, io, stop.first)
    if (!stop.first.aborted) {
      showTable(standalone, io)
    }
    await aborted(stop.first)
    io.err(
      `stopping: ${standalone.gateway.inFlight} requests may end first; a second signal ends them now\n`,
    )
    problems()
    await Promise.race([
      standalone.close(options['drain-seconds'] * 1000),
      aborted(stop.second).then(() => standalone.close(0)),
    ])
    return 0
  },
})

/** Without a cluster nobody can be asked who somebody is: a token, or everybody whom the address lets in. */
async function adminAuthFor(
  options: {
    readonly host: string
    readonly 'admin-auth': 'Token' | 'None'
    readonly 'admin-token-file': string | undefined
  },
  io: CommandIo,
): Promise<AdminAuth> {
  const choice = adminAuthOf(options)
  if (choice.kind === 'Token') {
    return await createTokenAdminAuth(choice.file)
  }
  if (!isLoopback(options.host)) {
    io.err(
      `warning: whoever reaches the operator port on ${options.host} reads the metrics and states of all tenants;\n` +
        '         --admin-auth Token --admin-token-file FILE asks for a token\n',
    )
  }
  return openAdminAuth
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'))
}

function announce(standalone: Standalone, io: CommandIo): void {
  const { engine } = standalone
  if (engine.kind === 'Simulator') {
    io.err(
      '\n' +
        '  ┌──────────────────────────────────────────────────────────────────────┐\n' +
        '  │  SIMULATED ENGINE: there is no vLLM here, so no model answers.       │\n' +
        '  │  Answers are made-up words; they say so in system_fingerprint.       │\n' +
        '  │  Put vLLM ≥ 0.32 on the PATH, or set LORAPLEX_VLLM, for real ones.   │\n' +
        '  └──────────────────────────────────────────────────────────────────────┘\n\n',
    )
  } else {
    io.err(`engine: vLLM ${engine.version} (${engine.path})\n`)
    if (engine.warning !== undefined) {
      io.err(`warning: ${engine.warning}\n`)
    }
  }
}

/** Problems of files as they come and go, each once. */
function watchProblems(standalone: Standalone, io: CommandIo): () => void {
  let known = new Set<string>()
  const show = (): void => {
    const { problems } = standalone.source.current()
    const lines = problems.map(
      ({ where, message, severity }) =>
        `${severity === 'Error' ? 'error' : 'notice'}: ${where} ${message}\n`,
    )
    for (const line of lines.filter((one) => !known.has(one))) {
      io.err(line)
    }
    known = new Set(lines)
  }
  show()
  return standalone.source.watch(show)
}

const progressEveryMs = 5000

async function untilSettled(
  standalone: Standalone,
  io: CommandIo,
  stop: AbortSignal,
): Promise<void> {
  const shown = new Set<string>()
  let saidAt = Date.now()
  while (!stop.aborted) {
    const lines = adapterLines(standalone)
    for (const line of lines.filter((one) => one.settled && !shown.has(one.adapter))) {
      shown.add(line.adapter)
      io.err(`${line.ready ? '✓' : '✗'} ${line.adapter} ${line.words}\n`)
    }
    if (lines.every((line) => line.settled)) {
      return
    }
    if (Date.now() - saidAt > progressEveryMs) {
      saidAt = Date.now()
      const waiting = lines.filter((line) => !line.settled).length
      io.err(
        `waiting for ${waiting} of ${lines.length} adapters; ${engineLines(standalone).join('; ')}\n`,
      )
    }
    await delay(50, undefined, { signal: stop }).catch(() => undefined)
  }
}

function showTable(standalone: Standalone, io: CommandIo): void {
  const keys = standalone.source.keys()
  const lines = adapterLines(standalone)
  const rows = [
    ['TENANT', 'MODEL', 'STATE', 'KEY'],
    ...lines.map((line) => [
      line.tenant,
      line.model,
      line.ready ? line.words : 'NotReady',
      keys.get(line.tenant) ?? '(yours)',
    ]),
  ]
  const widths = [0, 1, 2, 3].map((column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  )
  io.out(
    `\n${rows
      .map((row) =>
        row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('   ')
          .trimEnd(),
      )
      .join('\n')}\n`,
  )
  io.out(`\nTenants:  ${standalone.url}/v1\nOperator: ${standalone.adminUrl}/metrics\n`)
  const example = lines.find((line) => line.ready && keys.has(line.tenant))
  if (example !== undefined) {
    io.out(curl(standalone.url, keys.get(example.tenant) ?? '', example))
  }
}

function curl(url: string, key: string, line: AdapterLine): string {
  const body = JSON.stringify({
    model: line.model,
    messages: [{ role: 'user', content: 'my chair makes a loud noise' }],
  })
  return `\nTry it:\n\n  curl ${url}/v1/chat/completions \\\n    -H 'Authorization: Bearer ${key}' \\\n    -H 'Content-Type: application/json' \\\n    -d '${body}'\n\n`
}
