// What must pass the checker of types, and what must not.
import { Client, HubError, Socket, type Message, type Position } from '../curlew.js'

const ws: WebSocket = new Socket('/chat', ['a', 'b'], { modes: ['stream'], headers: { Authorization: 'x' } })
ws.onmessage = (e) => e.data
ws.addEventListener('close', (e) => e.code)
const socket = new Socket(new URL('wss://example.com'))
socket.addEventListener('close', (e) => e.reason)
socket.send(new Uint8Array(1))
socket.close(1000, 'done')
if (socket.readyState === Socket.OPEN && socket.transport === 'poll') socket.binaryType = 'arraybuffer'
// @ts-expect-error
socket.readyState = 1
// @ts-expect-error
new Socket('/', [], { modes: ['carrier pigeon'] })

const hub = new Client('/hub', { token: async () => 'token', state: (name, error) => `${name} ${error?.message}`, share: true })
const sub = hub.subscribe<{ text: string }>('room:1', {
  message: (m: Message<{ text: string }>) => m.data.text,
  gap: ({ from, to }) => from ?? to,
  subscribed: ({ members }) => members?.[0].user,
  ended: (error: HubError) => error.code === 'forbidden' && error.retry,
})
const at: Position | null = sub.position
hub.publish('room:1', { text: 'x' }, { key: 'k' }).then((p: Position) => p.offset)
hub.history('room:1', { since: at ?? undefined, limit: 1 }).then(({ messages, lost }) => lost || messages.length)
hub.history('room:1').then(({ more }) => more === true)
// @ts-expect-error
hub.publish()
