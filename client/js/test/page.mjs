// Runs in a browser: the interface of its own WebSocket and of Socket, and the
// fallback as pages meet it. It reports to the Go test as JSON: an object of steps,
// each with '' or what went wrong, and the tables.

import { Socket, Client } from './curlew.js'
import { run } from './interface.mjs'

const report = { steps: {}, tables: {}, took: {}, slow: {} }
const servers = await (await fetch('/servers.json')).json()
const MODES = ['ws', 'stream', 'sse', 'poll']

async function step(name, f) {
  fetch('/at?' + name)
  const began = Date.now()
  let timer
  try {
    const late = new Promise((_, fail) => { timer = setTimeout(() => fail(new Error('not in time')), 60000) })
    await Promise.race([f(), late])
    report.steps[name] = ''
  } catch (e) {
    report.steps[name] = `${e.message ?? e}`
  }
  clearTimeout(timer)
  report.took[name] = Date.now() - began
}

function want(what, got, wanted) {
  if (JSON.stringify(got) !== JSON.stringify(wanted)) throw new Error(`${what}: ${JSON.stringify(got)}, want ${JSON.stringify(wanted)}`)
}

const next = (ws, type) => new Promise((done) => ws.addEventListener(type, done, { once: true }))
const count = async () => (await fetch('/count')).json()
const until = async (f) => { while (!(await f())) await new Promise((done) => setTimeout(done, 50)) }
const forget = () => localStorage.clear()

// opened is a Socket that has opened and echoed.
async function opened(url, options) {
  const ws = new Socket(url, [], options)
  let refused = false
  ws.addEventListener('close', () => { refused = true })
  await Promise.race([next(ws, 'open'), next(ws, 'close')])
  if (refused) throw new Error('closed')
  ws.send('hello')
  want('echo', (await next(ws, 'message')).data, 'hello')
  return ws
}

async function ended(ws) {
  const seen = []
  for (const type of ['open', 'error', 'close']) ws.addEventListener(type, (e) => seen.push(e.type + (e.code ?? '')))
  await next(ws, 'close')
  return seen
}

async function first() {
  await step('a WebSocket where there is one', async () => {
    const ws = await opened('/ws/echo')
    want('transport', ws.transport, 'ws')
    ws.close()
  })
}

async function fallback() {
  await step('upgrades are blocked', async () => {
    forget()
    const before = await count()
    const ws = await opened(servers.any + '/ws/echo', { credentials: 'omit' })
    want('transport', ws.transport, 'stream')
    await until(() => localStorage.length)
    ws.close(3000, 'x')
    want('clean', await ended(ws), ['close3000'])
    want('tries', (await count()).upgrades - before.upgrades, 1)
    const again = await opened(servers.any + '/ws/echo', { credentials: 'omit' })
    again.close()
    want('tries again', (await count()).upgrades - before.upgrades, 1)
  })
  await step('a refusal', async () => {
    forget()
    const before = await count()
    want('events', await ended(new Socket('/ws/refuse?status=403&count')), ['error', 'close1006'])
    want('asked', (await count()).opens - before.opens, 2)
  })
  await step('a server without a fallback', async () => {
    localStorage.setItem('curlew ' + servers.bare.replace('http', 'ws'), JSON.stringify({ mode: 'stream', until: Date.now() + 1e6 }))
    const ws = await opened(servers.bare + '/ws/echo')
    want('transport', ws.transport, 'ws')
    ws.close()
  })
  await step('listed origin', async () => {
    const ws = await opened(servers.listed + '/ws/echo', { modes: ['stream'] })
    ws.close(3999)
    want('clean', await ended(ws), ['close3999'])
  })
  await step('any origin, without credentials', async () => {
    const ws = await opened(servers.any + '/ws/echo', { modes: ['poll'] })
    ws.close(3999)
    want('clean', await ended(ws), ['close3999'])
  })
  await step('no origin', async () => {
    want('events', await ended(new Socket(servers.own + '/ws/echo')), ['error', 'close1006'])
  })
  await step('a page that goes', async () => {
    const before = (await count()).live
    const frame = document.createElement('iframe')
    frame.srcdoc = `<base href="${location.href}"><script type="module">import { Socket } from './curlew.js'
      const ws = new Socket('/ws/echo?count', [], { modes: ['stream'] }); ws.onopen = () => parent.postMessage('open', '*')</script>`
    const open = next(window, 'message')
    document.body.append(frame)
    await open
    want('live', (await count()).live, before + 1)
    frame.remove()
    await until(async () => (await count()).live === before)
  })
  await step('three hold a request, the fourth asks now and then', async () => {
    const url = servers.listed + '/ws/echo', modes = ['stream', 'poll']
    const three = await Promise.all([1, 2, 3].map(() => opened(url, { modes })))
    want('transports', three.map((ws) => ws.transport), ['stream', 'stream', 'stream'])
    const fourth = await opened(url, { modes })
    want('the fourth', fourth.transport, 'poll')
    await fetch('/count')
    three[0].close()
    await until(() => fourth.transport === 'stream')
    for (const ws of [...three, fourth]) ws.close()
    await ended(fourth)
  })
  if (servers.h2) {
    await step('more over HTTP/2', async () => {
      const all = []
      for (let n = 0; n < 5; n++) all.push(await opened(servers.h2 + '/ws/echo', { modes: ['stream', 'poll'] }))
      want('transports', all.map((ws) => ws.transport), Array(5).fill('stream'))
      for (const ws of all) ws.close()
    })
  }
  await Promise.all([
    step('upgrades hang', async () => {
      const ws = await opened(servers.hanging.replace('127.0.0.1', location.hostname) + '/ws/echo', { headers: undefined })
      want('transport', ws.transport, 'stream')
      ws.close()
    }),
    step('a proxy holds answers back', async () => {
      const ws = await opened(servers.buffering + '/ws/echo')
      want('transport', ws.transport, 'poll')
      ws.send(new Uint8Array(300000))
      want('size', (await next(ws, 'message')).data.size, 300000)
      ws.close()
      want('clean', await ended(ws), ['close1005'])
    }),
  ])
}

