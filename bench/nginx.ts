/** The other yardstick: Debian's nginx as a reverse proxy, one worker, keep-alive to the upstream, no access log. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { request } from 'undici'
import { Child, findExecutable, freePort, TargetUnavailable, waitUntil } from './process.ts'
import type { Target } from './targets/target.ts'
import { upstreamModel } from './upstream.ts'

/** Buffering is off because streams must pass at once; bodies up to 512 KB stay in memory, as in the other relays. */
function configuration(folder: string, port: number, upstream: URL): string {
  const asRoot = process.getuid?.() === 0 ? 'user root;' : ''
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `  ${kind}_temp_path ${folder}/${kind};`)
    .join('\n')
  return `${asRoot}
worker_processes 1;
daemon off;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log crit;
events {
  worker_connections 16384;
}
http {
  access_log off;
  tcp_nodelay on;
  keepalive_timeout 600s;
  keepalive_requests 100000000;
  client_max_body_size 8m;
  client_body_buffer_size 512k;
${temporary}
  upstream engine {
    server ${upstream.host};
    keepalive 4096;
    keepalive_requests 100000000;
  }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass http://engine;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 600s;
    }
  }
}
`
}

/** @throws TargetUnavailable where nginx is not installed or does not start. */
export async function startNginx(upstreamUrl: string): Promise<Target> {
  const executable = findExecutable('nginx', ['/usr/sbin', '/usr/local/sbin'])
  if (executable === undefined) {
    throw new TargetUnavailable('not installed: apt-get install -y nginx-light')
  }
  const folder = await mkdtemp(join(tmpdir(), 'loraplex-bench-nginx-'))
  const port = await freePort()
  const file = join(folder, 'nginx.conf')
  await writeFile(file, configuration(folder, port, new URL(upstreamUrl)))
  const child = new Child('nginx', 'Target', executable, ['-p', folder, '-c', file])
  const url = `http://127.0.0.1:${port}`
  const stop = async () => {
    await child.stop()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await waitUntil('answer', child, 10_000, async () => {
      const { statusCode, body } = await request(`${url}/health`)
      await body.dump()
      return statusCode === 200
    })
  } catch (error) {
    await stop()
    throw error
  }
  return { name: 'nginx', url, headers: {}, model: upstreamModel, pid: child.pid, stop }
}
