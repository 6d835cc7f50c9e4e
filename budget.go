package curlew

import (
	"sync/atomic"

	"curlew.example/curlew/internal/deflate"
)

// A Budget is memory that connections share for what context takeover has them keep
// between messages: see Compression.Memory. Any number of handlers may share one.
type Budget struct {
	bytes int64
	used  atomic.Int64
}

// NewBudget returns a Budget of so many bytes.
func NewBudget(bytes int64) *Budget { return &Budget{bytes: bytes} }

// Used returns how many bytes are taken.
func (b *Budget) Used() int64 { return b.used.Load() }

// take takes n bytes, if there are as many.
func (b *Budget) take(n int64) bool {
	for {
		used := b.used.Load()
		if n > b.bytes-used {
			return false
		}
		if b.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}

// negotiate answers the offers of a client. What the agreement keeps of its memory is
// taken from the budget, which give returns it to. When that is spent the contexts
// are declined: a message then costs a little more, the connection nothing.
func (z *Compression) negotiate(c *deflate.Config, offers [][]deflate.Param) (p deflate.Params, answer string, ok bool) {
	p, answer, ok = c.Accept(offers)
	if !ok || z.Memory == nil || z.Memory.take(contexts(&p, c.Level)) {
		return p, answer, ok
	}
	without := *c
	without.ServerContext, without.ClientContext = false, false
	return without.Accept(offers)
}

// contexts is what a server's connection keeps for p.
func contexts(p *deflate.Params, level int) (n int64) {
	if !p.ServerNoContext {
		n += int64(deflate.KeptByDeflater(level, p.ServerBits))
	}
	if !p.ClientNoContext {
		n += int64(1) << p.ClientBits
	}
	return n
}

// give returns what a connection with these terms keeps.
func (t *terms) give() {
	if t.kept > 0 {
		t.set.memory.used.Add(-t.kept)
	}
}
