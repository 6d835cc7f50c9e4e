// The Client against a server of paper, under a clock of the test's own.

import { test, mock } from 'node:test'
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { Paper, pass, settle } from './paper.mjs'

const page = new EventTarget()
globalThis.addEventListener = page.addEventListener.bind(page)
globalThis.removeEventListener = page.removeEventListener.bind(page)
globalThis.document = Object.assign(new EventTarget(), { visibilityState: 'hidden' })
const told = []
globalThis.reportError = (e) => told.push(e.message)

const { Client, HubError } = await import('../curlew.js')
const vectors = JSON.parse(readFileSync(new URL('../../../hub/proto/testdata/vectors.json', import.meta.url)))

// each runs a test with a fresh clock, and closes its client.
function each(name, f) {
  test(name, async () => {
    Paper.all = []
    told.length = 0
    let random = 1 - 1e-9
    mock.method(Math, 'random', () => random)
    mock.timers.enable({ apis: ['setTimeout', 'Date'] })
    const states = []
    let c
    const make = async (options) => {
      c = new Client('ws://paper/hub', { WebSocket: Paper, modes: ['ws'], state: (name, e) => states.push(e ? `${name}: ${e.code ?? e.message}` : name), ...options })
      await pass(0)
      return c
    }
    try {
      await f(make, states)
    } finally {
      c?.close()
      mock.timers.reset()
      mock.restoreAll()
    }
  })
}

each('hello, and what waits for it', async (make, states) => {
  const c = await make({ token: 't' })
  const got = []
  c.subscribe('room:7', { message: (m) => got.push(m.data) })
  const position = c.publish('room:7', 'x')
  assert.deepEqual(Paper.last.sent, [])
  assert.deepEqual(Paper.last.protocols, ['curlew.v1'])
  assert.deepEqual(Paper.last.hello({ user: 'ann' }), { token: 't', client: 'js/1' })
  assert.deepEqual(Paper.last.kinds(), ['hello', 'subscribe', 'publish'])
  Paper.last.subscribed()
  Paper.last.take('publish', { published: { epoch: 'a1', offset: 45 } })
  assert.deepEqual(await position, { epoch: 'a1', offset: 45 })
  Paper.last.say(Paper.last.message(45), Paper.last.message(46))
  assert.deepEqual(got, [45, 46])
  assert.deepEqual([c.user, c.connection, c.connected, c.transport], ['ann', 'c1', true, 'ws'])
  assert.deepEqual(states, ['connecting', 'connected'])
})

for (const v of vectors.clients) {
  each(`vector: ${v.name}`, async (make) => {
    const c = await make()
    const events = []
    const position = ({ epoch, offset }) => ({ epoch, offset })
    const sub = c.subscribe('room:7', {
      since: v.since,
      subscribed: (s) => events.push(['subscribed', { ...position(s.position), recovered: s.recovered, members: s.members?.map((m) => m.user) }]),
      message: (m) => events.push(['message', { offset: m.offset, ...(m.data instanceof Uint8Array ? { data64: Buffer.from(m.data).toString('base64') } : { data: m.data }), user: m.user, key: m.key, time: m.time }]),
      gap: (g) => events.push(['gap', { from: g.from ?? 0, to: g.to ?? 0 }]),
      join: (m) => events.push(['join', { user: m.user, connection: m.connection, info: m.info }]),
      leave: (m) => events.push(['leave', { user: m.user, connection: m.connection, info: m.info }]),
      ended: (e) => events.push(['ended', e.code]),
    })
    Paper.last.hello()
    if (v.subscribed) assert.deepEqual(Paper.last.subscribed(v.subscribed).since, v.since)
    for (const line of v.server) Paper.last.onmessage({ data: line })
    const plain = (x) => JSON.parse(JSON.stringify(x))
    assert.deepEqual(plain(events), v.events)
    if (v.position) assert.deepEqual(sub.position, v.position)
  })
}

for (const [code, returns] of Object.entries(vectors.closes)) {
  each(`close with ${code}`, async (make, states) => {
    const c = await make({ token: async () => 't' })
    const waiting = c.publish('room:7', 1).catch((e) => e)
    Paper.last.hello()
    Paper.last.end(Number(code))
    await pass(600)
    assert.equal(Paper.all.length, returns ? 2 : 1)
    assert.equal(states.at(-1).slice(0, 5), returns ? 'conne' : 'ended')
    if (!returns) assert.ok((await waiting) instanceof HubError)
  })
}

