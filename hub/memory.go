package hub

import (
	"cmp"
	"context"
	"crypto/rand"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"curlew.example/curlew/hub/proto"
)

// Memory is the broker for one node: everything is in its memory, and gone with it.
// An idle channel without history costs about 200 bytes here, a stored message
// about 160 and its data.
type Memory struct {
	seed   maphash.Seed
	began  time.Time     // what instants are counted from: a clock that is set changes nothing
	start  string        // of all epochs
	epochs atomic.Uint64 // that were given
	recent dedupes
	stored budget
	shards [64]shard
}

// Bound says how many bytes the stored messages of all channels may take, with what
// storing them costs; 0 is no limit. When it is spent a channel forgets its own oldest
// messages for the newest, and one that has none stores none: subscribers who come back
// are told what is lost, as ever. It may be called at any time, and holds from the next
// message on.
func (b *Memory) Bound(bytes int64) { b.stored.most.Store(bytes) }

// A budget is what stored messages may take and do, in bytes.
type budget struct{ most, used atomic.Int64 }

func (b *budget) spent() bool {
	most := b.most.Load()
	return most > 0 && b.used.Load() > most
}

// What a stored message costs besides its texts, and a channel that has some.
const (
	messageCost = 160
	channelCost = 400
)

func costOf(m *Message) int64 { return int64(messageCost + len(m.Data) + len(m.User) + len(m.Key)) }

// NewMemory returns one.
func NewMemory() *Memory {
	b := &Memory{seed: maphash.MakeSeed(), began: time.Now(), start: rand.Text()[:8]}
	for i := range b.shards {
		b.shards[i].broker = b
		b.shards[i].streams = make(map[string]*stream)
	}
	return b
}

// now is this instant.
func (b *Memory) now() time.Duration { return time.Since(b.began) }

// A shard is a part of the channels.
type shard struct {
	broker *Memory

	mu      sync.Mutex // taken before that of a stream, guards the following
	streams map[string]*stream
	due     agenda
	idle    int // streams that linger
	timer   *time.Timer
	closed  bool
}

// linger is how long a channel is remembered of which only the position is left, so
// that who returns learns that nothing is missing.
const linger = time.Minute

// maxIdle is how many channels of a shard linger at most. Who returns to one for
// which there was no room is told that something may be missing.
const maxIdle = 1024

func (b *Memory) shard(channel string) *shard {
	return &b.shards[maphash.String(b.seed, channel)%uint64(len(b.shards))]
}

// use calls f with the stream of a channel, which is made if it is not there, and
// locked. Afterwards it is kept for as long as something is in it.
func (b *Memory) use(channel string, f func(st *stream)) error {
	sh := b.shard(channel)
	sh.mu.Lock()
	if sh.closed {
		sh.mu.Unlock()
		return errClosed
	}
	st := sh.streams[channel]
	if st == nil {
		st = &stream{name: channel, stored: &b.stored, due: never, epoch: b.start + "-" + strconv.FormatUint(b.epochs.Add(1), 36), at: -1}
		sh.streams[channel] = st
	}
	st.users++
	sh.mu.Unlock()

	st.mu.Lock()
	f(st)
	st.mu.Unlock()

	sh.mu.Lock()
	st.users--
	sh.settleLocked(st)
	sh.mu.Unlock()
	return nil
}

// look calls f with the stream of a channel if there is one.
func (b *Memory) look(channel string, f func(st *stream)) {
	sh := b.shard(channel)
	sh.mu.Lock()
	st := sh.streams[channel]
	sh.mu.Unlock()
	if st != nil {
		b.use(channel, f)
	}
}

