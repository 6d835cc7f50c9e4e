//go:build !race && !invariants

// The race detector makes sync.Pool forget things on purpose.

package deflate

import (
	"fmt"
	"testing"
)

// TestAllocs: none per message, once the pools have what is needed.
func TestAllocs(t *testing.T) {
	for _, size := range []int{20, 1 << 10, 1 << 16} {
		plain := jsonText(size)
		for _, bits := range []int{8, 12, 15} {
			for _, context := range []bool{false, true} {
				d, taker := NewDeflater(1, bits, context), GetInflater(bits)
				dst, wire := make([]byte, size+1), make([]byte, 0, 2*size+100)
				n := testing.AllocsPerRun(100, func() {
					wire = d.Append(wire[:0], plain)
					z := taker
					if !context {
						z = GetInflater(bits)
					}
					z.Reset(context)
					for at := 0; at < len(wire); at += 500 {
						z.Inflate(dst, wire[at:min(at+500, len(wire))])
					}
					z.Finish(dst)
					if !context {
						z.Put()
					}
				})
				if n != 0 {
					t.Errorf("%d bytes, %d bits, context %v: %v allocations a message", size, bits, context, n)
				}
				d.Release()
				taker.Put()
			}
		}
	}
	d := NewDeflater(1, 15, false)
	var dst []byte
	if n := testing.AllocsPerRun(100, func() {
		dst = d.Append(dst[:0], plainPrepared)
	}); n != 0 {
		t.Errorf("a message of %d bytes: %v allocations", len(plainPrepared), n)
	}
}

var plainPrepared = fmt.Append(nil, squares)

// TestNegotiationAllocs: what declining costs does not depend on us; accepting
// costs the answer.
func TestNegotiationAllocs(t *testing.T) {
	offers := readOffers("client_max_window_bits")
	if n := testing.AllocsPerRun(100, func() { Config{}.Accept(offers) }); n > 2 {
		t.Errorf("%v allocations for an answer", n)
	}
}