each('reconnects after longer and longer, at random', async (make) => {
  await make()
  const waits = []
  for (let n = 0; n < 9; n++) {
    Paper.last.end(1006)
    const before = Paper.all.length
    let ms = 0
    for (; Paper.all.length === before; ms += 250) await pass(250)
    waits.push(ms)
  }
  assert.deepEqual(waits, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000])
  Math.random.mock.mockImplementation(() => 0)
  Paper.last.end(1006)
  await pass(0)
  assert.equal(Paper.all.length, 11)
})

each('a connection counts after five seconds', async (make) => {
  await make()
  for (const [lasts, wait] of [[4999, 500], [4999, 1000], [5000, 500], [0, 1000]]) {
    Paper.last.hello()
    await pass(lasts)
    Paper.last.end(1006)
    const n = Paper.all.length
    await pass(wait - 1)
    assert.equal(Paper.all.length, n, `after ${lasts} too early`)
    await pass(1)
    assert.equal(Paper.all.length, n + 1, `after ${lasts} too late`)
  }
})

each('drain', async (make) => {
  await make()
  Paper.last.hello()
  Paper.last.say({ drain: { retry: 10000 } }) // which each client gets another one of
  Paper.last.end(4000)
  await pass(9999)
  assert.equal(Paper.all.length, 1)
  await pass(1)
  assert.equal(Paper.all.length, 2)
  Paper.last.end(1006) // of which nothing was said
  await pass(1000)
  assert.equal(Paper.all.length, 3)
})

each('drain without a close', async (make) => {
  await make()
  Paper.last.hello()
  Paper.last.say({ drain: { retry: 10000 } })
  await pass(9999)
  assert.equal(Paper.all.length, 1)
  await pass(1)
  assert.equal(Paper.all.length, 2)
  assert.ok(Paper.all[0].closed)
})

each('wakes', async (make) => {
  await make()
  for (const wake of [() => page.dispatchEvent(new Event('online')), () => page.dispatchEvent(new Event('pageshow')), () => {
    document.visibilityState = 'visible'
    document.dispatchEvent(new Event('visibilitychange'))
  }]) {
    const n = Paper.all.length
    Paper.last.end(1006)
    document.visibilityState = 'hidden'
    document.dispatchEvent(new Event('visibilitychange'))
    await pass(0)
    assert.equal(Paper.all.length, n)
    wake()
    wake()
    await settle()
    assert.equal(Paper.all.length, n + 1)
  }
})

each('a connection that is dead', async (make) => {
  await make()
  Paper.last.hello()
  await pass(49999)
  assert.deepEqual(Paper.last.kinds(), ['hello'])
  await pass(1)
  assert.deepEqual(Paper.last.kinds(), ['hello', 'ping'])
  Paper.last.take('ping', { error: { code: 'bad_request' } }) // at the very time of the hello's answer, for the clock
  await pass(50000)
  assert.equal(Paper.all.length, 1)
  page.dispatchEvent(new Event('online'))
  assert.deepEqual(Paper.last.kinds(), ['hello', 'ping', 'ping'])
  await pass(10000)
  assert.equal(Paper.all.length, 2)
  assert.equal(Paper.all[0].closed, 1005)
})

each('resumes', async (make) => {
  const c = await make()
  const seen = []
  const sub = c.subscribe('room:7', { message: (m) => seen.push(m.data), gap: (g) => seen.push(g), subscribed: () => {} })
  Paper.last.hello()
  assert.deepEqual(Paper.last.subscribed({ recovered: false }), { channel: 'room:7', presence: true })
  Paper.last.say(Paper.last.message(45))
  Paper.last.end(1006)
  await pass(500)
  Paper.last.hello()
  Paper.last.say(Paper.last.message(99, 'before the answer'))
  assert.deepEqual(Paper.last.subscribed({ position: { epoch: 'a1', offset: 47 } }).since, { epoch: 'a1', offset: 45 })
  Paper.last.say(Paper.last.message(45), Paper.last.message(46), Paper.last.message(47))
  Paper.last.say({ gap: { channel: 'room:7', from: 48, to: 50 } })
  assert.deepEqual(sub.position, { epoch: 'a1', offset: 50 })
  Paper.last.end(1006)
  await pass(1000)
  Paper.last.hello()
  Paper.last.subscribed({ position: { epoch: 'b2', offset: 3 }, recovered: false })
  Paper.last.say(Paper.last.message(4, 4, 'b2'))
  assert.deepEqual(seen, [45, 46, 47, { from: 48, to: 50 }, {}, 4])
  sub.unsubscribe()
  Paper.last.say(Paper.last.message(5, 5, 'b2'))
  assert.equal(seen.length, 6)
  Paper.last.end(1006)
  await pass(2000)
  Paper.last.hello()
  assert.deepEqual(Paper.last.kinds(), ['hello'])
})

