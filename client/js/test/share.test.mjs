// Tabs that share a connection, with locks and channels of paper: several clients in one
// process stand for them.

import { test, mock } from 'node:test'
import assert from 'node:assert/strict'
import { Paper } from './paper.mjs'
import { Client } from '../curlew.js'

// What is done in microtasks is done behind this.
const settle = () => new Promise((done) => setImmediate(done))
const pass = async (ms) => { mock.timers.tick(ms); await settle() }

// Locks is what is needed of navigator.locks.
class Locks {
  #held = new Map() // by name: what takes it away
  #queue = []

  request(name, options, f) {
    if (!f) [options, f] = [{}, options]
    return new Promise((done, fail) => {
      const grant = async () => {
        const mine = {}
        this.#held.set(name, Object.assign(mine, { fail }))
        const value = await f()
        if (this.#held.get(name) === mine) this.#held.delete(name)
        done(value)
        this.#next()
      }
      if (options.steal) {
        this.#held.get(name)?.fail(new DOMException('stolen', 'AbortError'))
        grant()
        return
      }
      const entry = { name, grant }
      this.#queue.push(entry)
      options.signal?.addEventListener('abort', () => {
        if (!this.#queue.includes(entry)) return
        this.#queue.splice(this.#queue.indexOf(entry), 1)
        fail(options.signal.reason)
      })
      queueMicrotask(() => this.#next())
    })
  }

  // drop takes a lock away from who is not there any more.
  drop(name) {
    this.#held.delete(name)
    this.#next()
  }

  #next() {
    for (const entry of [...this.#queue]) {
      if (this.#held.has(entry.name)) continue
      this.#queue.splice(this.#queue.indexOf(entry), 1)
      entry.grant()
    }
  }
}

class Channel {
  static all = new Set()
  static last // that of the tab that began to lead last
  constructor(name) {
    this.name = name
    Channel.all.add(this)
  }
  postMessage(data) {
    if (data.leads) Channel.last = this
    for (const c of Channel.all) {
      if (c !== this && c.name === this.name) queueMicrotask(() => Channel.all.has(c) && c.onmessage?.({ data: structuredClone(data) }))
    }
  }
  close() { Channel.all.delete(this) }
}

function each(name, f) {
  test(name, async () => {
    Paper.all = []
    Channel.all.clear()
    Object.defineProperty(globalThis, 'navigator', { configurable: true, value: { locks: new Locks() } })
    globalThis.BroadcastChannel = Channel
    mock.method(Math, 'random', () => 0.5)
    mock.timers.enable({ apis: ['setTimeout', 'Date'] })
    const all = []
    // tab is a client, with what it has heard of room:7.
    const tab = async (options, events) => {
      const t = { got: [], states: [] }
      t.client = new Client('ws://paper/hub', {
        WebSocket: Paper, modes: ['ws'], share: true,
        state: (name, e) => t.states.push(e ? `${name}: ${e.code ?? e.message}` : name), ...options,
      })
      if (events) t.follow(events)
      all.push(t.client)
      await pass(0)
      return t
    }
    const follow = (t, events = {}) => t.client.subscribe('room:7', {
      message: (m) => t.got.push(m.data), gap: (g) => t.got.push(g), subscribed: (s) => t.got.push(s.recovered),
      join: (m) => t.got.push(m.connection), ended: (e) => t.got.push(e.code), ...events,
    })
    try {
      await f(tab, follow)
    } finally {
      for (const c of all) c.close()
      await settle()
      mock.timers.reset()
      mock.restoreAll()
      delete globalThis.navigator
    }
  })
}

// say has the server say something, and all hear it.
const say = async (...list) => { Paper.last.say(...list); await settle() }
const take = async (kind, answer) => { const r = Paper.last.take(kind, answer); await settle(); return r }
const hello = async (more) => {
  Paper.last.open()
  await settle()
  return take('hello', { hello: { connection: 'c' + Paper.all.length, ping: 25000, ...more } })
}
const subscribed = (more) => take('subscribe', { subscribed: { channel: 'room:7', position: { epoch: 'a1', offset: 44 }, recovered: false, ...more } })
const message = (offset, epoch) => Paper.prototype.message(offset, offset, epoch)

each('one connection, one hello, one subscription', async (tab, follow) => {
  const a = await tab({ token: 'a' }), b = await tab({ token: 'b' })
  assert.equal(Paper.all.length, 1)
  follow(a)
  follow(b)
  assert.equal((await hello({ user: 'ann' })).token, 'a')
  assert.deepEqual([a, b].map(({ client: c }) => [c.connected, c.connection, c.user, c.transport]), Array(2).fill([true, 'c1', 'ann', 'ws']))
  assert.deepEqual(Paper.last.kinds(), ['hello', 'subscribe'])
  await subscribed({ members: [{ user: 'ann', connection: 'c1' }] })
  await take('presence', { presence: { members: [{ user: 'ann', connection: 'c1' }] } })
  await say(message(45), message(46))
  await say({ gap: { channel: 'room:7', from: 47, to: 48 } }, { join: { channel: 'room:7', user: 'bob', connection: 'c2' } })
  for (const { got } of [a, b]) assert.deepEqual(got, [false, 45, 46, { from: 47, to: 48 }, 'c2'])
  const c = await tab()
  const sub = follow(c, { subscribed: undefined })
  await settle()
  assert.deepEqual(sub.position, { epoch: 'a1', offset: 48 })
  await say(message(49))
  assert.deepEqual(c.got, [49])
})

each('answers are for who has asked', async (tab) => {
  const [a, b] = [await tab(), await tab()]
  await hello()
  const of = (t, n) => t.client.publish('room:7', n).then((p) => p.offset, (e) => e.code)
  const both = [of(a, 1), of(b, 2)]
  await settle()
  const [first, second] = Paper.last.sent.filter((m) => m.publish)
  assert.deepEqual([first.publish.data, second.publish.data], [1, 2])
  await say({ id: second.id, published: { epoch: 'a1', offset: 2 } }, { id: first.id, error: { code: 'forbidden', message: 'no' } })
  assert.deepEqual(await Promise.all(both), ['forbidden', 2])
})

each('a tab leaves, and the last one of a channel', async (tab, follow) => {
  const [a, b] = [await tab(), await tab()]
  await hello()
  follow(a, { subscribed: undefined })
  const sub = follow(b, { subscribed: undefined })
  await settle()
  await subscribed()
  sub.unsubscribe()
  await settle()
  assert.deepEqual(Paper.last.kinds(), ['hello', 'subscribe'])
  follow(b, { subscribed: undefined })
  a.client.subscribe('room:7').unsubscribe()
  await settle()
  b.client.close()
  await settle()
  assert.deepEqual(Paper.last.kinds(), ['hello', 'subscribe', 'unsubscribe'])
  follow(a, { subscribed: undefined }).unsubscribe()
  await settle()
  await subscribed()
  assert.deepEqual(Paper.last.kinds().slice(3), ['subscribe', 'unsubscribe'])
  assert.equal(Paper.last.closed, undefined)
  a.client.close()
  await settle()
  assert.ok(Paper.last.closed)
})

each('who comes with a position gets what is missing, and then what is new', async (tab, follow) => {
  const [a, b] = [await tab(), await tab()]
  await hello()
  follow(a)
  await settle()
  await subscribed()
  follow(b, { since: { epoch: 'a1', offset: 40 } })
  await settle()
  await take('presence', { presence: { members: [] } })
  const some = (...offsets) => ({ history: { messages: offsets.map((n) => message(n).message), position: {} } })
  assert.deepEqual((await take('history', some(41, 42))).since, { epoch: 'a1', offset: 40 })
  await say(message(45))
  assert.deepEqual((await take('history', some(43, 44))).since, { epoch: 'a1', offset: 42 })
  assert.deepEqual((await take('history', some(45))).since, { epoch: 'a1', offset: 44 })
  await say(message(46))
  assert.deepEqual(b.got, [true, 41, 42, 43, 44, 45, 46])
  assert.deepEqual(a.got, [false, 45, 46])
  for (const [since, history] of [[{ epoch: 'a0', offset: 40 }], [{ epoch: 'a1', offset: 3 }, { history: { messages: [], position: {}, lost: true } }]]) {
    const c = await tab()
    follow(c, { since, subscribed: undefined })
    await settle()
    if (history) await take('history', history)
    assert.deepEqual(c.got, [{}])
  }
})

each('what the server has ended meanwhile is asked for again', async (tab, follow) => {
  const [a, b] = [await tab(), await tab()]
  await hello()
  follow(a, { subscribed: undefined })
  await settle()
  await subscribed()
  follow(b, { since: { epoch: 'a1', offset: 40 }, subscribed: undefined })
  await settle()
  await say({ unsubscribed: { channel: 'room:7', code: 'unavailable' } })
  await take('history', { error: { code: 'unavailable', message: 'not now' } })
  assert.deepEqual(Paper.last.kinds(), ['hello', 'subscribe', 'history', 'subscribe'])
  assert.deepEqual((await subscribed({ recovered: true })).since, { epoch: 'a1', offset: 40 })
  await say(message(41))
  await pass(2000) // when a tries again
  await say(message(45))
  assert.deepEqual([a.got, b.got], [[45], [41, 45]])
})

for (const [name, go] of [['closes', (a) => a.client.close()], ['loses its connection', () => Paper.last.end(1006)], ['is told to reconnect', (a) => a.client.reconnect()], ['is told by another to reconnect', (a, b) => b.client.reconnect()]]) {
  each(`the leader ${name}`, async (tab, follow) => {
    const [a, b, c] = [await tab(), await tab(), await tab()]
    await hello()
    for (const t of [a, b, c]) follow(t, { subscribed: undefined })
    await settle()
    await subscribed()
    await say(message(45))
    const waits = b.client.publish('room:7', 'x')
    await settle()
    go(a, b)
    await settle()
    await pass(250)
    await pass(1)
    await pass(0)
    assert.equal(Paper.all.length, 2)
    await hello()
    const s = await subscribed({ recovered: true, position: { epoch: 'a1', offset: 46 } })
    assert.deepEqual(s.since, { epoch: 'a1', offset: 45 })
    await say(message(46), message(47))
    assert.equal((await take('publish', { published: { epoch: 'a1', offset: 47 } })).data, 'x')
    await waits
    await pass(250)
    for (const t of [b, c]) assert.deepEqual(t.got, [45, 46, 47])
    assert.equal(Paper.all.length, 2)
  })
}

each('a leader that is stuck', async (tab) => {
  const [a, b] = [await tab(), await tab()]
  await hello()
  Object.assign(Channel.last, { onmessage: null, postMessage() {} })
  const c = await tab()
  await pass(9999)
  assert.equal(Paper.all.length, 1)
  await pass(1)
  assert.equal(Paper.all.length, 2)
  assert.ok(Paper.all[0].closed)
  await hello()
  await pass(250)
  assert.deepEqual([a, b, c].map((t) => t.client.connection), ['c2', 'c2', 'c2'])
})

each('a leader that crashes', async (tab) => {
  const [, b, c] = [await tab(), await tab(), await tab()]
  await hello()
  Channel.last.onmessage = null
  navigator.locks.drop(Channel.last.name)
  await settle()
  await pass(250)
  assert.equal(Paper.all.length, 2)
  await hello()
  assert.deepEqual([b, c].map((t) => t.client.connection), ['c2', 'c2'])
})

each('a refusal is for all', async (tab) => {
  const [a, b] = [await tab(), await tab()]
  Paper.last.open()
  await settle()
  await take('hello', { error: { code: 'unauthorized', message: 'no' } })
  Paper.last.end(4501)
  await settle()
  for (const t of [a, b]) assert.deepEqual(t.states, ['connecting', 'ended: unauthorized'])
})

each('a token for all', async (tab) => {
  const token = () => Promise.resolve('t')
  const [a, b] = [await tab({ token }), await tab({ token })]
  await hello({ expires: Date.now() + 100000 })
  await pass(80000)
  const all = Paper.last.sent.filter((m) => m.refresh)
  assert.equal(all.length, 2)
  await say(...all.map(({ id }) => ({ id, refreshed: { expires: Date.now() + 100000 } })))
  const c = await tab({ token })
  await pass(30000)
  assert.equal(Paper.last.sent.filter((m) => m.refresh).length, 2)
  assert.deepEqual([a, b, c].map((t) => t.client.connected), [true, true, true])
})

each('names, and other addresses, are apart', async (tab) => {
  for (const share of [true, 'ann', 'bob']) await tab({ share })
  assert.equal(Paper.all.length, 3)
})

each('without locks everybody has a connection', async (tab) => {
  navigator.locks = undefined
  await tab()
  await tab()
  assert.equal(Paper.all.length, 2)
})

each('locks that nobody may use', async (tab) => {
  navigator.locks.request = async () => { throw new DOMException('no origin', 'SecurityError') }
  const a = await tab()
  await hello()
  assert.ok(a.client.connected)
})
