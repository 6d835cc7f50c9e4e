// What tests of the Client under a clock of their own have in common.

import { mock } from 'node:test'
import assert from 'node:assert/strict'

// A Paper is a WebSocket of which the test is the server.
export class Paper {
  static all = []
  static get last() { return Paper.all.at(-1) }
  bufferedAmount = 0
  protocol = 'curlew.v1'
  extensions = ''
  sent = []
  constructor(url, protocols) {
    Object.assign(this, { url, protocols })
    Paper.all.push(this)
  }
  send(text) { this.sent.push(JSON.parse(text)) }
  close(code) { this.closed = code ?? 1005 }
  open() { this.onopen({}) }
  say(...list) { this.onmessage({ data: JSON.stringify(list.length === 1 ? list[0] : list) }) }
  end(code, reason = '') { this.onclose({ code, reason, wasClean: code !== 1006 }) }
  // take returns what was sent last of a kind, and answers it.
  take(kind, answer) {
    const r = this.sent.findLast((m) => m[kind])
    assert.ok(r, `no ${kind} in ${JSON.stringify(this.sent)}`)
    if (answer) this.say({ id: r.id, ...answer })
    return r[kind]
  }
  hello(more) {
    this.open()
    return this.take('hello', { hello: { connection: 'c' + Paper.all.length, ping: 25000, ...more } })
  }
  subscribed(more) { return this.take('subscribe', { subscribed: { channel: 'room:7', position: { epoch: 'a1', offset: 44 }, recovered: true, ...more } }) }
  message(offset, data = offset, epoch = 'a1') { return { message: { channel: 'room:7', epoch, offset, data, time: 1 } } }
  kinds() { return this.sent.map((m) => Object.keys(m)[1]) }
}

export const settle = async () => { for (let i = 0; i < 20; i++) await null }
export const pass = async (ms) => { mock.timers.tick(ms); await settle() }