each('a publish is repeated with the same dedupe, in order, as it was', async (make) => {
  const c = await make()
  Paper.last.hello()
  const data = { n: 1 }
  const all = [c.publish('room:7', data), c.publish('room:7', new Uint8Array([0, 255]), { key: 'k', dedupe: 'd' })]
  const { dedupe } = Paper.last.sent[1].publish
  assert.equal(dedupe.length, 32)
  data.n = 2
  Paper.last.end(1006)
  all.push(c.publish('room:7', 'offline'))
  await pass(500)
  Paper.last.hello()
  assert.deepEqual(Paper.last.sent.slice(1).map((m) => m.publish), [
    { channel: 'room:7', dedupe, data: { n: 1 } }, { channel: 'room:7', key: 'k', dedupe: 'd', data64: 'AP8=' },
    { channel: 'room:7', dedupe: Paper.last.sent[3].publish.dedupe, data: 'offline' },
  ])
  for (const m of Paper.last.sent.slice(1)) Paper.last.say({ id: m.id, published: { epoch: 'a1', offset: m.id } })
  assert.deepEqual((await Promise.all(all)).map((p) => p.epoch), ['a1', 'a1', 'a1'])
})

each('the outbox has an end', async (make) => {
  const c = await make({ outbox: 300 })
  const long = 'x'.repeat(200)
  const first = c.publish('room:7', long)
  await assert.rejects(c.publish('room:7', long), { code: 'limit' })
  Paper.last.hello()
  Paper.last.take('publish', { published: { epoch: 'a1', offset: 1 } })
  await first
  c.publish('room:7', long).catch(() => {}) // under way
  Paper.last.end(1006)
  await assert.rejects(c.publish('room:7', long), { code: 'limit' })
})

each('tokens', async (make) => {
  let n = 0
  await make({ token: async () => 't' + n++ })
  assert.equal(Paper.last.hello({ expires: Date.now() + 100000 }).token, 't0')
  await pass(69999)
  assert.deepEqual(Paper.last.kinds().filter((k) => k === 'refresh'), [])
  await pass(2)
  assert.equal(Paper.last.take('refresh', { refreshed: { expires: Date.now() + 1000 } }).token, 't1')
  await pass(999)
  assert.equal(Paper.last.kinds().filter((k) => k === 'refresh').length, 1)
  await pass(1)
  assert.equal(Paper.last.kinds().filter((k) => k === 'refresh').length, 2)
  Paper.last.end(4401)
  await pass(500)
  assert.equal(Paper.last.hello().token, 't3')
})

each('a clock that is ahead does not ask for tokens all the time', async (make) => {
  let n = 0
  await make({ token: async () => 't' + n++ })
  Paper.last.hello({ expires: Date.now() - 3600000 })
  for (const ms of [1000, 2000, 4000, 8000]) {
    const before = n
    await pass(ms - 1)
    assert.equal(n, before)
    await pass(1)
    assert.equal(n, before + 1)
    Paper.last.take('refresh', { refreshed: { expires: Date.now() - 3000000 } })
  }
})

each('a token that does not come', async (make, states) => {
  await make({ token: () => new Promise(() => {}) })
  await pass(30000)
  assert.deepEqual(states, ['connecting', 'connecting: unavailable'])
  await pass(500)
  assert.deepEqual(states.slice(2), ['connecting'])
})

each('a hello that is not answered', async (make) => {
  await make()
  Paper.last.open()
  await pass(29999)
  assert.equal(Paper.last.closed, undefined)
  await pass(1)
  assert.equal(Paper.last.closed, 1005)
  await pass(500)
  assert.equal(Paper.all.length, 2)
})

each('closed by its own callback', async (make) => {
  let c
  const states = []
  c = await make({ state: (name, e) => { states.push(name); if (e) c.close() } })
  Paper.last.hello()
  Paper.last.end(1006)
  await pass(60000)
  assert.deepEqual(states, ['connecting', 'connected', 'connecting', 'ended'])
  assert.equal(Paper.all.length, 1)
})

each('a publish of which nobody can tell', async (make) => {
  const c = await make()
  Paper.last.hello()
  const old = c.publish('room:7', 1).catch((e) => [e.code, e.retry])
  const history = c.history('room:7')
  await pass(90000)
  const young = c.publish('room:7', 2)
  Paper.last.end(1006)
  const waits = c.publish('room:7', 3)
  await pass(500)
  Paper.last.hello()
  Paper.last.end(1006)
  await pass(15000)
  Paper.last.hello()
  assert.deepEqual(await old, ['unavailable', false])
  assert.deepEqual(Paper.last.sent.slice(1).map((m) => m.publish?.data ?? Object.keys(m)[1]), ['history', 2, 3])
  Paper.last.take('history', { history: { messages: [], position: {} } })
  for (const m of Paper.last.sent.filter((m) => m.publish)) Paper.last.say({ id: m.id, published: {} })
  await Promise.all([history, young, waits])
})

