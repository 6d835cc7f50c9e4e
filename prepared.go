package curlew

import (
	"bytes"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"curlew.example/curlew/frame"
	"curlew.example/curlew/internal/core"
	"curlew.example/curlew/internal/deflate"
)

// A Prepared is a message for many connections. Any number of goroutines may
// send it at the same time, any number of times.
type Prepared struct {
	t     Type
	data  []byte
	valid bool // as UTF-8

	encodings atomic.Pointer[[]encoding] // replaced, never changed
	mu        sync.Mutex                 // of whoever adds one
}

// An encoding is the message as it leaves on connections with equal parameters.
type encoding struct {
	parameters encodingParameters
	wire       []byte
}

type encodingParameters struct {
	maxFrame, level, bits int // bits 0: not compressed
}

// Prepare copies p.
func Prepare(t Type, p []byte) *Prepared {
	return &Prepared{t: t, data: bytes.Clone(p), valid: t == Text && utf8.Valid(p)}
}

// encoded returns the message as it leaves on c, or nil where each connection
// must encode for itself: clients mask, and a context is a connection's own.
func (m *Prepared) encoded(c *Conn) []byte {
	if c.role == Client || c.preserve.Load() {
		return nil
	}
	k := encodingParameters{maxFrame: c.set.maxFrame}
	if c.out.encoder.Compresses(len(m.data)) {
		if c.context {
			return nil
		}
		k.level, k.bits = c.level, c.bits
	}
	if all := m.encodings.Load(); all != nil {
		for i := range *all {
			if (*all)[i].parameters == k {
				return (*all)[i].wire
			}
		}
	}
	return m.add(k)
}

// maxEncodings bounds what a Prepared holds for connections that differ.
const maxEncodings = 8

func (m *Prepared) add(k encodingParameters) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []encoding
	if p := m.encodings.Load(); p != nil {
		all = *p
	}
	for i := range all {
		if all[i].parameters == k {
			return all[i].wire
		}
	}
	var d *deflate.Deflater
	if k.bits != 0 {
		d = deflate.NewDeflater(k.level, k.bits, false)
	}
	e := core.NewEncoder(&core.EncoderConfig{Server: true, MaxFrame: k.maxFrame}, d)
	wire := e.Message(nil, frame.Opcode(m.t), m.data, false)
	e.Release()
	if len(all) < maxEncodings {
		all = append(all[:len(all):len(all)], encoding{k, wire})
		m.encodings.Store(&all)
	}
	return wire
}
