package curlew

import (
	"runtime"
	"sync"
	"sync/atomic"

	"curlew.example/curlew/frame"
)

// A Batch sends to many connections at once: what it queues leaves when all have
// theirs, from a few goroutines, where Send would start one for each connection. A
// Fanout makes it.
type Batch struct {
	conns []*Conn // that have something to flush; each is marked as due

	// While it is flushed:
	next atomic.Int32 // the first of conns that nobody has taken yet
	left atomic.Int32 // goroutines
	run  func()       // work: so starting one allocates nothing
}

var batchPool = sync.Pool{New: func() any { return new(Batch) }}

// Send is c.SendPrepared; with a nil Batch it is nothing else.
func (b *Batch) Send(c *Conn, m *Prepared) error {
	if err := c.sendable(m.t, m.data, m.valid); err != nil {
		return err
	}
	return c.enqueue(message{op: frame.Opcode(m.t), prepared: m}, nil, b)
}

// share is how many connections a goroutine takes at once. So few are flushed before
// another processor can be of help.
const share = 32

// flush has all that was sent leave. It does not wait, and b is not to be used again.
func (b *Batch) flush() {
	n := min((len(b.conns)+share-1)/share, runtime.GOMAXPROCS(0))
	if n == 0 {
		batchPool.Put(b)
		return
	}
	if b.run == nil {
		b.run = b.work
	}
	b.next.Store(0)
	b.left.Store(int32(n))
	for range n {
		go b.run()
	}
}

func (b *Batch) work() {
	for {
		to := int(b.next.Add(share))
		from := to - share
		if from >= len(b.conns) {
			break
		}
		for _, c := range b.conns[from:min(to, len(b.conns))] {
			c.flushDue()
		}
	}
	if b.left.Add(-1) == 0 {
		clear(b.conns)
		b.conns = b.conns[:0]
		batchPool.Put(b)
	}
}
