// The fallback of Socket against a server of paper: which requests it makes, and when.

import { test, mock } from 'node:test'
import assert from 'node:assert/strict'
import { Socket } from '../curlew.js'

// Paper is a server with one session. It notes each request, and waits for the test
// with what the session's stream says.
class Paper {
  asked = []
  held = null // POSTs are answered when it is done
  #stream
  #came = []

  constructor() {
    globalThis.fetch = async (url, { method, body, signal }) => {
      const { searchParams: q } = new URL(url)
      const name = q.get('curlew') === 'open' ? 'open' : method
      this.asked.push({ name, at: Number(q.get('at')), ack: Number(q.get('ack')) })
      this.#came.splice(0).forEach((f) => f())
      if (name === 'open') return Response.json({ session: 's', protocol: '', poll: 25000, window: 262144 })
      if (name === 'DELETE') return new Response(null, { status: 204 })
      if (name === 'POST') await this.held
      if (name === 'POST') return new Response(null, { status: 204, headers: { 'Curlew-Offset': `${Number(q.get('at')) + body.size}` } })
      return new Response(new ReadableStream({
        start: (c) => {
          this.#stream = c
          signal.addEventListener('abort', () => c.error(signal.reason))
        },
      }), { headers: { 'Content-Type': 'application/octet-stream' } })
    }
  }

  get names() { return this.asked.map((r) => r.name).join(' ') }
  async until(names) { while (this.names !== names) await new Promise((came) => this.#came.push(came)) }
  say(bytes) { this.#stream.enqueue(typeof bytes === 'string' ? new TextEncoder().encode(bytes) : Uint8Array.from(bytes)) }
  greet() { this.say('curlew1\n') }
  end() { this.#stream.close() }
  fail() { this.#stream.error(new TypeError('no network')) }
}

const next = (s, type) => new Promise((done) => s.addEventListener(type, done, { once: true }))
const tasks = async () => { for (let i = 0; i < 20; i++) await new Promise((done) => setImmediate(done)) }
const closed = ({ code, wasClean }) => [code, wasClean]

async function open(options) {
  const paper = new Paper()
  const s = new Socket('http://paper/x', [], { modes: ['stream', 'poll'], ...options })
  await next(s, 'open')
  await paper.until('open GET')
  return { paper, s }
}

test('nothing is sent before the greeting', async () => {
  const { paper, s } = await open()
  s.send('hello')
  await tasks()
  assert.equal(paper.names, 'open GET')
  assert.equal(s.bufferedAmount, 5)
  paper.greet()
  await paper.until('open GET POST')
  s.close()
  await paper.until('open GET POST POST')
  paper.say([0x88, 0])
  await next(s, 'close')
})

test('where there is no other way, there is nothing to wait for', async () => {
  const { paper, s } = await open({ modes: ['stream'] })
  s.send('hello')
  await paper.until('open GET POST')
  s.close()
  await paper.until('open GET POST POST')
  paper.greet()
  paper.say([0x88, 0])
  await next(s, 'close')
})

test('the server closes: what it said is acknowledged, and nothing is asked any more', async () => {
  const { paper, s } = await open()
  let take
  paper.held = new Promise((done) => { take = done })
  paper.greet()
  paper.say([0x81, 2, 0x68, 0x69, 0x88, 2, 3, 0xe8])
  paper.end()
  await tasks()
  assert.equal(paper.names, 'open GET POST')
  take()
  assert.deepEqual(closed(await next(s, 'close')), [1000, true])
  await tasks()
  assert.equal(paper.names, 'open GET POST')
  assert.equal(paper.asked.at(-1).ack, 8)
})

test('the page closes: the server need not wait until it is asked', async () => {
  const { paper, s } = await open()
  paper.greet()
  s.close(1000)
  await paper.until('open GET POST')
  await tasks() // it is answered
  paper.say([0x88, 2, 3, 0xe8])
  paper.end()
  assert.deepEqual(closed(await next(s, 'close')), [1000, true])
  await tasks()
  assert.equal(paper.names, 'open GET POST DELETE')
})

test('what worked is known for an hour, however often it works', async () => {
  mock.timers.enable({ apis: ['Date'] })
  class Native {
    static made = 0
    constructor() { Native.made++ }
    close() { this.onclose({ code: 1006, reason: '', wasClean: false }) }
  }
  const options = { modes: undefined, WebSocket: Native }
  for (const [minutes, WebSocket, made] of [[0, null, 0], [40, Native, 0], [61, Native, 1]]) {
    mock.timers.setTime(minutes * 60000)
    if (made) new Socket('http://paper/x', [], { WebSocket }).close()
    else {
      const { paper, s } = await open({ ...options, WebSocket })
      paper.greet()
      s.close()
      await paper.until('open GET POST')
      paper.say([0x88, 0])
      await next(s, 'close')
    }
    assert.equal(Native.made, made)
  }
  mock.timers.reset()
})

test('a stream of which nothing but the greeting comes is cut again and again', async () => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.now() })
  const { paper, s } = await open()
  for (let n = 0; n < 8; n++) {
    paper.greet()
    await tasks()
    mock.timers.tick(32000)
    paper.fail()
    const before = paper.asked.length
    for (let tries = 0; paper.asked.length === before; tries++) {
      await tasks()
      mock.timers.tick(100)
      assert.ok(tries < 10, 'not asked again')
    }
    await tasks()
  }
  assert.equal(s.readyState, 1)
  paper.greet()
  s.close()
  await paper.until('open' + ' GET'.repeat(9) + ' POST')
  paper.say([0x88, 0])
  await next(s, 'close')
  mock.timers.reset()
})

test('who cannot be reached is asked less and less often, and given up after 30 s', async () => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.now() })
  const { paper, s } = await open({ modes: ['poll'] })
  let code = 0
  s.onclose = (e) => { code = e.code }
  globalThis.fetch = async (_, { method }) => {
    paper.asked.push({ name: method })
    throw new TypeError('no network')
  }
  s.send('x')
  paper.fail()
  let seconds = 0
  for (; !code; seconds += 0.1) {
    await tasks()
    mock.timers.tick(100)
  }
  mock.timers.reset()
  const asked = (name) => paper.asked.filter((r) => r.name === name).length
  assert.ok(seconds > 29 && seconds < 45, `after ${seconds} s`)
  for (const name of ['GET', 'POST']) assert.ok(asked(name) > 8 && asked(name) < 24, `${name}: ${asked(name)} times`)
})

test('an answer that is no session is none of the fallback', async () => {
  globalThis.localStorage = { getItem: () => JSON.stringify({ mode: 'stream', until: Date.now() + 1e6 }) }
  for (const [status, native] of [[200, 1], [404, 1], [403, 0]]) {
    let made = 0
    globalThis.fetch = async () => new Response('<!doctype html>', { status })
    const done = new Promise((done) => {
      class Native {
        constructor() {
          made++
          done()
        }
        close() {}
      }
      new Socket('http://page/', [], { WebSocket: Native }).onclose = done
    })
    await done
    assert.equal(made, native, `${status}`)
  }
  delete globalThis.localStorage
})

test('a page that may not use locks has its stream', async () => {
  Object.defineProperty(globalThis, 'navigator', { configurable: true, value: { locks: { request: async () => { throw new Error('SecurityError') } } } })
  const { paper, s } = await open()
  delete globalThis.navigator
  assert.equal(s.transport, 'stream')
  paper.greet()
  s.close()
  await paper.until('open GET POST')
  paper.say([0x88, 0])
  await next(s, 'close')
})
