//go:build !race && !invariants

package core

import (
	"strings"
	"testing"

	"curlew.example/curlew/frame"
	"curlew.example/curlew/internal/deflate"
)

// Messages cost no memory, in either direction and role, compressed or not.
func TestNoAllocations(t *testing.T) {
	text := strings.Repeat("some text, ", 100)
	for _, server := range []bool{true, false} {
		c := Config{Server: server, MaxMessage: 1 << 20, MaxFragments: 100, CheckUTF8: true}
		z := packed(c)
		keep := z
		keep.KeepContext = true
		for _, v := range []struct {
			name   string
			config Config
			wire   *wire
		}{
			{"a message", c, to(c).text(text)},
			{"many", c, to(c).text(text).binary(text).text("").pong(text[:125]).ping("")},
			{"fragments", c, to(c).more(frame.Text, text).ping("x").more(frame.Continuation, "").last(text)},
			{"compressed", z, to(z).compressed(true, frame.Text, compress(text)).text("plain")},
			{"compressed, takeover", keep, to(keep).compressed(true, frame.Text, compress(text))},
			{"compressed fragments", z, to(z).compressed(false, frame.Text, compress(text)[:9]).compressed(true, frame.Continuation, compress(text)[9:])},
		} {
			d := NewDecoder(&v.config)
			b := make([]byte, len(v.wire.b))
			var ev Event
			none(t, v.name, func() {
				copy(b, v.wire.b)
				for p := b; ; {
					p = p[d.Next(p, &ev):]
					if ev.Kind == Fail {
						t.Fatal(ev.Err)
					}
					if ev.Kind == None {
						return
					}
				}
			})
			d.Release()
		}

		dst := make([]byte, 0, 64<<10)
		p := []byte(text)
		for _, keep := range []bool{false, true} {
			config := EncoderConfig{Server: server, MaxFrame: 500, MinSize: 2000}
			e := NewEncoder(&config, deflate.NewDeflater(1, 15, keep))
			var control Control
			for _, v := range []struct {
				name string
				f    func()
			}{
				{"writing", func() { e.Message(dst, frame.Text, p, false) }},
				{"writing in pieces", func() {
					e.Part(dst, frame.Text, p, false, false, false)
					e.Part(dst, frame.Text, p, true, false, false)
				}},
				{"compressing", func() { config.MinSize = 0; e.Message(dst, frame.Text, p, false) }},
				{"compressing in pieces", func() {
					e.Part(dst, frame.Text, p, false, false, true)
					e.Part(dst, frame.Text, p, true, false, true)
				}},
				{"a short ping and our own", func() {
					control.Handle(&Event{Kind: Ping, Payload: p[:20]})
					control.Ping(1)
					control.Append(dst, &e)
				}},
			} {
				none(t, v.name, v.f)
			}
			e.Release()
		}
	}
}

func none(t *testing.T, what string, f func()) {
	t.Helper()
	if n := testing.AllocsPerRun(100, f); n != 0 {
		t.Errorf("%s: %v allocations", what, n)
	}
}

// A header that comes byte by byte costs one buffer of its size, once.
func TestFewAllocations(t *testing.T) {
	b := to(open).text("x").b
	d := NewDecoder(&open)
	buf := make([]byte, 1)
	var ev Event
	if n := testing.AllocsPerRun(100, func() {
		for i := range b {
			buf[0] = b[i]
			for n := 0; n == 0; {
				n = d.Next(buf, &ev)
			}
		}
	}); n > 1 {
		t.Errorf("%v allocations", n)
	}
}
