// Socket in Node, which has no WebSocket of its own before 22: over the fallback and
// npm's ws, against the answers of the browsers.

import { test } from 'node:test'
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import WebSocket from 'ws'
import { Socket } from '../curlew.js'
import { run } from './interface.mjs'

const servers = JSON.parse(process.env.CURLEW_SERVERS ?? 'null')
const skip = servers ? false : 'go test ./client/js starts the servers'
const golden = new URL('answers.json', import.meta.url)

const answers = (mode, base, skip) => run({ make: (...args) => args.length ? new Socket(args[0], args[1], { modes: [mode], WebSocket }) : new Socket(), Class: Socket, base }, {}, skip)

test('the interface over the fallback', { skip }, async () => {
  const [stream, sse, poll] = await Promise.all(['stream', 'sse', 'poll'].map((mode) => answers(mode, servers[mode])))
  if (process.env.CURLEW_UPDATE) writeFileSync(golden, JSON.stringify(Object.fromEntries(Object.entries(stream).sort()), null, 1).replaceAll(/\n {2,}/g, ' ').replaceAll(/\n ]/g, ' ]') + '\n')
  const want = JSON.parse(readFileSync(golden))
  assert.deepEqual(stream, want)
  assert.deepEqual(sse, want)
  assert.deepEqual(poll, want)
})

// What npm's ws does otherwise shows through: it leaves out a reason without a code,
// and gives messages that come together in one task, for which the other cannot wait.
const ws = ['close with a reason only', 'bufferedAmount']

test('the interface over ws', { skip }, async () => {
  const got = await answers('ws', servers.main, ws)
  const want = JSON.parse(readFileSync(golden))
  const other = Object.keys(want).filter((name) => JSON.stringify(got[name]) !== JSON.stringify(want[name]))
  for (const name of ws) delete want[name]
  assert.deepEqual(got, want)
})

test('without a WebSocket', { skip }, async () => {
  const s = new Socket(servers.main + '/ws/echo')
  await new Promise((done) => { s.onopen = done })
  assert.equal(s.transport, globalThis.WebSocket ? 'ws' : 'stream')
  s.close(1000)
  assert.equal((await new Promise((done) => { s.onclose = done })).code, 1000)
  const never = new Socket(servers.main + '/ws/echo', [], { modes: ['ws'], WebSocket: null })
  assert.equal((await new Promise((done) => { never.onclose = done })).code, 1006)
})
