// What a page may expect of a WebSocket, as questions and answers: of the browser's
// own and of Socket over each mode, which must be the same. make creates a socket,
// Class has its statics, base is the server of server_test.go.

const sleepless = 60000 // ms that a case may take: more than on any machine

const hex = (op, text) => {
  const p = text instanceof Uint8Array ? text : new TextEncoder().encode(text)
  return [op, p.length, ...p].map((b) => b.toString(16).padStart(2, '0')).join('')
}

const nameOf = (f) => {
  try {
    const v = f()
    return v?.close ? 'ok' : v
  } catch (e) {
    return e.name
  }
}

// shown is what a value is, as text.
async function shown(v) {
  const kind = Object.prototype.toString.call(v).slice(8, -1)
  if (kind === 'String') return v.length > 100 ? `text of ${v.length}: ${v.slice(0, 3)}…${v.slice(-3)}` : JSON.stringify(v)
  const p = new Uint8Array(kind === 'Blob' ? await v.arrayBuffer() : v)
  return `${kind} ${p.length > 100 ? p.length : [...p]}`
}

// watch notes what happens to a socket; done resolves at its close.
function watch(ws) {
  const log = []
  const note = (e) => log.push(e)
  ws.addEventListener('open', () => note(`open ${ws.readyState}`))
  ws.addEventListener('message', (e) => note(shown(e.data)))
  ws.addEventListener('error', () => note(`error ${ws.readyState}`))
  const done = new Promise((end) => ws.addEventListener('close', (e) => {
    note(`close ${ws.readyState} ${e.code} ${JSON.stringify(e.reason)} ${e.wasClean}`)
    setTimeout(async () => end(await Promise.all(log)))
  }))
  return { log, note, done }
}

const once = (ws, type) => new Promise((done) => ws.addEventListener(type, done, { once: true }))

// echoes sends what f sends, waits for n messages and closes.
async function echoes(ws, n, f) {
  const { done } = watch(ws)
  let left = n
  ws.addEventListener('message', () => --left || ws.close(1000))
  await once(ws, 'open')
  f(ws)
  return (await done).filter((s) => !s.startsWith('open'))
}