async function hub() {
  for (const mode of MODES) {
    await step(`hub over ${mode}`, async () => {
      const c = new Client('/hub/', { modes: [mode], token: mode })
      const got = []
      await new Promise((done) => c.subscribe('room:' + mode, { subscribed: done, message: (m) => got.push(m.data) }))
      for (let i = 0; i < 20; i++) c.publish('room:' + mode, i)
      await until(() => got.length === 20)
      c.reconnect()
      for (let i = 20; i < 40; i++) c.publish('room:' + mode, i)
      await until(() => got.length === 40)
      want('order', got, got.map((_, i) => i))
      want('user', c.user, mode)
      c.close()
    })
  }
}

// Documents of their own stand for tabs.
async function sharing() {
  for (const crashes of [false, true]) {
    await step(`tabs share a connection, and the one that has it ${crashes ? 'crashes' : 'goes'}`, async () => {
      const channel = `room:shared-${crashes}`
      const tab = async () => {
        const frame = document.createElement('iframe')
        frame.srcdoc = `<base href="${location.href}">
          <script>${crashes ? 'const add = addEventListener; window.addEventListener = (type, f) => type === "pagehide" || add(type, f)' : ''}</script>
          <script type="module">import { Client } from './curlew.js'
          window.got = []
          window.client = new Client('/hub/', { share: '${crashes}', token: 'ann', minWait: 50 })
          client.subscribe('${channel}', { message: (m) => got.push(m.data), gap: () => got.push('gap'), subscribed: () => parent.postMessage('subscribed', '*') })
          </script>`
        const subscribed = next(window, 'message')
        document.body.append(frame)
        await subscribed
        return frame
      }
      const frames = [await tab(), await tab(), await tab()]
      const tabs = frames.map((f) => f.contentWindow)
      const names = () => tabs.map((t) => t.client.connection)
      const [first] = names()
      want('connections', names(), Array(3).fill(first))
      for (let i = 0; i < 10; i++) tabs[1].client.publish(channel, i)
      await until(() => tabs.every((t) => t.got.length === 10))
      frames[0].remove()
      tabs.shift()
      for (let i = 10; i < 20; i++) tabs[0].client.publish(channel, i)
      await until(() => tabs.every((t) => t.got.length === 20))
      const numbers = Array.from({ length: 20 }, (_, i) => i)
      want('order', tabs.map((t) => [...t.got]), [numbers, numbers])
      const [second] = names()
      want('connections', names(), [second, second])
      if (second === first) throw new Error('the connection is still there')
      for (const f of frames) f.remove()
    })
  }
}

try {
  const began = Date.now()
  await first()
  const skip = JSON.parse(new URLSearchParams(location.search).get('skip') ?? '[]')
  const make = (mode) => (...args) => args.length ? new Socket(args[0], args[1], { modes: [mode] }) : new Socket()
  const table = async (mode, make, Class, base, skip) => {
    const began = Date.now()
    report.tables[mode] = await run({ make, Class, base, browser: true }, report.slow[mode] = {}, skip)
    report.took[mode] = Date.now() - began
  }
  const native = table('native', (...args) => new WebSocket(...args), WebSocket, location.origin, skip).then(() => table('ws', make('ws'), Socket, location.origin, skip))
  await fallback()
  await hub()
  await sharing()
  await Promise.all([native, ...['stream', 'sse', 'poll'].map((mode) => table(mode, make(mode), Socket, servers[mode]))])
  report.took.all = Date.now() - began
} catch (e) {
  report.steps.all = `${e.stack ?? e}`
}
await fetch('/result', { method: 'POST', body: JSON.stringify(report) })
