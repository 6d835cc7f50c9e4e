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
const REMEMBERED = 3600000 // ms that it is known what worked

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
  #link = null // what carries messages, once there is one
  #handlers = {}
  #sending = Promise.resolve() // blobs take time, and order is kept
  #waiting = 0 // sends that are not in order yet
  #asked = null // the close that was asked for

  constructor(url, protocols = [], options = {}) {
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
    if (t !== 'blob' && t !== 'arraybuffer') return
    this.#binaryType = t
    if (this.#link) this.#link.binaryType = t
  }

  // The way that is in use: one of MODES, '' before the connection is open.
  get transport() { return this.#link?.mode ?? '' }

  send(data) {
    if (!arguments.length) throw new TypeError('send: 1 argument required, but only 0 present.')
    if (this.#state === CONNECTING) throw new DOMException('Still in CONNECTING state.', 'InvalidStateError')
    const blob = typeof Blob !== 'undefined' && data instanceof Blob
    if (!blob && !(data instanceof ArrayBuffer) && !ArrayBuffer.isView(data)) data = String(data)
    if (this.#state !== OPEN) {
      this.#buffered += sizeOf(data)
      return
    }
    if (!blob && !this.#waiting) {
      this.#link.send(data)
      return
    }
    const size = sizeOf(data)
    if (ArrayBuffer.isView(data) || data instanceof ArrayBuffer) data = bytesOf(data).slice()
    this.#waiting++
    this.#buffered += size
    this.#sending = this.#sending.then(async () => {
      const p = blob ? await data.arrayBuffer() : data
      this.#waiting--
      if (this.#state === CLOSED) return
      this.#buffered -= size
      this.#link.send(p)
    })
  }

  close(code, reason) {
    if (code !== undefined) {
      code = Number(code) & 0xffff
      if (code !== 1000 && !(code >= 3000 && code <= 4999)) {
        throw new DOMException(`The close code must be 1000 or between 3000 and 4999: ${code} is neither.`, 'InvalidAccessError')
      }
    }
    if (reason !== undefined) {
      reason = String(reason)
      if (utf8.encode(reason).length > 123) throw new DOMException('The reason is longer than 123 bytes.', 'SyntaxError')
    }
    if (this.#state >= CLOSING) return
    const early = this.#state === CONNECTING
    this.#state = CLOSING
    this.#asked = { code, reason }
    if (early) {
      if (this.#link) this.#link.abort()
      else queueMicrotask(() => setTimeout(() => this.#end(1006, '', false), 0))
      return
    }
    this.#sending.then(() => this.#link.close(code, reason))
  }

  // #connect tries the modes in turn.
  async #connect() {
    const { origin } = this.#url
    let modes = this.#options.modes ?? MODES
    const Native = this.#options.WebSocket ?? globalThis.WebSocket
    if (!Native) modes = modes.filter((m) => m !== 'ws')
    const keep = (mode) => this.#options.modes || remember(origin, mode) // of some only, others learn nothing
    const known = this.#options.modes ? undefined : recall(origin)
    if (known && modes.includes(known)) modes = [known, ...modes.filter((m) => m !== known)]
    await null // handlers are set first
    if (this.#state === CONNECTING && modes[0] === 'ws' && (await this.#native(Native, modes.length > 1))) {
      keep('ws')
      return
    }
    modes = modes.filter((m) => m !== 'ws')
    if (this.#state !== CONNECTING || !modes.length) {
      this.#end(1006, '', false)
      return
    }
    const link = new Fallback(this.#url, this.#protocols, modes, this.#options)
    link.binaryType = this.#binaryType
    link.onclose = (code, reason, clean) => this.#end(code, reason, clean)
    link.onclosing = () => { if (this.#state === OPEN) this.#state = CLOSING }
    link.onmessage = (data) => this.#message(data)
    link.onopen = (protocol) => this.#opened(link, protocol, '')
    link.onmode = keep
    this.#link = link
    link.open()
  }

  // #native resolves to whether a WebSocket has opened, or the page has closed it.
  #native(Native, others) {
    return new Promise((done) => {
      let ws
      try {
        ws = new Native(this.#url.href, this.#protocols)
      } catch {
        done(false)
        return
      }
      let opened = false
      const late = others && setTimeout(() => {
        ws.onopen = ws.onclose = ws.onerror = null
        ws.close()
        this.#link = null
        done(false)
      }, PROOF)
      ws.binaryType = this.#binaryType
      const link = {
        mode: 'ws',
        get bufferedAmount() { return ws.bufferedAmount },
        set binaryType(t) { ws.binaryType = t },
        send: (data) => ws.send(data),
        close: (code, reason) => (reason === undefined ? (code === undefined ? ws.close() : ws.close(code)) : ws.close(code ?? 1000, reason)),
        abort: () => ws.close(),
      }
      this.#link = link
      ws.onopen = () => {
        opened = true
        clearTimeout(late)
        done(true)
        this.#opened(link, ws.protocol, ws.extensions)
      }
      ws.onmessage = (e) => this.#message(e.data)
      ws.onclose = (e) => {
        clearTimeout(late)
        if (opened || this.#state !== CONNECTING || !others) {
          done(true)
          this.#end(e.code, e.reason, e.wasClean)
          return
        }
        this.#link = null
        done(false)
      }
      ws.onerror = () => {}
    })
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
    if (this.#state !== OPEN && this.transport !== 'ws') return
    this.dispatchEvent(new MessageEvent('message', { data, origin: this.#url.origin === 'null' ? `${this.#url.protocol}//${this.#url.host}` : this.#url.origin }))
  }

  #end(code, reason, wasClean) {
    if (this.#state === CLOSED) return
    this.#buffered += this.#link?.bufferedAmount ?? 0
    const link = this.#link
    this.#link = link && { mode: link.mode, bufferedAmount: 0, send() {}, close() {} }
    this.#state = CLOSED
    if (!wasClean && !(this.#asked && code !== 1006)) this.dispatchEvent(new Event('error'))
    this.dispatchEvent(new Closed('close', { code, reason, wasClean }))
  }

  // handler gets or sets what onopen and the like are.
  static handler(type) {
    const wrap = (f) => function (e) { return f.call(this, e) }
    return {
      configurable: true,
      enumerable: true,
      get() { return this.#handlers[type]?.f ?? null },
      set(f) {
        const old = this.#handlers[type]
        if (old) this.removeEventListener(type, old.wrapped)
        if (typeof f !== 'function') {
          delete this.#handlers[type]
          return
        }
        const wrapped = wrap(f)
        this.#handlers[type] = { f, wrapped }
        this.addEventListener(type, wrapped)
      },
    }
  }
}

for (const [name, value] of Object.entries({ CONNECTING, OPEN, CLOSING, CLOSED })) {
  for (const on of [Socket, Socket.prototype]) Object.defineProperty(on, name, { value, enumerable: true })
}
for (const type of ['open', 'message', 'error', 'close']) {
  Object.defineProperty(Socket.prototype, 'on' + type, Socket.handler(type))
}
delete Socket.handler

const Closed = globalThis.CloseEvent ?? class CloseEvent extends Event {
  constructor(type, init = {}) {
    super(type, init)
    this.wasClean = !!init.wasClean
    this.code = init.code ?? 0
    this.reason = init.reason ?? ''
  }
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
  const list = typeof protocols === 'object' && protocols !== null && Symbol.iterator in protocols ? Array.from(protocols, String) : [String(protocols)]
  list.forEach((p, i) => {
    if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(p)) throw new DOMException(`The subprotocol '${p}' is invalid.`, 'SyntaxError')
    if (list.indexOf(p) !== i) throw new DOMException(`The subprotocol '${p}' is there twice.`, 'SyntaxError')
  })
  return list
}

const bytesOf = (p) => (p instanceof ArrayBuffer ? new Uint8Array(p) : new Uint8Array(p.buffer, p.byteOffset, p.byteLength))

function sizeOf(data) {
  if (typeof data === 'string') return utf8.encode(data).length
  return data.size ?? data.byteLength
}

// What worked is remembered for each origin, in this page and for others.
const memory = new Map()

function recall(origin) {
  let known = memory.get(origin)
  try {
    known = JSON.parse(localStorage.getItem('curlew ' + origin)) ?? known
  } catch {}
  return known && known.until > Date.now() ? known.mode : undefined
}

function remember(origin, mode) {
  const known = { mode, until: Date.now() + REMEMBERED }
  memory.set(origin, known)
  try {
    localStorage.setItem('curlew ' + origin, JSON.stringify(known))
  } catch {}
}

// ---------------------------------------------------------------- the fallback

// A Fallback carries the frames of RFC 6455 over requests.
class Fallback {
  mode = ''
  bufferedAmount = 0
  binaryType = 'blob'

  #url
  #protocols
  #modes
  #init
  #session = ''
  #poll = 25000
  #window = 262144
  #over = new AbortController()
  #opened = false
  #got = 0
  #posted = 0
  #queue = [] // of { bytes, size }: what is not taken yet; the first may be taken in part
  #skip = 0 // bytes of the first that are taken
  #posting = false
  #frames = new Frames((op, p) => this.#frame(op, p))
  #closing = false // our Close is queued
  #close = null // the peer's
  #timer

  constructor(url, protocols, modes, options) {
    this.#url = new URL(url)
    this.#url.protocol = url.protocol === 'wss:' ? 'https:' : 'http:'
    this.#protocols = protocols
    this.#modes = [...modes]
    this.#init = { headers: options.headers, credentials: options.credentials ?? 'include', cache: 'no-store', redirect: 'error', signal: this.#over.signal }
  }

  #request(method, params, more) {
    const u = new URL(this.#url)
    const query = Object.entries(params).map(([k, v]) => k + '=' + encodeURIComponent(v)).join('&')
    u.search += (u.search ? '&' : '?') + query
    return fetch(u, { ...this.#init, ...more, method })
  }

  // open asks for a session. A network that fails is tried again once.
  async open() {
    try {
      const params = { curlew: 'open' }
      if (this.#protocols.length) params.protocol = this.#protocols.join(',')
      const ask = () => this.#request('POST', params)
      const r = await ask().catch((e) => (this.#over.signal.aborted ? Promise.reject(e) : ask()))
      const s = r.ok ? await r.json() : null
      if (!s?.session) throw new Error('refused')
      if (s.protocol ? !this.#protocols.includes(s.protocol) : false) throw new Error('a subprotocol that was not offered')
      this.#session = s.session
      this.#poll = s.poll
      this.#window = s.window
      this.mode = this.#modes[0]
      this.#opened = true
      this.#get()
      this.onopen(s.protocol)
    } catch {
      this.#end(1006, '', false)
    }
  }

  send(data) {
    const text = typeof data === 'string'
    this.#push(text ? 1 : 2, text ? utf8.encode(data) : bytesOf(data), true)
  }

  close(code, reason) {
    this.#shut(code ?? (reason === undefined ? undefined : 1000), reason ?? '')
    this.#timer ??= setTimeout(() => this.#end(1006, '', false), 10000)
  }

  abort() { this.#end(1006, '', false) }

  #shut(code, reason) {
    if (this.#closing) return
    let body = new Uint8Array(0)
    if (code !== undefined) {
      const text = utf8.encode(reason)
      body = new Uint8Array(2 + text.length)
      body[0] = code >> 8
      body[1] = code
      body.set(text, 2)
    }
    this.#push(8, body)
    this.#closing = true
  }

  #push(op, payload, counts) {
    if (this.#closing) return
    if (counts) this.bufferedAmount += payload.length
    this.#queue.push({ bytes: frame(op, payload), size: counts ? payload.length : 0 })
    this.#post()
  }

  // #post sends what waits, one request at a time.
  async #post() {
    if (this.#posting || !this.#opened) return
    this.#posting = true
    await null // what is sent in one breath goes in one request
    let failed = 0
    while (this.#queue.length && !this.#over.signal.aborted) {
      const at = this.#posted
      let r
      try {
        r = await this.#request('POST', { curlew: this.#session, at, ack: this.#got }, { body: this.#body() })
        if (r.status === 404 || r.status === 410) {
          this.#gone()
          break
        }
        const offset = r.headers.get('Curlew-Offset')
        if (offset !== null) this.#taken(Number(offset) - at)
        if (r.ok && this.#posted > at) {
          failed = 0
          continue
        }
        if (r.ok) failed = failed || Date.now()
        else if (r.status !== 409 && r.status !== 413 && r.status !== 429 && r.status < 500) {
          this.#end(1006, '', false)
          break
        }
      } catch {}
      failed = failed || Date.now()
      if (Date.now() - failed > LIFE) {
        this.#end(1006, '', false)
        break
      }
      await wait(100 + 400 * Math.random())
    }
    this.#posting = false
  }

  #body() {
    const parts = []
    let room = this.#window
    let skip = this.#skip
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
  }

  // #get asks for bytes until there are no more.
  async #get() {
    let failed = 0
    while (!this.#over.signal.aborted) {
      const before = this.#got
      let mode = this.#modes[0]
      this.mode = mode
      const lock = mode === 'poll' ? null : await place(this.#url)
      if (lock === false) mode = 'now'
      const attempt = new AbortController()
      const stop = () => attempt.abort()
      this.#over.signal.addEventListener('abort', stop)
      let late = false
      const timer = mode !== 'poll' && mode !== 'now' && this.#modes.length > 1 && setTimeout(() => {
        late = true
        attempt.abort()
      }, PROOF)
      let ok = false
      try {
        const params = { curlew: this.#session, at: this.#got, mode: mode === 'now' ? 'poll' : mode }
        if (mode === 'now') params.wait = 0
        const r = await this.#request('GET', params, { signal: attempt.signal })
        if (r.status === 404 || r.status === 410) {
          this.#gone()
          break
        }
        if (r.ok) {
          await this.#read(mode, r, () => clearTimeout(timer))
          ok = true
        }
      } catch {}
      clearTimeout(timer)
      this.#over.signal.removeEventListener('abort', stop)
      lock?.()
      if (late) {
        this.#modes.shift()
        continue
      }
      if (ok || this.#got > before) {
        failed = 0
        if (mode === 'now' && this.#got === before) await wait(2000)
        continue
      }
      failed = failed || Date.now()
      if (Date.now() - failed > LIFE) this.#end(1006, '', false)
      else await wait(100 + 400 * Math.random())
    }
  }

  async #read(mode, r, proven) {
    if (mode === 'poll' || mode === 'now') {
      const p = new Uint8Array(await r.arrayBuffer())
      this.onmode(this.#modes[0])
      this.#bytes(p)
      return
    }
    const reader = r.body.getReader()
    const events = mode === 'sse' && new EventLines((p) => this.#bytes(p))
    let greeting = mode === 'sse' ? 5 : 8
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      proven()
      let p = value
      if (greeting) {
        const n = Math.min(greeting, p.length)
        greeting -= n
        p = p.subarray(n)
        if (!greeting) this.onmode(mode)
      }
      if (events) events.take(p)
      else this.#bytes(p)
      if (this.#over.signal.aborted) return
    }
  }

  #bytes(p) {
    this.#got += p.length
    if (!this.#over.signal.aborted) this.#frames.take(p)
  }

  #frame(op, p) {
    if (this.#over.signal.aborted || this.#close) return
    switch (op) {
      case 1:
        this.onmessage(p)
        return
      case 2:
        this.onmessage(this.binaryType === 'blob' ? new Blob([p]) : p.buffer)
        return
      case 8: {
        const code = p.length ? (p[0] << 8) | p[1] : 1005
        const reason = p.length ? decode(p.subarray(2)) : ''
        const valid = p.length === 0 || (p.length > 1 && reason !== null && ((code >= 1000 && code < 1015 && ![1004, 1005, 1006].includes(code)) || (code >= 3000 && code < 5000)))
        if (!valid) {
          this.#fail(1002)
          return
        }
        this.#close = { code, reason }
        this.onclosing()
        this.#shut(p.length ? code : undefined, '')
        this.#timer ??= setTimeout(() => this.#gone(), 10000)
        return
      }
      case 9:
        this.#push(10, p)
        return
      case 10:
        return
      default:
        this.#fail(op === -7 ? 1007 : 1002)
    }
  }

  // #fail: the peer has broken a rule.
  #fail(code) {
    this.#shut(code, '')
    this.#close = { code: 1006, reason: '' }
    this.onclosing()
    setTimeout(() => this.#end(1006, '', false), 1000)
  }

  // #gone: the session has ended.
  #gone() {
    const c = this.#close
    if (c && c.code !== 1006) this.#end(c.code, c.reason, true)
    else this.#end(1006, '', false)
  }

  #end(code, reason, clean) {
    if (this.#over.signal.aborted) return
    clearTimeout(this.#timer)
    this.#over.abort()
    if (this.#session && !clean) this.#request('DELETE', { curlew: this.#session }, { signal: undefined, keepalive: true }).catch(() => {})
    this.onclose(code, reason, clean)
  }
}

// place returns how to give back one of three places for a request that stays open,
// false if other tabs have them, null where nobody counts.
async function place(url) {
  const locks = globalThis.navigator?.locks
  if (!locks || performance.getEntriesByName?.(globalThis.location?.href)[0]?.nextHopProtocol === 'h2') return null
  for (let i = 0; i < 3; i++) {
    const free = await new Promise((done) => {
      locks.request(`curlew ${url.origin} ${i}`, { ifAvailable: true }, (lock) => {
        if (!lock) {
          done(null)
          return
        }
        return new Promise((release) => done(release))
      }).catch(() => done(null))
    })
    if (free) return free
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
  #bytes = new Uint8Array(0)
  #op = 0
  #parts = []
  #over = false

  constructor(give) { this.#give = give }

  take(p) {
    const all = new Uint8Array(this.#bytes.length + p.length)
    all.set(this.#bytes)
    all.set(p, this.#bytes.length)
    let at = 0
    while (!this.#over) {
      const n = this.#one(all.subarray(at))
      if (!n) break
      at += n
    }
    this.#bytes = all.slice(at)
  }

  #wrong(kind) {
    this.#over = true
    this.#give(kind)
  }

  // #one takes a frame and returns its length, 0 if it is not all there.
  #one(b) {
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
      if (b.length < head) return 0
      n = view.getUint16(2)
    } else if (n === 127) {
      head = 10
      if (b.length < head) return 0
      n = view.getUint32(2) * 2 ** 32 + view.getUint32(6)
    }
    if (b.length < head + n) return 0
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
    let p = this.#parts[0]
    if (this.#parts.length > 1) {
      p = new Uint8Array(this.#parts.reduce((n, q) => n + q.length, 0))
      let at = 0
      for (const q of this.#parts) {
        p.set(q, at)
        at += q.length
      }
    }
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
      const s = atob(line.slice(5))
      this.#give(Uint8Array.from(s, (c) => c.charCodeAt(0)))
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
// outbox, bytes; and those of Socket.
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
  #attempt = 0
  #turn = 0 // of the latest #connect
  #timers = new Set()
  #retry = null // of the pending reconnect: { timer, now }
  #drain = 0
  #ended = false
  #listeners = []
  connection = null // the name of the connection, while there is one
  user = null

  constructor(url, options = {}) {
    this.#url = url
    this.#o = { minWait: 500, maxWait: 30000, outbox: 1 << 20, ...options }
    this.#listen(globalThis, 'online', () => this.#wake())
    this.#listen(globalThis.document, 'visibilitychange', () => globalThis.document.visibilityState === 'visible' && this.#wake())
    this.#listen(globalThis, 'pageshow', () => this.#wake())
    queueMicrotask(() => this.#turn || this.#connect()) // the page has the client first
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
      unsubscribe: () => {
        if (this.#subs.get(channel) !== sub) return
        this.#subs.delete(channel)
        if (this.#ready) this.#send({ body: { unsubscribe: { channel } } })
      },
    }
    this.#subs.set(channel, sub)
    if (this.#ready) this.#subscribe(sub)
    return { channel, get position() { return sub.position }, unsubscribe: sub.unsubscribe }
  }

  // publish resolves to the position of the message once it is stored: once, however
  // often the connection is lost meanwhile. Bytes are published as such, anything
  // else as JSON. Options: key, dedupe.
  publish(channel, data, { key, dedupe = unique() } = {}) {
    const body = { channel, key, dedupe }
    if (data instanceof ArrayBuffer || ArrayBuffer.isView(data)) body.data64 = base64(bytesOf(data))
    else body.data = data === undefined ? null : data
    return this.#ask({ publish: body }).then((a) => a.published)
  }

  // history resolves to { messages, position, lost }. Options: since, limit, reverse.
  history(channel, options = {}) {
    return this.#ask({ history: { channel, ...options } }).then(({ history: h }) => ({ ...h, messages: h.messages.map(received) }))
  }

  presence(channel) { return this.#ask({ presence: { channel } }).then((a) => a.presence.members) }

  // reconnect drops the connection and makes another one at once.
  reconnect() {
    if (this.#ended) return
    const socket = this.#socket
    this.#lost()
    socket?.close()
    if (this.#retry) this.#wake()
    else this.#connect()
  }

  close() { this.#end(null) }

  #listen(target, type, f) {
    if (!target?.addEventListener) return
    target.addEventListener(type, f)
    this.#listeners.push(() => target.removeEventListener(type, f))
  }

  #after(ms, f) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      f()
    }, Math.min(ms, 2 ** 31 - 1))
    this.#timers.add(timer)
    return timer
  }

  #tell(name, error) { this.#o.state?.(name, error) }

  // #wake connects now instead of later.
  #wake() {
    const r = this.#retry
    if (!r) return
    clearTimeout(r.timer)
    this.#timers.delete(r.timer)
    r.now()
  }

  async #connect() {
    if (this.#ended) return
    const turn = ++this.#turn
    const over = () => this.#ended || turn !== this.#turn
    this.#tell('connecting')
    let token
    try {
      token = typeof this.#o.token === 'function' ? await this.#o.token() : this.#o.token
    } catch (e) {
      if (!over()) this.#later(e)
      return
    }
    if (over()) return
    const socket = new Socket(this.#url, 'curlew.v1', this.#o)
    this.#socket = socket
    this.#drain = 0
    let began = 0
    const mine = () => this.#socket === socket && !this.#ended
    const slow = this.#after(30000, () => mine() && !this.#ready && socket.close())
    socket.onopen = () => {
      if (!mine()) return
      this.#send({
        body: { hello: { token, client: 'js/1' } },
        answer: (a) => {
          if (!a.hello) {
            this.error = new HubError(a.error)
            return
          }
          began = Date.now()
          this.#welcome(a.hello)
        },
      })
    }
    socket.onmessage = (e) => {
      if (!mine()) return
      let list
      try {
        list = JSON.parse(e.data)
      } catch {
        socket.close(4500, 'not JSON')
        return
      }
      for (const a of Array.isArray(list) ? list : [list]) if (mine()) this.#take(a)
    }
    socket.onclose = (e) => {
      clearTimeout(slow)
      this.#timers.delete(slow)
      if (!mine()) return
      if (began && Date.now() - began >= 5000) this.#attempt = 0
      this.#lost(e)
      const error = this.error ?? Object.assign(unable(`closed with ${e.code} ${e.reason}`), { close: e.code })
      this.error = undefined
      if (returns(e.code)) this.#later(error)
      else this.#end(error)
    }
  }

  #welcome(hello) {
    this.#ready = true
    this.connection = hello.connection
    this.user = hello.user ?? null
    this.#expires(hello.expires)
    for (const sub of this.#subs.values()) this.#subscribe(sub)
    const calls = this.#outbox
    this.#outbox = []
    this.#bytes = 0
    for (const call of calls) this.#send(call)
    this.#tell('connected')
  }

  // #expires has a new token said before the old one expires.
  #expires(at) {
    if (!at || typeof this.#o.token !== 'function') return
    const socket = this.#socket
    const left = at - Date.now()
    this.#after(Math.max(left - Math.min(left / 4, 60000) - Math.random() * left / 20, 0), async () => {
      if (this.#socket !== socket || !this.#ready) return
      try {
        const token = await this.#o.token()
        if (this.#socket === socket && this.#ready) {
          this.#send({ body: { refresh: { token } }, answer: (a) => a.refreshed && this.#expires(a.refreshed.expires) })
        }
      } catch {
        this.#expires(Date.now() + Math.max(at - Date.now(), 0) / 2)
      }
    })
  }

  #lost() {
    this.#ready = false
    this.connection = null
    this.#socket = null
    for (const sub of this.#subs.values()) sub.live = false
    const rest = [...this.#asked.values()].filter((call) => call.done)
    this.#asked.clear()
    this.#outbox.unshift(...rest)
    for (const call of rest) this.#bytes += call.size
  }

  #later(error) {
    if (this.#ended) return
    this.#tell('connecting', error)
    const most = Math.min(this.#o.minWait * 2 ** this.#attempt++, this.#o.maxWait)
    const now = () => {
      this.#retry = null
      this.#connect()
    }
    this.#retry = { now, timer: this.#after(Math.random() * (this.#drain || most), now) }
  }

  #end(error) {
    if (this.#ended) return
    this.#ended = true
    const calls = [...this.#outbox, ...[...this.#asked.values()].filter((call) => call.done)]
    for (const timer of this.#timers) clearTimeout(timer)
    for (const off of this.#listeners) off()
    const socket = this.#socket
    this.#socket = null
    this.#ready = false
    socket?.close(1000)
    for (const call of calls) call.fail(error ?? unable('the client was closed'))
    this.#tell('ended', error ?? undefined)
  }

  #ask(body) {
    return new Promise((done, fail) => {
      const call = { body, done, fail, size: JSON.stringify(body).length }
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
    this.#asked.set(id, call)
    this.#socket.send(JSON.stringify({ id, ...call.body }))
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
      sub.events.message?.(m)
    } else if (a.gap) {
      const sub = of(a.gap)
      if (sub?.position) sub.position = { ...sub.position, offset: Math.max(sub.position.offset, a.gap.to) }
      sub?.events.gap?.({ from: a.gap.from, to: a.gap.to })
    } else if (a.join) of(a.join)?.events.join?.(a.join)
    else if (a.leave) of(a.leave)?.events.leave?.(a.leave)
    else if (a.unsubscribed) {
      const sub = of(a.unsubscribed)
      if (sub) this.#refused(sub, new HubError({ code: a.unsubscribed.code, message: 'the server has ended the subscription', retry: a.unsubscribed.code === 'unavailable' }))
    } else if (a.drain) this.#drain = Math.max(a.drain.retry, 1)
  }

  #subscribe(sub) {
    sub.live = false
    this.#send({
      body: { subscribe: { channel: sub.channel, since: sub.position ?? undefined, presence: !!sub.events.subscribed } },
      answer: (a) => {
        if (this.#subs.get(sub.channel) !== sub) return
        if (!a.subscribed) {
          this.#refused(sub, new HubError(a.error ?? { code: 'internal' }))
          return
        }
        const s = a.subscribed
        const lost = sub.position && !s.recovered
        if (!sub.position || lost) sub.position = s.position
        sub.live = true
        if (lost) sub.events.gap?.({})
        sub.events.subscribed?.(s)
      },
    })
  }

  #refused(sub, error) {
    sub.live = false
    if (error.retry) {
      this.#after(1000 + 2000 * Math.random(), () => {
        if (this.#subs.get(sub.channel) === sub && this.#ready && !sub.live) this.#subscribe(sub)
      })
      return
    }
    this.#subs.delete(sub.channel)
    sub.events.ended?.(error)
  }
}

// returns says whether it makes sense to connect again behind a close code.
const returns = (code) => [1001, 1005, 1006, 1011, 1012, 1013, 1014].includes(code) || (code >= 4000 && code < 4500)

// received is a message as the page sees it: binary data as bytes.
function received(m) {
  if (m.data64 === undefined) return m
  const { data64, ...rest } = m
  return { ...rest, data: Uint8Array.from(atob(data64), (c) => c.charCodeAt(0)) }
}

function base64(p) {
  let s = ''
  for (const b of p) s += String.fromCharCode(b)
  return btoa(s)
}

const unique = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join('')
