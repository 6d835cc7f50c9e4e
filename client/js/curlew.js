// Curlew in a page: Socket, a WebSocket that also gets through where upgrades do
// not, and Client, the channels of a hub. No dependency, no build step.
// https://curlew.example, Apache-2.0. The protocols: docs/fallback.md, docs/hub.md.

const utf8 = new TextEncoder()
const ascii = new TextDecoder('latin1')

// ---------------------------------------------------------------- Socket

const CONNECTING = 0, OPEN = 1, CLOSING = 2, CLOSED = 3
const MODES = ['ws', 'stream', 'sse', 'poll']
const PROOF = 3000 // ms that a mode has to show that it works
const LIFE = 30000 // ms that a session outlives lost requests
const GRACE = 10000 // ms for what should have come
const SOON = 1000 // ms within which a request of which nothing came is not made again
const REMEMBERED = 3600000 // ms that it is known what worked
const DEDUPE = 100000 // ms that the server certainly knows a publication again

// Why a session has ended with 1006, if it was not closed.
const LOST = 'lost', ABSENT = 'absent', FAILED = 'failed'

const wait = (ms) => new Promise((done) => setTimeout(done, ms))

// Socket has the interface of WebSocket. Options: modes, those of MODES that may be
// used, in that order; WebSocket, the constructor to use; headers of the fallback's
// requests, as Authorization; credentials of fetch.
export class Socket extends EventTarget {
  #url
  #protocols
  #options
  #state = CONNECTING
  #protocol = ''
  #extensions = ''
  #binaryType = 'blob'
  #buffered = 0 // what the connection does not count itself
  #link = null // what carries messages
  #handlers = {} // onopen and the like
  #sending = Promise.resolve() // blobs take time, and order is kept
  #waiting = 0 // sends that are not in order yet

  constructor(url, protocols = [], options = {}) {
    need('WebSocket', arguments.length)
    super()
    this.#url = parseURL(url)
    this.#protocols = checkProtocols(protocols)
    this.#options = options
    this.#connect()
  }

