// The Client and a hub over real connections that are cut, in Node. The servers are
// those of server_test.go.

import { test } from 'node:test'
import assert from 'node:assert/strict'
import WebSocket from 'ws'
import { Client } from '../curlew.js'

const servers = JSON.parse(process.env.CURLEW_SERVERS ?? 'null')
const skip = servers ? false : 'go test ./client/js starts the servers'
const MODES = ['ws', 'stream', 'sse', 'poll']
const wait = (ms) => new Promise((done) => setTimeout(done, ms))
const until = async (what, f) => {
  for (let n = 0; !f(); n++) {
    if (n > 4000) throw new Error(`not in time: ${typeof what === 'function' ? what() : what}`)
    await wait(20)
  }
}
const client = (mode, options) => new Client(servers.main + '/hub/', { modes: [mode], WebSocket, minWait: 20, maxWait: 200, ...options })

// publish publishes by the API, and again until it is known to have been done.
async function publish(channel, data) {
  for (;;) {
    try {
      const r = await fetch(servers.main + '/hub/publish', { method: 'POST', headers: { Authorization: 'Bearer key' }, body: JSON.stringify({ channel, data, dedupe: `${channel} ${data}` }) })
      if (r.ok) return (await r.json()).published
    } catch {}
    await wait(5)
  }
}

test('every message once and in order, over connections that are cut', { skip }, async () => {
  const n = 120
  const all = MODES.map((mode) => {
    const channel = 'room:' + mode, got = [], own = []
    const c = client(mode, { token: mode })
    const sub = c.subscribe(channel, { message: (m) => (m.user ? own : got).push(m.data), gap: (g) => got.push(g) })
    return { c, channel, got, own, sub }
  })
  await until('subscribed', () => all.every(({ sub }) => sub.position)) // from there on nothing may be missing
  for (let i = 0; i < n; i++) {
    await Promise.all(all.map(({ channel }) => publish(channel, i)))
    for (const { c, channel } of all) c.publish(channel, i)
    if (i % 30 === 15) await fetch(servers.main + '/cut').catch(() => {})
  }
  const wanted = Array.from({ length: n }, (_, i) => i)
  for (const { c, channel, got, own } of all) {
    await until(() => `${channel}: ${got.length} and ${own.length}, ${got.at(-1)} and ${own.at(-1)}, ${c.connected}`, () => got.length >= n && own.length >= n)
    assert.deepEqual(got, wanted, channel)
    assert.deepEqual(own, wanted, channel + ', its own')
    const h = await c.history(channel, { limit: 3, reverse: true })
    assert.equal(h.messages.length, 3)
    assert.equal((await c.presence(channel)).length, 1)
  }
  const seen = []
  all[0].c.subscribe('room:ws', { gap: (g) => seen.push(g), message: (m) => seen.push(m.data), subscribed: (s) => seen.push(s.recovered) })
  await until('subscribed', () => seen.length)
  await fetch(servers.main + '/restart').catch(() => {})
  await until('subscribed again', () => seen.length >= 3)
  await publish('room:ws', 'after')
  await until('a message', () => seen.length >= 4)
  assert.deepEqual(seen, [false, {}, false, 'after'])
  for (const { c } of all) c.close()
})

test('tokens', { skip }, async () => {
  let n = 0
  const c = client('poll', { token: async () => `ann/${n++ ? 100 : 2.5}` })
  await until('connected', () => c.connected)
  const { connection } = c
  assert.equal(c.user, 'ann')
  await until('refreshed', () => n === 2)
  await wait(1000)
  assert.equal(c.connection, connection)
  c.close()
  const states = []
  client('stream', { token: 'mallory', state: (name, e) => states.push(`${name} ${e?.code ?? ''}`) })
  await until('ended', () => states.length === 2)
  assert.deepEqual(states, ['connecting ', 'ended unauthorized'])
})
