/** How bytes travel: a WebSocket, or plain HTTP in three ways. */
export type Transport = 'ws' | 'stream' | 'sse' | 'poll'

export interface SocketOptions {
  /** Those that may be used, in the order in which they are tried. */
  modes?: Transport[]
  /** The constructor to use instead of the global one, as in Node. */
  WebSocket?: typeof WebSocket
  /** Fields of the fallback's requests, as Authorization. */
  headers?: Record<string, string>
  /** Those of fetch: 'include' unless said. */
  credentials?: RequestCredentials
}

/** WebSocket to the letter; where upgrades cannot pass it goes over plain HTTP. */
export class Socket extends EventTarget implements WebSocket {
  static readonly CONNECTING: 0
  static readonly OPEN: 1
  static readonly CLOSING: 2
  static readonly CLOSED: 3
  constructor(url: string | URL, protocols?: string | string[], options?: SocketOptions)
  readonly CONNECTING: 0
  readonly OPEN: 1
  readonly CLOSING: 2
  readonly CLOSED: 3
  readonly url: string
  readonly readyState: number
  readonly protocol: string
  readonly extensions: string
  readonly bufferedAmount: number
  binaryType: BinaryType
  /** The way that is in use, '' before the connection is open. */
  readonly transport: Transport | ''
  onopen: ((this: WebSocket, ev: Event) => any) | null
  onmessage: ((this: WebSocket, ev: MessageEvent) => any) | null
  onerror: ((this: WebSocket, ev: Event) => any) | null
  onclose: ((this: WebSocket, ev: CloseEvent) => any) | null
  send(data: string | ArrayBufferLike | Blob | ArrayBufferView): void
  /** 1000 or 3000 to 4999, and at most 123 bytes. */
  close(code?: number, reason?: string): void
  addEventListener<K extends keyof WebSocketEventMap>(type: K, listener: (this: WebSocket, ev: WebSocketEventMap[K]) => any, options?: boolean | AddEventListenerOptions): void
  addEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions): void
  removeEventListener<K extends keyof WebSocketEventMap>(type: K, listener: (this: WebSocket, ev: WebSocketEventMap[K]) => any, options?: boolean | EventListenerOptions): void
  removeEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | EventListenerOptions): void
}

/** A place in a channel: behind the message with that offset. */
export interface Position { epoch: string; offset: number }

export interface Message<T = any> extends Position {
  channel: string
  /** What was published; a Uint8Array if it was bytes. */
  data: T
  user?: string
  key?: string
  /** Milliseconds since 1970. */
  time: number
}

export interface Member { user: string | null; connection: string; info?: any }

/** What the server has answered instead. */
export class HubError extends Error {
  code: 'bad_request' | 'unknown_channel' | 'forbidden' | 'unauthorized' | 'limit' | 'too_big' | 'unavailable' | 'expired' | 'internal'
  /** The same request may succeed later. */
  retry: boolean
}

export interface ClientOptions extends SocketOptions {
  /** What is said in hello, and again before it expires. */
  token?: string | (() => string | Promise<string>)
  state?(name: 'connecting' | 'connected' | 'ended', error?: Error): void
  /** Milliseconds between attempts to connect, at random up to: 500 at first, 30000 at most. */
  minWait?: number
  maxWait?: number
  /** Bytes that may wait while there is no connection: 1 MiB. */
  outbox?: number
  /**
   * One connection for all tabs of this origin that have the same address and say the
   * same here: true, or the name of the user where tabs may be those of several. One of
   * them makes it, with its own token and options, and when that one goes another one
   * does, and nothing is lost. To the hub they are one member and one client, with the
   * limits of one. Without Web Locks or BroadcastChannel each tab has its own.
   */
  share?: boolean | string
}

export interface SubscriptionEvents<T = any> {
  /** The position to begin at, as who returns. */
  since?: Position
  message?(m: Message<T>): void
  /** Messages are lost: those from from to to; without, nobody knows which. */
  gap?(g: { from?: number; to?: number }): void
  join?(m: Member): void
  leave?(m: Member): void
  subscribed?(s: { channel: string; position: Position; recovered: boolean; members?: Member[] }): void
  /** The server has ended the subscription, or refused it. */
  ended?(error: HubError): void
}

export interface Subscription {
  readonly channel: string
  /** Of the last message. */
  readonly position: Position | null
  unsubscribe(): void
}

/** A connection to a hub that comes back by itself. */
export class Client {
  constructor(url: string | URL, options?: ClientOptions)
  readonly transport: Transport | ''
  readonly connected: boolean
  /** The name of the connection, while there is one. */
  readonly connection: string | null
  readonly user: string | null
  subscribe<T = any>(channel: string, events?: SubscriptionEvents<T>): Subscription
  /**
   * Resolves once the message is stored, and stores it once; rejects with 'unavailable'
   * if the answer was lost and the connection stayed away so long that nobody can tell.
   */
  publish(channel: string, data: any, options?: { key?: string; dedupe?: string }): Promise<Position>
  /**
   * What was said, from since on or from the beginning. lost: not all of it is there any
   * more. more: it did not fit in one answer; position is that of the last message, from
   * which to ask on (but in reverse). Without, position is that of the channel. In any
   * case what is subscribed with since: position goes on where messages end.
   */
  history<T = any>(channel: string, options?: { since?: Position; limit?: number; reverse?: boolean }): Promise<{ messages: Message<T>[]; position: Position; lost?: boolean; more?: boolean }>
  presence(channel: string): Promise<Member[]>
  /** Drops the connection, also that of the tabs that share it, and makes another one at once. */
  reconnect(): void
  close(): void
}