// settleLocked forgets a stream with nothing in it, or sees to it that it is looked
// at when something of it is due.
func (sh *shard) settleLocked(st *stream) {
	if st.users > 0 || sh.streams[st.name] != st {
		return
	}
	st.mu.Lock()
	due, idle := st.dueLocked(sh.broker.now())
	st.mu.Unlock()
	if idle != st.idle {
		if st.idle = idle; idle {
			sh.idle++
		} else {
			sh.idle--
		}
	}
	if due == 0 || idle && sh.idle > maxIdle {
		delete(sh.streams, st.name)
		sh.idle--
		due = never
	}
	if sh.due.set(st, due) {
		sh.setTimerLocked()
	}
}

func (sh *shard) setTimerLocked() {
	switch {
	case len(sh.due) == 0:
		if sh.timer != nil {
			sh.timer.Stop()
		}
	case sh.timer == nil:
		sh.timer = time.AfterFunc(sh.due[0].due-sh.broker.now(), sh.ring)
	default:
		sh.timer.Reset(sh.due[0].due - sh.broker.now())
	}
}

// ring looks at the streams of which something is due. The others of the shard do not
// wait for that, as many may have to be told who has left.
func (sh *shard) ring() {
	now := sh.broker.now()
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for len(sh.due) > 0 && sh.due[0].due <= now {
		st := sh.due[0]
		sh.due.set(st, never)
		st.users++
		sh.mu.Unlock()
		st.mu.Lock()
		st.expireLocked(now)
		st.mu.Unlock()
		sh.mu.Lock()
		st.users--
		sh.settleLocked(st)
	}
	sh.setTimerLocked()
}

// Close forgets everything.
func (b *Memory) Close() error {
	for i := range b.shards {
		sh := &b.shards[i]
		sh.mu.Lock()
		sh.closed, sh.streams, sh.due, sh.idle = true, make(map[string]*stream), nil, 0
		sh.setTimerLocked()
		sh.mu.Unlock()
	}
	return nil
}

var errClosed = &proto.Error{Code: proto.Unavailable, Message: "the hub has ended"}

func (b *Memory) Publish(_ context.Context, channel string, p *Publication, k Keep) (at Position, again bool, err error) {
	err = b.use(channel, func(st *stream) {
		now := b.now()
		key := dedupeKey{channel, p.User, p.Dedupe}
		if p.Dedupe != "" {
			if at, again = b.recent.find(key, now); again {
				return
			}
		}
		m := st.publishLocked(p, k, now)
		at = m.Position
		if p.Dedupe != "" {
			b.recent.add(key, at, now)
		}
	})
	return at, again, err
}

func (b *Memory) Subscribe(_ context.Context, channel string, s Sink) (at Position, err error) {
	err = b.use(channel, func(st *stream) {
		st.sinks, st.known = append(st.sinks, s), true
		at = st.topLocked()
	})
	return at, err
}

func (b *Memory) Unsubscribe(channel string, s Sink) {
	b.look(channel, func(st *stream) {
		for i, have := range st.sinks {
			if have == s {
				st.sinks, st.last = append(st.sinks[:i:i], st.sinks[i+1:]...), b.now()
				return
			}
		}
	})
}

func (b *Memory) History(_ context.Context, channel string, q Query) (p *Page, err error) {
	err = b.use(channel, func(st *stream) {
		now := b.now()
		p = st.historyLocked(q, now)
		st.last, st.known = now, true
	})
	return p, err
}

func (b *Memory) Join(_ context.Context, channel string, m *Member) error {
	return b.use(channel, func(st *stream) { st.joinLocked(m) })
}

func (b *Memory) Leave(channel, connection string, grace time.Duration) {
	b.look(channel, func(st *stream) { st.leaveLocked(connection, b.now(), grace) })
}

func (b *Memory) Members(_ context.Context, channel string) (list []*Member, err error) {
	b.look(channel, func(st *stream) { list = st.membersLocked() })
	slices.SortFunc(list, func(a, b *Member) int { // nobody waits for that
		return cmp.Or(strings.Compare(a.User, b.User), strings.Compare(a.Connection, b.Connection))
	})
	return list, nil
}