  get url() { return this.#url.href }
  get readyState() { return this.#state }
  get protocol() { return this.#protocol }
  get extensions() { return this.#extensions }
  get bufferedAmount() { return this.#buffered + (this.#link?.bufferedAmount ?? 0) }
  get binaryType() { return this.#binaryType }
  set binaryType(t) {
    t = `${t}`
    if (t === 'blob' || t === 'arraybuffer') this.#binaryType = t
  }

  // The way that is in use: one of MODES, '' before the connection is open.
  get transport() { return this.#link?.mode ?? '' }

  send(data) {
    need('send', arguments.length)
    const blob = typeof Blob !== 'undefined' && data instanceof Blob
    const bytes = data instanceof ArrayBuffer || ArrayBuffer.isView(data)
    if (!blob && !bytes) data = `${data}`
    if (this.#state === CONNECTING) throw new DOMException('Still in CONNECTING state.', 'InvalidStateError')
    if (this.#state !== OPEN) {
      this.#buffered += sizeOf(data)
      return
    }
    if (!blob && !this.#waiting) {
      this.#link.send(data)
      return
    }
    const size = sizeOf(data)
    if (bytes) data = bytesOf(data).slice()
    this.#waiting++
    this.#buffered += size
    this.#sending = this.#sending.then(async () => {
      const p = blob ? await data.arrayBuffer() : data
      this.#waiting--
      if (this.#state === CLOSED) return
      this.#buffered -= size
      this.#link.send(p)
    }).catch(() => this.#link.abort()) // a file that cannot be read
  }

  close(code = undefined, reason = undefined) {
    if (code !== undefined) code = clamp(code)
    if (reason !== undefined) reason = `${reason}`
    if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999)) {
      throw new DOMException(`The close code must be 1000 or between 3000 and 4999: ${code} is neither.`, 'InvalidAccessError')
    }
    if (reason && utf8.encode(reason).length > 123) throw new DOMException('The reason is longer than 123 bytes.', 'SyntaxError')
    if (this.#state >= CLOSING) return
    const early = this.#state === CONNECTING
    this.#state = CLOSING
    if (early) this.#link.abort()
    else if (this.#waiting) this.#sending.then(() => this.#link.close(code, reason))
    else this.#link.close(code, reason)
  }

  // #connect begins with the first mode, or what worked before. Who gives modes has
  // those tried in that order, and others learn nothing of it.
  #connect() {
    const { modes = MODES, WebSocket: Native = globalThis.WebSocket } = this.#options
    const known = this.#options.modes ? modes[0] : recall(this.#url)
    const others = modes.filter((m) => m !== 'ws').sort((a, b) => (b === known) - (a === known))
    const native = modes.includes('ws') && Native
    if (native && !others.includes(known)) this.#native(Native, others.length && (() => this.#fallback(others)))
    else this.#fallback(others, native && (() => this.#native(Native)))
  }

  #works(mode) { this.#options.modes || remember(this.#url, mode) }

  // #fallback goes over plain HTTP, or to next where nobody answers to that.
  #fallback(modes, next) {
    const link = new Fallback(this.#url, this.#protocols, modes, this.#options)
    this.#link = link
    link.onopen = (protocol) => this.#opened(link, protocol, '')
    link.onmode = (mode) => this.#works(mode)
    link.onmessage = (data) => this.#message(data)
    link.onclosing = () => { if (this.#state === OPEN) this.#state = CLOSING }
    link.onclose = (code, reason, why) => {
      if (why === ABSENT && next && this.#state === CONNECTING) next()
      else this.#end(code, reason, code !== 1006, code === 1006 && why !== LOST)
    }
    link.open()
  }

  // #native is a WebSocket, or goes to next if it does not open.
  #native(Native, next) {
    const ws = new Native(this.#url.href, this.#protocols)
    let failed = false
    ws.binaryType = 'arraybuffer'
    const link = {
      mode: 'ws',
      get bufferedAmount() { return ws.bufferedAmount },
      send: (data) => ws.send(data),
      close: (code, reason) => (reason === undefined ? (code === undefined ? ws.close() : ws.close(code)) : ws.close(code, reason)),
      abort: () => ws.close(),
    }
    this.#link = link
    const late = next && setTimeout(() => {
      if (this.#state !== CONNECTING) return
      ws.onopen = ws.onclose = null
      ws.close()
      next()
    }, PROOF)
    ws.onopen = () => {
      clearTimeout(late)
      this.#works('ws')
      this.#opened(link, ws.protocol, ws.extensions)
    }
    ws.onmessage = (e) => this.#message(e.data)
    ws.onerror = () => { failed = true }
    ws.onclose = (e) => {
      clearTimeout(late)
      if (next && this.#state === CONNECTING) next()
      else this.#end(e.code, e.reason, e.wasClean, failed)
    }
  }

  #opened(link, protocol, extensions) {
    if (this.#state !== CONNECTING) {
      link.abort()
      return
    }
    this.#state = OPEN
    this.#protocol = protocol
    this.#extensions = extensions
    this.dispatchEvent(new Event('open'))
  }

  #message(data) {
    if (this.#state !== OPEN) return
    if (typeof data !== 'string' && this.#binaryType === 'blob') data = new Blob([data])
    this.dispatchEvent(new MessageEvent('message', { data, origin: originOf(this.#url) }))
  }

  #end(code, reason, wasClean, failed) {
    if (this.#state === CLOSED) return
    const { mode, bufferedAmount } = this.#link
    this.#buffered += bufferedAmount
    this.#link = { mode, bufferedAmount: 0, send() {}, close() {}, abort() {} }
    this.#state = CLOSED
    if (failed) this.dispatchEvent(new Event('error'))
    this.dispatchEvent(new Closed('close', { code, reason, wasClean }))
  }

  static {
    for (const type of ['open', 'message', 'error', 'close']) {
      Object.defineProperty(this.prototype, 'on' + type, {
        configurable: true,
        enumerable: true,
        get() { return this.#handlers[type]?.f ?? null },
        // As in HTML: any object may be set, a function is called, and another one takes its place in the order.
        set(f) {
          let h = this.#handlers[type]
          if (typeof f !== 'function' && (typeof f !== 'object' || f === null)) {
            if (h) this.removeEventListener(type, h.call)
            delete this.#handlers[type]
          } else if (h) h.f = f
          else {
            h = { f, call: (e) => typeof h.f === 'function' && h.f.call(this, e) }
            this.#handlers[type] = h
            this.addEventListener(type, h.call)
          }
        },
      })
    }
    for (const [name, value] of Object.entries({ CONNECTING, OPEN, CLOSING, CLOSED })) {
      for (const on of [this, this.prototype]) Object.defineProperty(on, name, { value, enumerable: true })
    }
    for (const name of ['url', 'readyState', 'protocol', 'extensions', 'bufferedAmount', 'binaryType', 'send', 'close']) {
      Object.defineProperty(this.prototype, name, { enumerable: true })
    }
    Object.defineProperty(this.prototype, Symbol.toStringTag, { value: 'WebSocket', configurable: true })
  }
}

const Closed = globalThis.CloseEvent ?? class CloseEvent extends Event {
  constructor(type, init = {}) {
    super(type, init)
    this.wasClean = !!init.wasClean
    this.code = init.code ?? 0
    this.reason = init.reason ?? ''
  }
}

function need(what, n) {
  if (!n) throw new TypeError(`${what}: 1 argument required, but only 0 present.`)
}

// clamp is Web IDL's [Clamp] unsigned short: halves go to the even side.
function clamp(v) {
  v = Math.min(Math.max(Number(v), 0), 65535) || 0
  const n = Math.round(v)
  return n - v === 0.5 && n % 2 ? n - 1 : n
}

function parseURL(url) {
  let u
  try {
    u = new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href)
  } catch {
    throw new DOMException(`The URL '${url}' is invalid.`, 'SyntaxError')
  }
  u.protocol = { 'http:': 'ws:', 'https:': 'wss:' }[u.protocol] ?? u.protocol
  if (u.protocol !== 'ws:' && u.protocol !== 'wss:') {
    throw new DOMException(`The scheme of the URL must be ws, wss, http or https: '${u.protocol}' is none of them.`, 'SyntaxError')
  }
  if (u.href.includes('#')) throw new DOMException('The URL has a fragment.', 'SyntaxError')
  return u
}

function checkProtocols(protocols) {
  const list = Object(protocols) === protocols && Symbol.iterator in protocols ? Array.from(protocols, (p) => `${p}`) : [`${protocols}`]
  list.forEach((p, i) => {
    if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(p)) throw new DOMException(`The subprotocol '${p}' is invalid.`, 'SyntaxError')
    if (list.indexOf(p) !== i) throw new DOMException(`The subprotocol '${p}' is there twice.`, 'SyntaxError')
  })
  return list
}

const originOf = (u) => `${u.protocol}//${u.host}`

const bytesOf = (p) => (p instanceof ArrayBuffer ? new Uint8Array(p) : new Uint8Array(p.buffer, p.byteOffset, p.byteLength))

function sizeOf(data) {
  if (typeof data === 'string') return utf8.encode(data).length
  return data.size ?? data.byteLength
}

function join(parts) {
  if (parts.length === 1) return parts[0]
  const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0))
  let at = 0
  for (const p of parts) {
    all.set(p, at)
    at += p.length
  }
  return all
}

// What worked is remembered for each origin, in this page and for others.
const memory = new Map()

function recall(url) {
  const origin = originOf(url)
  let known = memory.get(origin)
  try {
    known = JSON.parse(localStorage.getItem('curlew ' + origin)) ?? known
  } catch {}
  return known?.until > Date.now() ? known.mode : undefined
}

// remember does not prolong what is known: who is elsewhere by now tries upgrades again.
function remember(url, mode) {
  if (recall(url) === mode) return
  const known = { mode, until: Date.now() + REMEMBERED }
  memory.set(originOf(url), known)
  try {
    localStorage.setItem('curlew ' + originOf(url), JSON.stringify(known))
  } catch {}
}

// ---------------------------------------------------------------- the fallback

// A Fallback carries the frames of RFC 6455 over requests.
class Fallback {
  mode = ''
  bufferedAmount = 0

  #url
  #protocols
  #modes
  #init
  #opening // the URL of the open
  #session = ''
  #poll = 25000
  #window = 262144
  #over = new AbortController()
  #got = 0 // bytes of the server's
  #acked = 0 // of which it knows that they are here
  #posted = 0
  #queue = [] // of { bytes, size }: what is not taken yet; the first may be taken in part
  #skip = 0 // bytes of the first that are taken
  #most = 16384 // bytes of a POST: more once they are quick
  #posting = false
  #shown = false // a mode works, or is the last: only then POSTs are made
  #deaf = false // the server takes nothing more
  #frames = new Frames((op, p) => this.#frame(op, p))
  #closing = false // our Close is queued
  #close = null // the peer's
  #timer
  #hide = () => this.abort()

  constructor(url, protocols, modes, options) {
    this.#url = new URL(url)
    this.#url.protocol = url.protocol === 'wss:' ? 'https:' : 'http:'
    this.#protocols = protocols
    this.#modes = [...modes]
    this.#init = { headers: options.headers, credentials: options.credentials ?? 'include', cache: 'no-store', redirect: 'error' }
  }

  #with(params) {
    const u = new URL(this.#url)
    const query = Object.entries(params).map(([k, v]) => k + '=' + encodeURIComponent(v)).join('&')
    u.search += (u.search ? '&' : '?') + query
    return u.href
  }

  // #attempt makes a request and has take its answer, all within ms, or longer if
  // take says so. It resolves to what take does, or undefined if there is no answer.
  async #attempt(ms, method, params, more, take) {
    const c = new AbortController()
    const stop = () => c.abort()
    let timer = setTimeout(stop, ms)
    const extend = (ms) => {
      clearTimeout(timer)
      timer = setTimeout(stop, ms)
    }
    if (this.#session) this.#over.signal.addEventListener('abort', stop)
    try {
      return await take(await fetch(this.#with(params), { ...this.#init, ...more, method, signal: c.signal }), extend)
    } catch {
      return undefined
    } finally {
      clearTimeout(timer)
      this.#over.signal.removeEventListener('abort', stop)
    }
  }

  // open asks for a session, and once more if the network fails or the browser may
  // not show the answer to a page that brings credentials. It goes on when the page
  // has closed the socket: the server is then told so.
  async open() {
    const params = { curlew: 'open' }
    if (this.#protocols.length) params.protocol = this.#protocols.join(',')
    this.#opening = this.#with(params)
    const ask = () => this.#attempt(LIFE, 'POST', params, {}, async (r) => ({ status: r.status, s: r.ok ? await r.json().catch(() => null) : null }))
    let a = this.#modes.length ? await ask() : await wait(0)
    if (!a && this.#modes.length && !this.#stopped) {
      this.#init.credentials = this.#init.credentials === 'include' ? 'same-origin' : this.#init.credentials
      a = await ask()
    }
    const { session = '', protocol = '', poll, window } = a?.s ?? {}
    this.#session = session
    if (this.#stopped) this.#leave()
    else if (!session || (this.#protocols.length ? !this.#protocols.includes(protocol) : protocol)) {
      const refused = a && a.status >= 300 && a.status !== 404 && a.status !== 405
      this.#end(1006, '', refused || session ? FAILED : ABSENT)
    } else {
      this.#poll = poll || this.#poll
      this.#window = window || this.#window
      this.mode = this.#modes[0]
      globalThis.addEventListener?.('pagehide', this.#hide)
      this.#get()
      task(() => this.onopen(protocol))
    }
  }

  send(data) {
    const text = typeof data === 'string'
    this.#push(text ? 1 : 2, text ? utf8.encode(data) : bytesOf(data), true)
  }

  close(code, reason = '') { this.#shut(code ?? (reason ? 1000 : undefined), reason) }

  abort() {
    if (this.#stopped) return
    this.#stop(true)
    task(() => this.onclose(1006, '', FAILED))
  }

  get #stopped() { return this.#over.signal.aborted }

  #stop(leave) {
    clearTimeout(this.#timer)
    this.#over.abort()
    globalThis.removeEventListener?.('pagehide', this.#hide)
    if (leave) this.#leave()
  }

  #leave() {
    if (this.#session) fetch(this.#with({ curlew: this.#session }), { ...this.#init, method: 'DELETE', keepalive: true }).catch(() => {})
  }

  #end(code, reason, why) {
    if (this.#stopped) return
    this.#stop(code === 1006 || this.#acked < this.#got) // or it would wait for us to ask
    task(() => this.onclose(code, reason, why))
  }

  // #shut says Close. The peer has some time for its own once that is sent.
  #shut(code, reason) {
    if (this.#closing) return
    let body = new Uint8Array(0)
    if (code !== undefined) body = join([Uint8Array.of(code >> 8, code), utf8.encode(reason)])
    this.#push(8, body)
    this.#closing = true
  }

  #push(op, payload, counts) {
    if (counts) this.bufferedAmount += payload.length
    if (this.#closing || this.#deaf) return
    this.#queue.push({ bytes: frame(op, payload), size: counts ? payload.length : 0 })
    if (this.#shown && !this.#posting) this.#post()
  }

  // #show: answers to what we send can no longer push a greeting out of a proxy that
  // holds back what does not fill its buffers.
  #show() {
    if (this.#shown) return
    this.#shown = true
    if (this.#queue.length) this.#post()
  }

  // #post sends what waits, one request at a time.
  async #post() {
    this.#posting = true
    await null // what is sent in one breath goes in one request
    let failed = 0
    while (this.#queue.length && !this.#stopped) {
      const at = this.#posted, ack = this.#got, began = Date.now()
      const status = await this.#attempt(LIFE + GRACE, 'POST', { curlew: this.#session, at, ack }, { body: this.#body() }, (r) => {
        const offset = r.headers.get('Curlew-Offset')
        if (offset !== null) this.#taken(Number(offset) - at)
        if (r.ok) this.#acked = ack
        return r.ok && offset === null ? 502 : r.status // somebody in between has answered
      })
      const quick = Date.now() - began < SOON
      if (status === 404 || status === 410) { // what was said before is there still
        this.#deaf = true
        this.#queue = []
        break
      }
      if (isFinal(status)) this.#end(1006, '', LOST)
      const ok = status < 300
      if (!ok) this.#most = Math.max(this.#most / 2, 1024)
      else if (quick) this.#most = Math.min(this.#most * 2, this.#window)
      if (ok || this.#posted > at) failed = 0
      else failed ||= began
      if (failed && Date.now() - failed > LIFE) this.#end(1006, '', LOST)
      else if (this.#posted === at && quick) await pause(failed)
    }
    this.#posting = false
    if (this.#close) this.#gone()
    else if (this.#closing) this.#timer ??= setTimeout(() => this.#gone(), GRACE)
  }

  #body() {
    const parts = []
    let room = this.#most, skip = this.#skip
    for (const { bytes } of this.#queue) {
      const p = bytes.subarray(skip, skip + room)
      parts.push(p)
      room -= p.length
      skip = 0
      if (!room) break
    }
    return new Blob(parts)
  }

  #taken(n) {
    if (!(n > 0)) return
    this.#posted += n
    n += this.#skip
    while (this.#queue.length && n >= this.#queue[0].bytes.length) {
      const first = this.#queue.shift()
      n -= first.bytes.length
      this.bufferedAmount -= first.size
    }
    this.#skip = n
    if (n && !this.#queue.length) this.#end(1006, '', LOST) // it speaks of bytes that were not sent
  }

  // #get asks for bytes until there are no more: nothing comes behind a Close.
  async #get() {
    let failed = 0, proven = false
    while (!this.#stopped && !this.#close) {
      const release = await place(this.#url, this.#opening)
      const at = this.#got, began = Date.now()
      const busy = release === false // other tabs have the places
      const mode = busy ? 'poll' : this.#modes[0]
      const silence = this.#poll + GRACE
      const doubtful = mode !== 'poll' && this.#modes.length > 1
      const params = { curlew: this.#session, at, mode }
      if (busy) params.wait = 0
      if (!doubtful) this.#show()
      let heard = false, greeted = false
      this.mode = mode
      const good = await this.#attempt(doubtful ? PROOF : silence, 'GET', params, {}, async (r, extend) => {
        heard = !r.ok
        if (r.status === 404 || r.status === 410) this.#gone()
        else if (isFinal(r.status)) this.#end(1006, '', LOST)
        return r.ok && this.#read(mode, r, () => {
          extend(silence)
          heard = greeted = true
          this.#show()
          if (proven || busy) return
          proven = true
          this.onmode(mode)
        })
      })
      if (release) release()
      if (doubtful && !heard && Date.now() - began >= PROOF) { // held back by somebody; once may be bad luck
        if (proven) proven = false
        else this.#modes.shift()
        continue
      }
      if (good || greeted || this.#got > at) failed = 0
      else failed ||= began
      if (failed && Date.now() - failed > LIFE) this.#end(1006, '', LOST)
      else if (this.#got > at) continue
      else if (busy) await wait(2000)
      else if (failed || Date.now() - began < SOON) await pause(failed)
    }
  }

  // #read takes an answer, and reports whether it was one of the server's.
  async #read(mode, r, hear) {
    if (r.status === 204) {
      hear()
      return true
    }
    const type = r.headers.get('Content-Type') ?? ''
    if (!type.startsWith(mode === 'sse' ? 'text/event-stream' : 'application/octet-stream')) return false
    if (mode === 'poll') {
      const p = new Uint8Array(await r.arrayBuffer())
      hear()
      this.#bytes(p)
      return true
    }
    const events = mode === 'sse' && new EventLines((p) => this.#bytes(p))
    const greeting = events ? ':ok\n\n' : 'curlew1\n'
    let said = ''
    for (const reader = r.body.getReader(); !this.#stopped;) {
      let { done, value: p } = await reader.read()
      if (done) break
      if (said.length < greeting.length) {
        const n = greeting.length - said.length
        said += ascii.decode(p.subarray(0, n))
        if (!greeting.startsWith(said)) return false
        p = p.subarray(n)
      }
      if (said === greeting) hear()
      if (events) events.take(p)
      else this.#bytes(p)
    }
    return said === greeting
  }

  #bytes(p) {
    this.#got += p.length
    if (!this.#stopped) this.#frames.take(p)
  }

  #frame(op, p) {
    if (this.#stopped || this.#close) return
    switch (op) {
      case 1:
        task(() => this.onmessage(p))
        break
      case 2:
        task(() => this.onmessage(p.buffer))
        break
      case 8: {
        const code = p.length ? (p[0] << 8) | p[1] : 1005
        const reason = decode(p.subarray(2))
        if (p.length && (p.length < 2 || reason === null || !isSent(code))) {
          this.#fail(1002)
          break
        }
        this.#close = { code, reason }
        task(() => this.onclosing())
        this.#shut(p.length ? code : undefined, '')
        this.#timer ??= setTimeout(() => this.#gone(), GRACE)
        if (!this.#posting) this.#gone() // it has our own
        break
      }
      case 9:
        this.#push(10, p)
        break
      case 10:
        break
      default:
        this.#fail(op === -7 ? 1007 : 1002)
    }
  }

  // #fail: the peer has broken a rule, and is told so if it takes it soon.
  #fail(code) {
    this.#shut(code, '')
    this.#close = { code: 1006, reason: '', why: FAILED }
    task(() => this.onclosing())
    setTimeout(() => this.#gone(), SOON)
  }

  // #gone: the session has ended.
  #gone() {
    const { code, reason, why } = this.#close ?? { code: 1006, reason: '', why: LOST }
    this.#end(code, reason, why)
  }
}

// task does f in a task of its own, in order: as events of a WebSocket each have one,
// so that what waits for a promise runs in between.
let channel
const tasks = []
function task(f) {
  if (globalThis.setImmediate) {
    setImmediate(f)
    return
  }
  if (!channel) {
    channel = new MessageChannel()
    channel.port1.onmessage = () => tasks.shift()()
  }
  tasks.push(f)
  channel.port2.postMessage(0)
}

// isFinal says of a status that the same request does not succeed later.
const isFinal = (status) => status >= 300 && status < 500 && ![404, 408, 409, 410, 413, 429].includes(status)

// isSent: RFC 6455, 7.4.
const isSent = (code) => (code >= 1000 && code < 1015 && ![1004, 1005, 1006].includes(code)) || (code >= 3000 && code < 5000)

// pause is longer the longer nothing works.
const pause = (failed) => wait(100 + 400 * Math.random() + (failed ? (Date.now() - failed) / 4 : 0))

// place returns how to give back one of three places for a request that stays open,
// false if other tabs have them, null where nobody counts: as HTTP/1.1 has but six
// connections for all tabs.
async function place(url, opening) {
  const locks = globalThis.navigator?.locks
  if (!locks || /^h[23]/.test(performance.getEntriesByName?.(opening)[0]?.nextHopProtocol)) return null
  for (let i = 0; i < 3; i++) {
    const free = await new Promise((done) => {
      const hold = (lock) => lock ? new Promise((release) => done(release)) : done(false)
      locks.request(`curlew ${url.origin} ${i}`, { ifAvailable: true }, hold).catch(() => done(null))
    })
    if (free !== false) return free
  }
  return false
}

// frame returns a frame of a client's: masked, whole. RFC 6455, 5.2.
function frame(op, p) {
  const n = p.length
  const head = n < 126 ? 2 : n < 65536 ? 4 : 10
  const b = new Uint8Array(head + 4 + n)
  b[0] = 0x80 | op
  b[1] = 0x80 | (head === 2 ? n : head === 4 ? 126 : 127)
  const view = new DataView(b.buffer)
  if (head === 4) view.setUint16(2, n)
  if (head === 10) {
    view.setUint32(2, Math.floor(n / 2 ** 32))
    view.setUint32(6, n >>> 0)
  }
  const mask = crypto.getRandomValues(b.subarray(head, head + 4))
  for (let i = 0; i < n; i++) b[head + 4 + i] = p[i] ^ mask[i & 3]
  return b
}

function decode(p) {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(p)
  } catch {
    return null
  }
}

// Frames takes a server's bytes and gives messages and control frames; -2 and -7
// are rules that are broken: the protocol's, and that of UTF-8.
class Frames {
  #give
  #chunks = []
  #have = 0
  #need = 2 // bytes, to go on
  #op = 0
  #parts = []
  #over = false

  constructor(give) { this.#give = give }

  take(p) {
    this.#chunks.push(p)
    this.#have += p.length
    if (this.#have < this.#need) return
    let all = join(this.#chunks)
    while (!this.#over) {
      const n = this.#one(all)
      if (!n) break
      all = all.subarray(n)
    }
    this.#chunks = [all.slice()]
    this.#have = all.length
  }

  #wrong(kind) {
    this.#over = true
    this.#give(kind)
  }

  // #one takes a frame and returns its length, or 0 and has #need say how much it needs.
  #one(b) {
    this.#need = 2
    if (b.length < 2) return 0
    const fin = b[0] & 0x80, op = b[0] & 15
    let n = b[1] & 127, head = 2
    const view = new DataView(b.buffer, b.byteOffset, b.length)
    const control = op >= 8
    if (b[0] & 0x70 || b[1] & 0x80 || (op > 2 && op < 8) || op > 10 || (control && (!fin || n > 125)) || (!control && !op !== !!this.#op)) {
      this.#wrong(-2)
      return 0
    }
    if (n === 126) {
      head = 4
      this.#need = head
      if (b.length < head) return 0
      n = view.getUint16(2)
    } else if (n === 127) {
      head = 10
      this.#need = head
      if (b.length < head) return 0
      n = view.getUint32(2) * 2 ** 32 + view.getUint32(6)
    }
    this.#need = head + n
    if (b.length < head + n) return 0
    this.#need = 2
    const p = b.slice(head, head + n)
    if (control) {
      this.#give(op, p)
      return head + n
    }
    this.#op ||= op
    this.#parts.push(p)
    if (fin) this.#message()
    return head + n
  }

  #message() {
    const op = this.#op
    const p = join(this.#parts)
    this.#op = 0
    this.#parts = []
    if (op === 2) {
      this.#give(2, p)
      return
    }
    const text = decode(p)
    if (text === null) this.#wrong(-7)
    else this.#give(1, text)
  }
}

// EventLines takes the bytes of server-sent events and gives what their data means.
class EventLines {
  #give
  #rest = ''

  constructor(give) { this.#give = give }

  take(p) {
    const lines = (this.#rest + ascii.decode(p)).split('\n')
    this.#rest = lines.pop()
    for (const line of lines) {
      if (!line.startsWith('data:')) continue
      this.#give(unbase64(line.slice(5)))
    }
  }
}

// ---------------------------------------------------------------- Client

// An HubError is what the server has answered instead; see docs/hub.md for codes.
export class HubError extends Error {
  constructor({ code, message, retry }) {
    super(message || code)
    this.name = 'HubError'
    this.code = code
    this.retry = !!retry
  }
}

const unable = (message) => new HubError({ code: 'unavailable', message, retry: true })

// Client is a connection to a hub that comes back by itself. Options: token, a
// string or a function that returns one or a promise of it; state(name, error),
// called with 'connecting', 'connected' and 'ended'; minWait and maxWait, ms;
// outbox, bytes; share, true or a name, to have one connection with the other tabs of
// this origin that say the same; and those of Socket.
export class Client {
  #url
  #o
  #socket = null
  #ready = false // hello was answered
  #id = 0
  #asked = new Map() // by id
  #outbox = [] // calls that wait for a connection
  #bytes = 0 // of them
  #subs = new Map() // by channel
  #turn = null // the attempt to connect, and the connection that came of it
  #attempt = 0
  #undo = new Set() // what ends timers and listeners
  #retry = null // connects now instead of later
  #drain = 0 // when to come back, if the server has said so
  #ended = false
  #heard = 0 // how often something was
  #error = null // what the server has said in front of its close
  connection = null // the name of the connection, while there is one
  user = null

  constructor(url, options = {}) {
    this.#url = parseURL(url)
    this.#o = { minWait: 500, maxWait: 30000, outbox: 1 << 20, ...options }
    this.#listen(globalThis, 'online', () => this.#wake())
    this.#listen(globalThis.document, 'visibilitychange', () => globalThis.document.visibilityState === 'visible' && this.#wake())
    this.#listen(globalThis, 'pageshow', () => this.#wake())
    this.#later(0) // when the page has its Client
  }

  // The way that is in use, see Socket.
  get transport() { return this.#socket?.transport ?? '' }
  get connected() { return this.#ready }

  // subscribe begins a subscription. Events: message(m), gap({ from, to }), with
  // from and to absent where nobody knows, join(member), leave(member),
  // subscribed({ position, recovered, members }), ended(error). since is the position
  // to begin at.
  subscribe(channel, events = {}) {
    this.#subs.get(channel)?.unsubscribe()
    const sub = {
      channel,
      events,
      position: events.since ?? null,
      live: false,
      asked: false, // and not answered yet
      unsubscribe: () => {
        if (this.#subs.get(channel) !== sub) return
        this.#subs.delete(channel)
        if (this.#ready) this.#send({ body: JSON.stringify({ unsubscribe: { channel } }) })
      },
    }
    this.#subs.set(channel, sub)
    if (this.#ready) this.#subscribe(sub)
    return { channel, get position() { return sub.position }, unsubscribe: sub.unsubscribe }
  }

  // publish resolves to the position of the message once it is stored: once, however
  // often the connection is lost meanwhile; it fails if the connection stayed away, and the
  // answer with it, for so long that nobody can tell. Bytes are published as such, anything
  // else as JSON. Options: key, dedupe.
  publish(channel, data, { key, dedupe = unique() } = {}) {
    const body = { channel, key, dedupe }
    if (data instanceof ArrayBuffer || ArrayBuffer.isView(data)) body.data64 = base64(bytesOf(data))
    else body.data = data === undefined ? null : data
    return this.#ask({ publish: body }, true).then((a) => a.published)
  }

  // history resolves to { messages, position, lost, more }. Options: since, limit, reverse.
  history(channel, options = {}) {
    return this.#ask({ history: { channel, ...options } }).then(({ history: h }) => ({ ...h, messages: h.messages.map(received) }))
  }

  presence(channel) { return this.#ask({ presence: { channel } }).then((a) => a.presence.members) }

  // reconnect drops the connection and makes another one at once.
  reconnect() {
    const socket = this.#socket
    if (socket) {
      this.#lost()
      socket.close()
      this.#later(0)
    }
    this.#wake()
  }

  close() { this.#end(null) }

  #listen(target, type, f) {
    target?.addEventListener?.(type, f)
    this.#undo.add(() => target?.removeEventListener?.(type, f))
  }

  // #after returns what keeps f from being called.
  #after(ms, f) {
    const undo = () => {
      clearTimeout(timer)
      this.#undo.delete(undo)
    }
    const timer = setTimeout(() => {
      undo()
      f()
    }, Math.min(ms, 2 ** 31 - 1))
    this.#undo.add(undo)
    return undo
  }

  #tell(name, error) { run(() => this.#o.state?.(name, error)) }

  // #wake connects now instead of later, or finds out whether the connection is dead,
  // as behind a sleep.
  #wake() {
    if (this.#retry) this.#retry()
    else if (this.#ready) this.#probe()
  }

  // #probe asks for what no server knows: that is answered, too.
  #probe() {
    const socket = this.#socket, heard = this.#heard
    this.#send({ body: '{"ping":{}}' })
    this.#after(GRACE, () => this.#socket === socket && this.#heard === heard && this.reconnect())
  }

  // #watch probes a connection of which nothing is heard for ms: nobody tells a page
  // that its packets go nowhere.
  #watch(ms) {
    const socket = this.#socket, heard = this.#heard
    this.#after(ms, () => {
      if (this.#socket !== socket) return
      if (this.#heard === heard) this.#probe()
      this.#watch(ms)
    })
  }

  // #connect tries once: for a token, a connection and hello there are 30 s.
  async #connect() {
    const turn = this.#turn = {}
    const mine = () => this.#turn === turn
    const asks = typeof this.#o.token === 'function'
    let token = this.#o.token, socket, began = 0
    const failed = (error, ends) => {
      if (!mine()) return
      undo()
      this.#lost()
      socket?.close()
      if (ends) this.#end(error)
      else this.#again(error)
    }
    const undo = this.#after(LIFE, () => this.#ready || failed(unable('no answer within 30 s')))
    this.#tell('connecting')
    try {
      if (asks) token = await this.#o.token()
      if (!mine()) return
      const Way = this.#o.share && globalThis.navigator?.locks && globalThis.BroadcastChannel ? Shared : Socket
      socket = this.#socket = new Way(this.#url, 'curlew.v1', this.#o)
    } catch (e) {
      failed(e)
      return
    }
    this.#drain = 0
    socket.onopen = () => {
      if (!mine()) return
      this.#send({
        body: JSON.stringify({ hello: { token, client: 'js/1' } }),
        answer: (a) => {
          if (a.hello) {
            began = Date.now()
            this.#welcome(a.hello)
          } else this.#error = new HubError(a.error ?? { code: 'internal' })
        },
      })
    }
    socket.onmessage = (e) => {
      if (!mine()) return
      this.#heard++
      for (const a of answers(e.data, socket)) if (mine()) this.#take(a)
    }
    socket.onclose = (e) => {
      if (began && Date.now() - began >= 5000) this.#attempt = 0
      const error = Object.assign(this.#error ?? unable(`closed with ${e.code}${e.reason && ': ' + e.reason}`), { close: e.code })
      // A token that has expired and cannot be asked for again stays so.
      failed(error, !returns(e.code) || (e.code === 4401 && !asks))
    }
  }

  #welcome(hello) {
    this.#ready = true
    this.connection = hello.connection
    this.user = hello.user ?? null
    this.#expires(hello.expires)
    this.#watch(2 * (hello.ping || 25000))
    for (const sub of this.#subs.values()) this.#subscribe(sub)
    const calls = this.#outbox
    this.#outbox = []
    this.#bytes = 0
    for (const call of calls) {
      if (call.once && call.sent < Date.now() - DEDUPE) {
        call.fail(new HubError({ code: 'unavailable', message: 'nobody can tell any more whether it is published' }))
      } else this.#send(call)
    }
    this.#tell('connected')
  }

  // #expires has a new token said before the old one expires: in least ms at the
  // earliest, and ever later if the clock here is ahead.
  #expires(at, least = 1000) {
    if (!at || typeof this.#o.token !== 'function') return
    const socket = this.#socket
    const left = at - Date.now()
    const due = left - Math.min(left / 4, 60000) - Math.random() * left / 20
    this.#after(Math.max(due, least), async () => {
      if (this.#socket !== socket) return
      try {
        const token = await this.#o.token()
        if (this.#socket !== socket) return
        this.#send({
          body: JSON.stringify({ refresh: { token } }),
          answer: (a) => a.refreshed && this.#expires(a.refreshed.expires, due < least ? 2 * least : 1000),
        })
      } catch {
        this.#expires(at, due < least ? 2 * least : 1000)
      }
    })
  }

  #lost() {
    this.#ready = false
    this.connection = null
    this.#socket = this.#turn = this.#error = null
    for (const sub of this.#subs.values()) sub.live = sub.asked = false
    const rest = [...this.#asked.values()].filter((call) => call.done)
    this.#asked.clear()
    this.#outbox = [...rest, ...this.#outbox]
    for (const call of rest) this.#bytes += call.size
  }

  // #again connects again when the server has said, or after a while: at random, so that
  // not all do at once.
  #again(error) {
    this.#tell('connecting', error)
    const most = Math.min(this.#o.minWait * 2 ** this.#attempt++, this.#o.maxWait)
    this.#later(this.#drain ? Math.max(this.#drain - Date.now(), 0) : Math.random() * most)
  }

  #later(ms) {
    if (this.#ended) return
    this.#retry = () => {
      undo()
      this.#retry = null
      this.#connect()
    }
    const undo = this.#after(ms, this.#retry)
  }

  #end(error) {
    if (this.#ended) return
    this.#ended = true
    for (const undo of this.#undo) undo()
    const socket = this.#socket
    this.#lost()
    socket?.close(1000)
    const calls = this.#outbox
    this.#outbox = []
    for (const call of calls) call.fail(error ?? unable('the client was closed'))
    this.#tell('ended', error ?? undefined)
  }

  // #ask resolves to the answer. What must be done once is repeated only while the server
  // knows it again.
  #ask(body, once) {
    return new Promise((done, fail) => {
      const text = JSON.stringify(body) // as it is now
      const call = { body: text, once, done, fail, size: text.length }
      if (this.#ended) fail(unable('the client was closed'))
      else if (this.#ready) this.#send(call)
      else if (this.#bytes + call.size > this.#o.outbox) fail(new HubError({ code: 'limit', message: 'too much waits to be published' }))
      else {
        this.#outbox.push(call)
        this.#bytes += call.size
      }
    })
  }

  #send(call) {
    const id = ++this.#id
    call.sent ??= Date.now()
    this.#asked.set(id, call)
    this.#socket.send(`{"id":${id},${call.body.slice(1)}`)
  }

  #take(a) {
    if (a.id) {
      const call = this.#asked.get(a.id)
      this.#asked.delete(a.id)
      if (call?.answer) call.answer(a)
      else if (call?.done) a.error ? call.fail(new HubError(a.error)) : call.done(a)
      return
    }
    const of = (x) => this.#subs.get(x.channel)
    if (a.message) {
      const m = received(a.message), sub = of(m)
      if (!sub?.live) return
      const p = sub.position
      if (p && p.epoch === m.epoch && m.offset <= p.offset) return
      sub.position = { epoch: m.epoch, offset: m.offset }
      run(() => sub.events.message?.(m))
    } else if (a.gap) {
      const sub = of(a.gap)
      if (sub?.position) sub.position = { ...sub.position, offset: Math.max(sub.position.offset, a.gap.to) }
      run(() => sub?.events.gap?.({ from: a.gap.from, to: a.gap.to }))
    } else if (a.join) run(() => of(a.join)?.events.join?.(a.join))
    else if (a.leave) run(() => of(a.leave)?.events.leave?.(a.leave))
    else if (a.unsubscribed) {
      const sub = of(a.unsubscribed)
      if (sub) this.#refused(sub, new HubError({ code: a.unsubscribed.code, message: 'the server has ended the subscription', retry: a.unsubscribed.code === 'unavailable' }))
    } else if (a.drain) {
      const socket = this.#socket, ms = Math.min(a.drain.retry, 300000)
      this.#drain = Date.now() + ms
      this.#after(ms, () => this.#socket === socket && this.reconnect()) // the close may not come
    }
  }

  #subscribe(sub) {
    sub.live = false
    sub.asked = true
    this.#send({
      body: JSON.stringify({ subscribe: { channel: sub.channel, since: sub.position ?? undefined, presence: !!sub.events.subscribed } }),
      answer: (a) => {
        sub.asked = false
        if (this.#subs.get(sub.channel) !== sub) return
        if (!a.subscribed) {
          this.#refused(sub, new HubError(a.error ?? { code: 'internal' }))
          return
        }
        const s = a.subscribed
        const lost = sub.position && !s.recovered
        if (!sub.position || lost) sub.position = s.position
        sub.live = true
        if (lost) run(() => sub.events.gap?.({}))
        run(() => sub.events.subscribed?.(s))
      },
    })
  }

  #refused(sub, error) {
    sub.live = false
    if (error.retry) {
      this.#after(1000 + 2000 * Math.random(), () => {
        if (this.#subs.get(sub.channel) === sub && this.#ready && !sub.live && !sub.asked) this.#subscribe(sub)
      })
      return
    }
    this.#subs.delete(sub.channel)
    run(() => sub.events.ended?.(error))
  }
}

// ---------------------------------------------------------------- sharing

// Tabs that share a connection speak the hub's protocol with one of them, over a
// BroadcastChannel: who has the lock of their name leads, and has the connection. Each
// holds a lock of its own, too, for the leader to see that it is there. What they say is
// { by, to, … }: by is who says it, to is missing if all are meant.

// A Shared is what Client needs of a Socket, for one tab.
class Shared {
  transport = ''
  #id = unique()
  #channel
  #here = false // the leader can see it
  #leader = '' // the one that has heard us: only that one counts
  #made // the Leader, if it is this tab's
  #over = new AbortController()
  #timer
  #hide = () => this.#end(1006)

  constructor(url, protocol, options) {
    const { locks } = navigator, { signal } = this.#over
    const name = `curlew ${url.href} ${options.share}`
    this.#channel = new BroadcastChannel(name)
    this.#channel.onmessage = ({ data }) => this.#hear(data)
    globalThis.addEventListener?.('pagehide', this.#hide)
    const lead = () => {
      if (signal.aborted) return
      if (this.#leader) { // it is gone, or it was this one, and its lock is stolen
        this.#end(1006)
        return
      }
      return new Promise((release) => {
        this.#made = new Leader(name, new Socket(url, protocol, options), release)
      })
    }
    const ask = () => {
      this.#here = true
      this.#post({ open: true })
    }
    locks.request(`${name} ${this.#id}`, { signal }, () => {
      ask()
      return signal.aborted || new Promise((release) => signal.addEventListener('abort', release))
    }).catch(ask)
    // Where nobody may have locks, as in a page of no origin, everybody leads.
    locks.request(name, { signal }, lead).catch(lead)
    // A leader that is stuck is one no more.
    this.#timer = setTimeout(() => locks.request(name, { steal: true }, lead).catch(lead), GRACE)
  }

  send(text) { this.#post({ text }) }

  // close leaves with 1000; with anything else the connection is no good for anybody.
  close(code) {
    if (code !== 1000) this.#post({ drop: true })
    this.#stop()
  }

  #post(m) { if (!this.#over.signal.aborted) this.#channel.postMessage({ by: this.#id, ...m }) }

  #stop() {
    this.#over.abort()
    clearTimeout(this.#timer)
    globalThis.removeEventListener?.('pagehide', this.#hide)
    this.#channel.close()
    this.#made?.end(1006)
  }

  #end(code, reason = '') {
    if (this.#over.signal.aborted) return
    this.#stop()
    this.onclose({ code, reason })
  }

  #hear({ by, to, leads, heard, opened, text, closed }) {
    if (leads && this.#leader) this.#end(1006) // ours is stuck, or gone
    else if (leads && this.#here) this.#post({ open: true })
    if (heard && to === this.#id) {
      this.#leader ||= by
      clearTimeout(this.#timer)
    }
    if (by !== this.#leader || (to && to !== this.#id)) return
    if (opened) {
      this.transport = opened
      this.onopen()
    } else if (text) this.onmessage({ data: text })
    else if (closed) this.#end(closed.code, closed.reason)
  }
}

// A Leader has the connection of all tabs, and is to them what a hub is.
class Leader {
  #id = unique()
  #name
  #channel
  #socket
  #release // gives the lock to somebody else
  #tabs = new Set()
  #channels = new Map() // by name: { at, tabs, later }
  #n = 0
  #asked = new Map() // by id: what takes the answer
  #hello = null // what is answered
  #greeted = [] // who waits for that
  #over = new AbortController()

  constructor(name, socket, release) {
    this.#name = name
    this.#socket = socket
    this.#release = release
    this.#channel = new BroadcastChannel(name)
    this.#channel.onmessage = ({ data }) => this.#hear(data)
    socket.onopen = () => this.#say({ opened: socket.transport })
    socket.onmessage = (e) => this.#take(e.data)
    socket.onclose = (e) => this.end(e.code, e.reason)
    this.#say({ leads: true })
  }

  // end leaves all tabs without a connection: they make another one. The lock is given
  // back when they have been told why.
  end(code, reason = '') {
    if (this.#over.signal.aborted) return
    this.#over.abort()
    this.#say({ closed: { code, reason } })
    this.#channel.close()
    this.#socket.close()
    setTimeout(this.#release, 100)
  }

  #say(m) { this.#channel.postMessage({ by: this.#id, ...m }) }

  #hear({ by, open, text, drop }) {
    if (open && !this.#tabs.has(by)) {
      this.#tabs.add(by)
      navigator.locks.request(`${this.#name} ${by}`, { signal: this.#over.signal }, () => this.#gone(by)).catch(() => {})
      this.#say({ to: by, heard: true })
      if (this.#socket.readyState === OPEN) this.#say({ to: by, opened: this.#socket.transport })
    } else if (this.#tabs.has(by)) {
      if (drop) this.end(1006)
      else if (text) this.#do(by, JSON.parse(text))
    }
  }

  #gone(tab) {
    this.#tabs.delete(tab)
    for (const channel of [...this.#channels.keys()]) this.#leave(tab, channel)
  }

  #ask(request, take) {
    const id = ++this.#n
    this.#asked.set(id, take)
    this.#socket.send(JSON.stringify({ id, ...request }))
  }

  // #do does a tab's request. There is one hello for all.
  #do(tab, { id, ...r }) {
    const answer = (a) => this.#say({ to: tab, text: JSON.stringify({ ...a, id }) })
    if (r.hello) {
      if (this.#hello) answer(this.#hello)
      else if (this.#greeted.push(answer) === 1) {
        this.#ask(r, (a) => {
          if (a.hello) this.#hello = a
          for (const f of this.#greeted) f(a)
        })
      }
    } else if (r.subscribe) this.#subscribe(tab, r.subscribe, answer)
    else if (r.unsubscribe) {
      this.#leave(tab, r.unsubscribe.channel)
      answer({ unsubscribed: {} })
    } else {
      this.#ask(r, (a) => {
        if (a.refreshed) this.#hello.hello.expires = a.refreshed.expires
        answer(a)
      })
    }
  }

  // #take takes what the server says. Unasked it is for all: who has not subscribed passes
  // over it.
  #take(text) {
    for (const a of answers(text, this.#socket)) {
      if (a.id) {
        this.#asked.get(a.id)?.(a)
        this.#asked.delete(a.id)
        continue
      }
      const { message: m, gap: g, unsubscribed: u } = a
      const c = this.#channels.get((m ?? g)?.channel)
      if (c && m) c.at = { epoch: m.epoch, offset: m.offset }
      if (c?.at && g) c.at = { ...c.at, offset: Math.max(c.at.offset, g.to) }
      if (u) this.#channels.delete(u.channel)
      this.#say({ text: JSON.stringify(a) })
    }
  }

  // #subscribe subscribes for the first tab that wants a channel.
  #subscribe(tab, s, answer) {
    if (!this.#tabs.has(tab)) return
    const { channel, since } = s
    const c = this.#channels.get(channel)
    if (c) {
      if (c.at) this.#join(c, tab, s, answer)
      else c.later.push(() => this.#subscribe(tab, s, answer))
      return
    }
    const first = { at: null, tabs: new Set([tab]), later: [] }
    this.#channels.set(channel, first)
    this.#ask({ subscribe: s }, (a) => {
      if (a.subscribed) first.at = since && a.subscribed.recovered ? since : a.subscribed.position
      else this.#channels.delete(channel)
      answer(a)
      for (const f of first.later) f()
      this.#leave(null, channel) // if all have gone
    })
  }

  // #join has a tab take part in what is subscribed, once it has what came before.
  async #join(c, tab, s, answer) {
    c.tabs.add(tab)
    const { channel, since } = s
    const ask = (request) => new Promise((done) => this.#ask(request, done))
    const members = s.presence ? (await ask({ presence: { channel } })).presence?.members : undefined
    const missed = []
    let at = since, whole = since?.epoch === c.at.epoch
    while (whole && at.offset < c.at.offset) {
      const { history: h } = await ask({ history: { channel, since: at } })
      whole = h?.messages.length > 0 && !h.lost && at.epoch === c.at.epoch
      if (!whole) break
      missed.push(...h.messages)
      at = { epoch: at.epoch, offset: missed.at(-1).offset }
    }
    if (this.#channels.get(channel) !== c) { // the server has ended it meanwhile
      this.#subscribe(tab, s, answer)
      return
    }
    answer({ subscribed: { channel, position: c.at, recovered: whole, members } })
    if (whole) for (const message of missed) this.#say({ to: tab, text: JSON.stringify({ message }) })
  }

  // #leave ends a subscription that no tab has any more.
  #leave(tab, channel) {
    const c = this.#channels.get(channel)
    c?.tabs.delete(tab)
    if (!c?.at || c.tabs.size) return
    this.#channels.delete(channel)
    this.#ask({ unsubscribe: { channel } }, () => {})
  }
}

// returns says whether it makes sense to connect again behind a close code.
const returns = (code) => [1001, 1005, 1006, 1011, 1012, 1013, 1014].includes(code) || (code >= 4000 && code < 4500)

// answers are those of a message.
function answers(text, socket) {
  try {
    const list = JSON.parse(text)
    return Array.isArray(list) ? list : [list]
  } catch {
    socket.close(4500, 'not JSON')
    return []
  }
}

// run calls the page: what it throws is told as that of an event's handler is, and
// keeps nothing else from being done.
function run(f) {
  try {
    f()
  } catch (e) {
    if (globalThis.reportError) reportError(e)
    else setTimeout(() => { throw e })
  }
}

// received is a message as the page sees it: binary data as bytes.
function received(m) {
  if (m.data64 === undefined) return m
  const { data64, ...rest } = m
  return { ...rest, data: unbase64(data64) }
}

function unbase64(s) {
  s = atob(s)
  const p = new Uint8Array(s.length)
  for (let i = 0; i < p.length; i++) p[i] = s.charCodeAt(i)
  return p
}

function base64(p) {
  let s = ''
  for (const b of p) s += String.fromCharCode(b)
  return btoa(s)
}

const unique = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join('')