each('a token that cannot be had', async (make, states) => {
  let fails = true
  await make({ token: async () => { if (fails) throw new Error('offline'); return 't' } })
  assert.deepEqual(states, ['connecting', 'connecting: offline'])
  fails = false
  await pass(500)
  Paper.last.hello()
  assert.equal(states.at(-1), 'connected')
})

each('a token for ever that has expired', async (make, states) => {
  const c = await make({ token: 't' })
  Paper.last.open()
  Paper.last.take('hello', { error: { code: 'expired', message: 'the token has expired' } })
  Paper.last.end(4401)
  await pass(60000)
  assert.deepEqual(states, ['connecting', 'ended: expired'])
  await assert.rejects(c.publish('room:7', 1), { code: 'unavailable' })
})

each('a hello that is refused', async (make, states) => {
  const c = await make()
  const waiting = c.publish('room:7', 1).catch((e) => e.code)
  Paper.last.open()
  Paper.last.take('hello', { error: { code: 'unauthorized', message: 'no' } })
  Paper.last.end(4501)
  assert.deepEqual(states, ['connecting', 'ended: unauthorized'])
  assert.equal(await waiting, 'unauthorized')
})

each('refused subscriptions', async (make) => {
  const c = await make()
  const seen = []
  c.subscribe('room:7', { ended: (e) => seen.push([e.code, e.retry]) })
  Paper.last.hello()
  Paper.last.take('subscribe', { error: { code: 'unavailable', retry: true } })
  Paper.last.end(1006)
  await pass(500)
  Paper.last.hello()
  await pass(3000) // the second try of the old connection is not made as well
  assert.deepEqual(Paper.last.kinds(), ['hello', 'subscribe'])
  Paper.last.take('subscribe', { error: { code: 'unavailable', retry: true } })
  await pass(3000)
  assert.deepEqual(Paper.last.kinds(), ['hello', 'subscribe', 'subscribe'])
  Paper.last.subscribed()
  Paper.last.say({ unsubscribed: { channel: 'room:7', code: 'forbidden' } })
  assert.deepEqual(seen, [['forbidden', false]])
})

each('a callback that throws', async (make) => {
  const c = await make({ state: () => { throw new Error('state') } })
  const seen = []
  c.subscribe('room:7', { subscribed: () => { throw new Error('subscribed') }, message: (m) => { seen.push(m.data); throw new Error('message') } })
  Paper.last.hello()
  Paper.last.subscribed()
  Paper.last.say(Paper.last.message(45), Paper.last.message(46))
  assert.deepEqual(seen, [45, 46])
  assert.deepEqual(told, ['state', 'state', 'subscribed', 'message', 'message'])
})

each('requests and their errors', async (make) => {
  const c = await make()
  Paper.last.hello()
  const history = c.history('room:7', { limit: 2 })
  Paper.last.take('history', { history: { messages: [{ offset: 1, epoch: 'a1', data64: 'AP8=' }], position: { epoch: 'a1', offset: 1 } } })
  assert.deepEqual((await history).messages[0].data, new Uint8Array([0, 255]))
  const presence = c.presence('room:7')
  Paper.last.take('presence', { presence: { members: [{ user: null, connection: 'x' }] } })
  assert.deepEqual(await presence, [{ user: null, connection: 'x' }])
  const publish = c.publish('room:7', undefined)
  assert.equal(Paper.last.take('publish', { error: { code: 'limit', message: 'slowly', retry: true } }).data, null)
  await assert.rejects(publish, { name: 'HubError', code: 'limit', message: 'slowly', retry: true })
  const last = c.publish('room:7', 1)
  c.close()
  await assert.rejects(last, { code: 'unavailable' })
  assert.equal(Paper.last.closed, 1000)
})

each('what is no JSON', async (make, states) => {
  await make()
  Paper.last.hello()
  Paper.last.onmessage({ data: 'x' })
  assert.equal(Paper.last.closed, 4500)
})

each('reconnect', async (make) => {
  let give
  const c = await make({ token: () => new Promise((done) => { give = done }) })
  c.reconnect()
  give('t')
  await settle()
  assert.equal(Paper.all.length, 1)
  Paper.last.hello()
  c.reconnect()
  Paper.last.say({ drain: { retry: 60000 } }) // to nobody
  Paper.last.end(1006)
  await settle()
  give('t')
  await settle()
  assert.equal(Paper.all.length, 2)
  Paper.all[0].end(1005)
  await pass(60000)
  assert.equal(Paper.all.length, 2)
})

test('a URL that is none', () => assert.throws(() => new Client('ftp://x'), { name: 'SyntaxError' }))