export function cases({ make, Class, base, browser }) {
  const echo = base.replace('http', 'ws') + '/ws/echo'
  const script = (say, more = '') => `${base.replace('http', 'ws')}/ws/script?say=${say.join('+')}${more}`
  const short = (s) => (typeof s === 'string' ? s.replaceAll(new URL(base).host, 'HOST').replaceAll(globalThis.location?.host ?? 'HOST', 'HOST') : s)
  // made says how a construction goes, and what it leaves behind.
  const made = (...args) => short(nameOf(() => {
    const ws = make(...args)
    const text = `${ws.url} ${ws.readyState} ${JSON.stringify(ws.protocol)}`
    ws.close()
    return text
  }))
  const all = {}
  const test = (name, f) => { all[name] = f }

  // ---- construction

  const urls = { none: [], 'no URL': ['http://['], ftp: ['ftp://a/'], mailto: ['mailto:a@b'], fragment: [echo + '#f'], 'empty fragment': [echo + '#'],
    http: [base + '/ws/echo'], upper: [echo.replace('ws:', 'WS:')], 'URL object': [new URL(echo)], query: [echo + '?a=b#'], spaces: [` ${echo} `], 'no path': [base.replace('http', 'ws')] }
  if (browser) Object.assign(urls, { relative: ['/ws/echo'], dots: ['a/../ws/echo'], 'undefined': [undefined] })
  for (const [name, args] of Object.entries(urls)) test(`new: URL: ${name}`, () => made(...args))
  const protocols = { empty: '', space: 'a b', comma: 'a,b', accent: 'é', control: 'a\u0001', 'none': [], one: ['alpha'], twice: ['a', 'a'], 'twice, other case': ['alpha', 'ALPHA'],
    'empty in a list': ['a', ''], null: null, undefined: undefined, number: 42, object: {}, 'list of numbers': [1, 2], slash: 'a/b', set: new Set(['a', 'b']), symbol: Symbol('a') }
  for (const [name, p] of Object.entries(protocols)) test(`new: protocols: ${name}`, () => made(echo, p))
  test('new: the URL is looked at first', () => made('ftp://a/', ['a', 'a']))
  test('without new', () => nameOf(() => Class(echo)))

  // ---- the interface

  test('statics', () => ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'].map((k) => {
    const d = [Object.getOwnPropertyDescriptor(Class, k), Object.getOwnPropertyDescriptor(Class.prototype, k)]
    return d.map((x) => `${x.value} ${x.writable} ${x.enumerable} ${x.configurable}`)
  }))
  test('members', () => ['url', 'readyState', 'protocol', 'extensions', 'bufferedAmount', 'binaryType', 'onopen', 'onmessage', 'onerror', 'onclose', 'send', 'close'].map((k) => {
    const d = Object.getOwnPropertyDescriptor(Class.prototype, k)
    return `${k}: ${typeof d.get} ${typeof d.set} ${typeof d.value} ${d.value?.length} ${d.enumerable} ${d.configurable}`
  }))
  test('other objects', () => ['url', 'readyState', 'bufferedAmount', 'onopen'].map((k) => nameOf(() => Class.prototype[k])))
  test('class', () => {
    const ws = make(echo)
    ws.close()
    return [Class.length, Object.prototype.toString.call(ws), ws instanceof EventTarget, ws instanceof Class, ws.constructor === Class]
  })
  test('at first', () => {
    const ws = make(echo)
    const v = [ws.readyState, ws.protocol, ws.extensions, ws.bufferedAmount, ws.binaryType, ws.onopen, ws.onmessage, ws.onerror, ws.onclose, ws.OPEN]
    ws.close()
    return v
  })
  test('read only', () => {
    'use strict'
    const ws = make(echo)
    ws.close()
    return ['url', 'readyState', 'protocol', 'extensions', 'bufferedAmount'].map((k) => nameOf(() => { ws[k] = 1; return ws[k] }))
  })
  test('binaryType', () => {
    const ws = make(echo)
    ws.close()
    return ['arraybuffer', 'Blob', '', 'blob', null, { toString: () => 'arraybuffer' }, undefined].map((t) => {
      ws.binaryType = t
      return ws.binaryType
    })
  })
  test('handlers may be', () => {
    const ws = make(echo)
    ws.close()
    return [() => {}, {}, null, 1, 'f', undefined].map((f) => {
      ws.onopen = f
      return ws.onopen === f ? 'kept' : String(ws.onopen)
    })
  })

  // ---- opening

  test('open', async () => {
    const ws = make(echo)
    const { done } = watch(ws)
    await once(ws, 'open')
    const v = [ws.readyState, ws.protocol, ws.extensions, short(ws.url)]
    ws.close()
    return [v, await done]
  })
  for (const [name, list] of Object.entries({ first: ['alpha'], 'second': ['x', 'beta'], both: ['alpha', 'beta'], text: 'beta' })) {
    test(`protocol: ${name}`, async () => {
      const ws = make(echo, list)
      const { done } = watch(ws)
      await once(ws, 'open')
      const p = ws.protocol
      ws.close()
      return [p, await done, ws.protocol]
    })
  }
  test('protocol: none is chosen', () => watch(make(script([]), ['x'])).done)
  test('protocol: not asked for', () => watch(make(script([], '&choose=y'))).done)
  test('protocol: another one', () => watch(make(script([], '&choose=y'), ['x'])).done)
  for (const status of [204, 400, 401, 403, 404, 426, 500, 503]) test(`refused: ${status}`, () => watch(make(`${base}/ws/refuse?status=${status}`)).done)
  test('nobody there', () => watch(make('ws://127.0.0.1:9/')).done)

  // ---- events

  test('events', async () => {
    const ws = make(echo)
    const seen = []
    for (const type of ['open', 'message', 'close']) {
      ws.addEventListener(type, (e) => seen.push([e.type, e.constructor.name, e.bubbles, e.cancelable, e.composed, e.target === ws, e.currentTarget === ws, e.eventPhase,
        short(e.origin), e.lastEventId, e.source, e.ports?.length, e.defaultPrevented]))
    }
    await echoes(ws, 1, () => ws.send('x'))
    return seen
  })
  test('handlers and listeners', async () => {
    const ws = make(echo)
    const seen = []
    const note = (name) => function (e) { seen.push(`${name} ${this === ws} ${e.type}`) }
    ws.addEventListener('message', note('capture'), true)
    ws.addEventListener('message', note('before'))
    ws.onmessage = note('replaced')
    ws.addEventListener('message', note('once'), { once: true })
    ws.addEventListener('message', { handleEvent: () => seen.push('object') })
    const gone = note('gone')
    ws.addEventListener('message', gone)
    ws.removeEventListener('message', gone)
    ws.onmessage = note('on')
    ws.onopen = { handleEvent: () => seen.push('never') }
    await echoes(ws, 2, () => { ws.send('1'); ws.send('2') })
    return seen
  })
  test('a handler that is set anew comes last', async () => {
    const ws = make(echo)
    const seen = []
    ws.onmessage = () => seen.push('old')
    ws.addEventListener('message', () => seen.push('listener'))
    ws.onmessage = null
    ws.onmessage = () => seen.push('new')
    await echoes(ws, 1, () => ws.send('1'))
    return seen
  })
  test('events of others', async () => {
    const ws = make(echo)
    const seen = []
    ws.onmessage = (e) => seen.push(e.data)
    ws.dispatchEvent(new MessageEvent('message', { data: 'mine' }))
    ws.close()
    return seen
  })
  if (browser) {
    test('a listener that throws', async () => {
      const ws = make(echo)
      const seen = []
      const mine = new Error('oops')
      const quiet = (e) => {
        if (e.error !== mine) return
        seen.push('told')
        e.preventDefault()
      }
      addEventListener('error', quiet)
      ws.onmessage = () => { throw mine }
      ws.addEventListener('message', () => seen.push('next'))
      await echoes(ws, 1, () => ws.send('1'))
      removeEventListener('error', quiet)
      return seen
    })
  }

  // ---- sending

  const texts = { empty: '', ascii: 'hello', accents: 'Grüße 🐦', nul: 'a\0b', 'lone surrogates': 'a\ud800b\udc00', null: null, undefined: undefined, number: 42, object: {}, array: [1, 2],
    'toString': { toString: () => 'said' }, '125': 'x'.repeat(125), '126': 'x'.repeat(126), '65535': 'y'.repeat(65535), '65536': 'z'.repeat(65536), 'BOM': '\ufeffx' }
  for (const [name, v] of Object.entries(texts)) test(`send: text: ${name}`, () => echoes(make(echo), 1, (ws) => ws.send(v)))
  const bytes = Uint8Array.from({ length: 10 }, (_, i) => i * 25)
  const binaries = { ArrayBuffer: bytes.buffer, Uint8Array: bytes, part: bytes.subarray(3, 6), Float64Array: new Float64Array([1.5]), DataView: new DataView(bytes.buffer, 2, 3), Blob: new Blob([bytes, 'x']),
    'empty Blob': new Blob([]), 'empty ArrayBuffer': new ArrayBuffer(0), large: new Uint8Array(70000) }
  for (const type of ['blob', 'arraybuffer']) {
    for (const [name, v] of Object.entries(binaries)) {
      test(`send: ${name}, as ${type}`, () => {
        const ws = make(echo)
        ws.binaryType = type
        return echoes(ws, 1, () => ws.send(v))
      })
    }
  }
  test('send: what is changed behind it', () => {
    const ws = make(echo), p = new Uint8Array([1, 2, 3])
    ws.binaryType = 'arraybuffer'
    return echoes(ws, 2, () => {
      ws.send(p)
      p[0] = 9
      ws.send(new Blob(['x']))
      ws.send(p)
      p[0] = 8
      ws.send = null
    }).catch((e) => e.name)
  })
  test('send: order', () => {
    const ws = make(echo)
    ws.binaryType = 'arraybuffer'
    return echoes(ws, 5, () => {
      ws.send(new Blob(['b'.repeat(50000)]))
      ws.send('1')
      ws.send(new Blob(['c']))
      ws.send(new Uint8Array([7]))
      ws.send('last')
    })
  })
  test('send: then close', async () => {
    const ws = make(echo)
    const { done } = watch(ws)
    await once(ws, 'open')
    ws.send(new Blob(['x']))
    ws.send('y')
    ws.close(3001, 'z')
    return done
  })
  test('send: too early', () => {
    const ws = make(echo)
    const v = [nameOf(() => ws.send('x')), nameOf(() => ws.send()), nameOf(() => ws.send(Symbol('x'))), ws.bufferedAmount]
    ws.close()
    return v
  })
  test('send: wrong', async () => {
    const ws = make(echo)
    await once(ws, 'open')
    const v = [nameOf(() => ws.send()), nameOf(() => ws.send(Symbol('x'))), nameOf(() => ws.send({ toString() { throw new RangeError('x') } })), nameOf(() => ws.send('x'))]
    ws.close()
    return v
  })
  test('bufferedAmount', async () => {
    const ws = make(echo)
    const { done } = watch(ws)
    await once(ws, 'open')
    ws.send('x'.repeat(1000))
    ws.send(new Uint8Array(500))
    ws.send('é')
    ws.send(new Blob(['blob']))
    const v = [ws.bufferedAmount]
    for (let n = 0; n < 4; n++) await once(ws, 'message')
    while (ws.bufferedAmount) await new Promise((done) => setTimeout(done, 5)) // the answer to a POST may come behind the echo
    v.push(ws.bufferedAmount)
    ws.close()
    ws.send('late')
    v.push(ws.bufferedAmount)
    await done
    ws.send(new Uint8Array(3))
    v.push(ws.bufferedAmount)
    return v
  })
  test('5 MB', async () => {
    const ws = make(echo)
    const p = new Uint8Array(5 << 20)
    for (let i = 0; i < p.length; i += 65536) crypto.getRandomValues(p.subarray(i, i + 65536))
    ws.binaryType = 'arraybuffer'
    let same
    ws.addEventListener('message', (e) => { same = new Uint8Array(e.data).every((b, i) => b === p[i]) })
    return [await echoes(ws, 1, () => ws.send(p)), same]
  })

  // ---- closing

  for (const code of [0, 999, 1000, 1001, 1005, 1006, 1015, 2999, 3000, 4999, 5000, -1, 66536, NaN, Infinity, 'x', null, 1000.4, 1000.5, 999.5, 999.4, 2999.5, 4999.5, '3000', undefined, {}]) {
    test(`close: code ${String(code)}`, () => {
      const ws = make(echo)
      const v = nameOf(() => ws.close(code))
      const state = ws.readyState
      ws.close()
      return [v, state]
    })
  }
  test('close: arguments are converted first', () => {
    const ws = make(echo)
    const v = [nameOf(() => ws.close(1, Symbol('x'))), nameOf(() => ws.close(1, 'x'.repeat(200))), nameOf(() => ws.close(1000, 'x'.repeat(124))), nameOf(() => ws.close(1000, 'é'.repeat(62)))]
    ws.close()
    return v
  })
  for (const [name, args] of Object.entries({ nothing: [], undefined: [undefined], 'a reason only': [undefined, 'why'], code: [1000], both: [3999, 'grüezi'], 'empty reason': [3000, ''], null: [3000, null],
    'longest': [4000, 'é'.repeat(61) + 'x'], 'lone surrogate': [3000, 'a\ud800'], undefinedReason: [3000, undefined] })) {
    test(`close with ${name}`, async () => {
      const ws = make(echo)
      const { log, done } = watch(ws)
      await once(ws, 'open')
      const v = nameOf(() => ws.close(...args))
      return [v, ws.readyState, log.length, await done]
    })
  }
  test('close: when connecting', async () => {
    const ws = make(echo.replace('echo', 'never')) // else it may be open before the browser has heard of close
    const { log, done } = watch(ws)
    ws.close(3000, 'early')
    const v = [ws.readyState, log.length]
    return [v, await done]
  })
  test('close: twice', async () => {
    const ws = make(echo)
    const { done } = watch(ws)
    await once(ws, 'open')
    ws.close(3000, 'first')
    ws.close(4000, 'second')
    const v = nameOf(() => ws.close(1))
    const r = await done
    ws.close(4000)
    return [v, r, nameOf(() => ws.close(2)), ws.readyState]
  })
  test('close: in open', async () => {
    const ws = make(script([hex(0x81, 'one'), hex(0x81, 'two')]))
    const { done } = watch(ws)
    ws.onopen = () => ws.close(3000)
    return done
  })
  test('close: in message', async () => {
    const ws = make(script([hex(0x81, 'one'), hex(0x81, 'two')]))
    const { done } = watch(ws)
    ws.onmessage = () => ws.close(3000)
    return done
  })
  test('close: in error and close', async () => {
    const ws = make(`${base}/ws/refuse?status=403`)
    const { done } = watch(ws)
    ws.onerror = ws.onclose = () => ws.close(3000)
    return done
  })
  const closeFrame = (code, reason = '') => hex(0x88, new Uint8Array([code >> 8, code & 255, ...new TextEncoder().encode(reason)]))
  const ends = { nothing: ['8800'], 1000: [closeFrame(1000, 'done')], 1001: [closeFrame(1001)], 1011: [closeFrame(1011, 'oops')], 1012: [closeFrame(1012)], 3000: [closeFrame(3000, 'grüezi 🐦')], 4999: [closeFrame(4999)],
    'messages first': [hex(0x81, 'a'), hex(0x82, 'b'), hex(0x81, 'c'), closeFrame(1000)],
    'half a message': ['0103616263', closeFrame(1000)], 'in a message': ['0103616263', '8900', '800164', closeFrame(3001)] }
  for (const [name, say] of Object.entries(ends)) test(`the server closes: ${name}`, () => watch(make(script(say))).done)
  const wrongs = { 'code 1005': [closeFrame(1005)], 'code 999': [closeFrame(999)], 'code 5000': [closeFrame(5000)], 'one byte': ['880103'], 'reason is no UTF-8': ['880403e8ff00'],
    'text is no UTF-8': ['8101ff'], 'half a character': ['8101c3'], reserved: ['c10161'], opcode: ['830161'], 'control opcode': ['8b00'], masked: ['818100000000' + '61'], 'long ping': ['897e007e' + '61'.repeat(126)],
    'ping in parts': ['0900'], 'continuation of nothing': ['8000'], 'text in text': ['010161', '810161'] }
  for (const [name, say] of Object.entries(wrongs)) {
    test(`the server is wrong: ${name}`, async () => {
      const log = await watch(make(script([...say, hex(0x81, 'after')]))).done
      return log.filter((s) => !s.startsWith('open')) // there may be no time for that
    })
  }
  test('the server drops the connection', async () => {
    const ws = make(script([hex(0x81, 'bye')], '&then=drop'))
    const { done } = watch(ws)
    ws.onmessage = () => ws.send('x')
    return done
  })
  test('a message in parts, of characters too', () => echoes(make(script(['0101c3', '8900', '8a00', '0001bc', '0000', '800121'])), 1, () => {}))
  test('ping', () => echoes(make(script(['890178'], '&then=pong')), 1, () => {}))
  return all
}

// run gives the results of all cases by name.
export async function run(what, took = {}, skip = []) {
  const results = {}
  let made = 0
  const make = (...args) => {
    made++
    return what.make(...args)
  }
  const list = Object.entries(cases({ ...what, make })).filter(([name]) => !skip.includes(name))
  const next = async () => {
    for (let c; (c = list.shift());) {
      const [name, f] = c
      const began = Date.now()
      let timer
      const late = new Promise((done) => { timer = setTimeout(done, sleepless, 'no result in time') })
      results[name] = await Promise.race([late, (async () => f())().catch((e) => `${e.name}: ${e.message}`)])
      clearTimeout(timer)
      // A server has but few sessions for those that are opened and never asked for.
      for (; made > 0; made -= 4) await new Promise((done) => setTimeout(done, 30))
      if (Date.now() - began > 500) took[name] = Date.now() - began
    }
  }
  await Promise.all(Array.from({ length: what.browser ? 2 : 8 }, next))
  return JSON.parse(JSON.stringify(results))
}
