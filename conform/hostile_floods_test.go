//go:build !race && !invariants

package conform

import (
	"bytes"
	"io"
	"runtime"
	"sync"
	"testing"

	"curlew.example/curlew/internal/deflate"
)

// Peers that send as much as is taken. A connection takes 64 MiB, with all that
// is kept of it.
var floodPeers = []hostilePeer{
	{name: "endless head", early: true, do: func(h *hostileConn) {
		io.WriteString(h, "HTTP/1.1 101 Switching Protocols\r\n")
		pourOut(h, bytes.Repeat([]byte("X: yyyyyyyyyyyyy\r\n"), 1000))
	}},
	{name: "endless line", early: true, do: func(h *hostileConn) { pourOut(h, bytes.Repeat([]byte("a"), 10_000)) }},
	{name: "endless pings", do: func(h *hostileConn) { pourOut(h, h.frames(1000, ping("and more"))) }},
	{name: "endless pongs", do: func(h *hostileConn) { pourOut(h, h.frames(1000, pong(""))) }},
	{name: "endless messages", do: func(h *hostileConn) { pourOut(h, h.frames(20, bin(rubbish(1000)))) }},
	{name: "endless fragments", do: func(h *hostileConn) {
		h.send(text("").more())
		pourOut(h, h.frames(20, cont("again and again").more()))
	}},
	{name: "empty fragments", do: func(h *hostileConn) { h.send(text("").more()); pourOut(h, h.frames(1000, cont("").more())) }},
	{name: "an endless frame", do: func(h *hostileConn) { h.send(bin(nil).claims(1 << 40)); pourOut(h, rubbish(10_000)) }},
	{name: "an almost endless frame", do: func(h *hostileConn) { h.send(bin(nil).claims(60e6)); pourOut(h, rubbish(10_000)) }},
	{name: "a deflate bomb", do: func(h *hostileConn) {
		d := deflate.NewDeflater(9, 15, false)
		defer d.Release()
		pourOut(h, h.frames(1, frame{op: opBinary, rsv: rsv1, payload: d.Append(nil, make([]byte, 100<<20))}))
	}},
}

func TestFloodingServers(t *testing.T) { flooded(t, (*hostilePeer).serve) }
func TestFloodingClients(t *testing.T) { flooded(t, (*hostilePeer).visit) }

func flooded(t *testing.T, test func(*hostilePeer, *testing.T, []*Case)) {
	cases := []*Case{{ID: "1", Title: "compressed", Roles: ForBoth, Script: script{echo(text("hello"))},
		Deflate: &Deflate{Offer: deflateName, Answer: deflateName}}}
	for i := range floodPeers {
		t.Run(floodPeers[i].name, func(t *testing.T) { test(&floodPeers[i], t, cases) })
	}
}

// pourOut sends p until nobody takes it, and listens beside.
func pourOut(h *hostileConn, p []byte) {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(h.swallow)
	before := heapInUse()
	var taken, looked int64
	for {
		n, err := h.Write(p)
		taken += int64(n)
		if taken-looked > 1<<20 || err != nil {
			looked = taken
			var m runtime.MemStats
			if runtime.ReadMemStats(&m); m.HeapAlloc > before+300<<20 {
				h.t.Errorf("the heap grew from %d to %d bytes", before, m.HeapAlloc)
				h.Close()
			}
		}
		if err != nil {
			if taken > 66<<20 {
				h.t.Errorf("%d bytes were taken", taken)
			}
			return
		}
	}
}

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
