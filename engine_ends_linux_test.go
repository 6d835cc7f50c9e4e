package curlew

import (
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"

	"curlew.example/curlew/frame"
)

// TestEngineEnds: whatever ends a connection of the engine, Close is called once and
// nothing is left: not the descriptor, the clock, the pump, or what flushes.
func TestEngineEnds(t *testing.T) {
	closing := frame.Header{Fin: true, Opcode: frame.Close, Masked: true}.Append(nil)
	text := func(peer net.Conn, s string) {
		peer.Write(append(frame.Header{Fin: true, Opcode: frame.Text, Masked: true, Length: int64(len(s))}.Append(nil), s...))
	}
	full := make([]byte, 1<<20)
	stalled := func(p *parked, peer net.Conn) {
		for p.waits != errStalled && !p.c.ended() { // it may end meanwhile by WriteTimeout
			for n := 1; n > 0; { // the system takes no more
				n, _ = p.desc.TrySend(full)
			}
			text(peer, "echo")
			p.Ready()
		}
	}
	paused := func(p *parked, peer net.Conn) {
		text(peer, "pause")
		for p.waits != errPaused {
			p.Ready()
			runtime.Gosched()
		}
	}
	says := func(text string) func(p *parked, peer net.Conn) {
		return func(p *parked, peer net.Conn) { p.comes(t, peer, text) }
	}
	abort := func(p *parked, _ net.Conn) { p.c.Abort(nil) }
	ours := func(p *parked, _ net.Conn) { p.c.Close(1000, "") }
	theirs := func(_ *parked, peer net.Conn) { peer.Write(closing) }
	fin := func(_ *parked, peer net.Conn) { peer.(*net.TCPConn).CloseWrite() }
	reset := func(_ *parked, peer net.Conn) { peer.(*net.TCPConn).SetLinger(0); peer.Close() }
	nothing := func(*parked, net.Conn) {}
	type step = func(p *parked, peer net.Conn)
	for name, steps := range map[string][]step{
		"abort":                     {abort},
		"abort in a callback":       {says("abort")},
		"close in a callback":       {says("close")},
		"panic":                     {says("panic")},
		"panic and peer's close":    {says("panic"), theirs},
		"close":                     {ours},
		"close and peer's":          {ours, theirs},
		"close and all of peer's":   {ours, theirs, fin},
		"close and reset":           {ours, reset},
		"close and abort":           {ours, abort},
		"peer's close":              {theirs},
		"peer's close and end":      {theirs, fin},
		"peer's close and reset":    {theirs, reset},
		"peer's end":                {fin},
		"reset":                     {reset},
		"paused, abort":             {paused, abort},
		"paused, close":             {paused, ours},
		"paused, peer's close":      {paused, theirs},
		"paused, peer's end":        {paused, fin},
		"paused, reset":             {paused, reset},
		"stalled, abort":            {stalled, abort},
		"stalled, close":            {stalled, ours},
		"stalled, peer's close":     {stalled, theirs},
		"stalled, peer's end":       {stalled, fin},
		"stalled, reset":            {stalled, reset},
		"stalled, WriteTimeout":     {stalled, nothing},
		"RequestTimeout":            {nothing},
		"a turn between all events": {nothing, ours, nothing, theirs, nothing, fin, nothing},
	} {
		t.Run(name, func(t *testing.T) {
			closes := 0
			o := &Options{CloseTimeout: 50 * time.Millisecond, WriteTimeout: 100 * time.Millisecond}
			if name == "RequestTimeout" {
				o.RequestTimeout = 50 * time.Millisecond
			}
			p, peer := attachedTo(t, o, &Events{
				Message: func(c *Conn, typ Type, b []byte) {
					switch string(b) {
					case "echo":
						c.Send(typ, b)
					case "pause":
						c.Pause()
					case "abort":
						c.Abort(nil)
					case "close":
						c.Close(1000, "")
					case "panic":
						panic(http.ErrAbortHandler)
					}
				},
				Close: func(*Conn, *CloseError) { closes++ },
			})
			c := p.c
			p.Ready()
			for _, step := range steps {
				step(p, peer)
				p.Ready()
			}
			left := func() (what string) {
				c.out.mu.Lock()
				defer c.out.mu.Unlock()
				switch {
				case c.clock.wake.Load() != stopped:
					return "the clock"
				case c.out.busy || c.out.flusher != nil:
					return "the flushing"
				case c.in.pump.Load() != pumpGone || !p.retired:
					return "the pump"
				case c.in.intake != nil || c.in.reading.Load():
					return "the reading"
				case p.desc.CloseWrite() != net.ErrClosed:
					return "the descriptor"
				case closes != 1:
					return "calls of Close"
				}
				return ""
			}
			for end := time.Now().Add(time.Minute); left() != ""; runtime.Gosched() {
				if p.Ready(); time.Now().After(end) {
					t.Fatalf("%s is left; %d calls of Close, waits for %d", left(), closes, p.waits)
				}
			}
			c.agenda.mu.Lock()
			defer c.agenda.mu.Unlock()
			if c.clock.place > 0 {
				t.Error("the agenda has an entry")
			}
		})
	}
}
