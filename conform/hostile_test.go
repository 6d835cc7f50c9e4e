package conform

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew/internal/deflate"
	"curlew.example/curlew/wstest"
)

// Failing peers: none keeps the runner longer than its budget, or makes it hold
// more than its limit.

// A hostilePeer is what one does instead of what it should.
type hostilePeer struct {
	name   string
	early  bool // before or instead of its part of the handshake
	floods bool // as much as is taken

	do func(h *hostileConn)
}

// A hostileConn is the stream under a hostile peer.
type hostileConn struct {
	net.Conn
	client bool // the peer is a client, so that frames have to be masked
	flood  *flood
}

// A flood is what the floods of a test did.
type flood struct {
	taken atomic.Int64  // bytes, of the one connection of which most were taken
	heap  atomic.Uint64 // the largest there was
}

var hostiles = []hostilePeer{
	{name: "ends at once", early: true, do: func(*hostileConn) {}},
	{name: "resets at once", early: true, do: func(h *hostileConn) { h.Conn.(*wstest.End).Reset() }},
	{name: "never says a word", early: true, do: (*hostileConn).swallow},
	{name: "never reads", early: true, do: (*hostileConn).sleep},
	{name: "garbage", early: true, do: func(h *hostileConn) { h.Write(rubbish(100_000)) }},
	{name: "no WebSocket", early: true, do: func(h *hostileConn) {
		io.WriteString(h, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
		h.swallow()
	}},
	{name: "half a head", early: true, do: func(h *hostileConn) { io.WriteString(h, "HTTP/1.1 101 Sw"); h.swallow() }},
	{name: "half a head and the end", early: true, do: func(h *hostileConn) { io.WriteString(h, "GET /runCase?case=1&agent=half HTTP/1.1\r\nHo") }},
	{name: "slow head", early: true, do: func(h *hostileConn) { h.slowly([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")) }},
	{name: "endless head", early: true, floods: true, do: func(h *hostileConn) {
		io.WriteString(h, "HTTP/1.1 101 Switching Protocols\r\n")
		h.endless(bytes.Repeat([]byte("X: yyyyyyyyyyyyy\r\n"), 1000))
	}},
	{name: "endless line", early: true, floods: true, do: func(h *hostileConn) { h.endless(bytes.Repeat([]byte("a"), 10_000)) }},

	{name: "silent from then on", do: (*hostileConn).swallow},
	{name: "does not read from then on", do: (*hostileConn).sleep},
	{name: "ends", do: func(*hostileConn) {}},
	{name: "resets", do: func(h *hostileConn) { h.Conn.(*wstest.End).Reset() }},
	{name: "dies in a header", do: func(h *hostileConn) { h.Write([]byte{0x81}) }},
	{name: "dies in a frame", do: func(h *hostileConn) { h.send(text("hello").claims(100)) }},
	{name: "silent in a frame", do: func(h *hostileConn) { h.send(text("hello").claims(100)); h.swallow() }},
	{name: "dies in a message", do: func(h *hostileConn) { h.send(text("hello").more()) }},
	{name: "noise", do: func(h *hostileConn) { h.Write(rubbish(100_000)); h.swallow() }},
	{name: "promises 2^62 bytes", do: func(h *hostileConn) { h.send(bin(rubbish(1000)).claims(1 << 62)); h.swallow() }},
	{name: "promises 2^63 bytes", do: func(h *hostileConn) { h.send(bin(rubbish(1000)).claims(1 << 63)); h.swallow() }},
	{name: "promises 60 MB", do: func(h *hostileConn) { h.send(bin(rubbish(1000)).claims(60e6)); h.swallow() }},
	{name: "a byte a second", do: func(h *hostileConn) { h.slowly(frame{op: opBinary, payload: rubbish(100), mask: h.mask()}.append(nil, false, rubbishSource())) }},
	{name: "a ping a second", do: func(h *hostileConn) {
		for h.send(ping("x")) == nil {
			time.Sleep(time.Second)
		}
	}},
	{name: "endless pings", floods: true, do: func(h *hostileConn) { h.endless(h.frames(1000, ping("and more"))) }},
	{name: "endless pongs", floods: true, do: func(h *hostileConn) { h.endless(h.frames(1000, pong(""))) }},
	{name: "endless messages", floods: true, do: func(h *hostileConn) { h.endless(h.frames(20, bin(rubbish(1000)))) }},
	{name: "endless fragments", floods: true, do: func(h *hostileConn) { h.send(text("").more()); h.endless(h.frames(20, cont("again and again").more())) }},
	{name: "empty fragments", floods: true, do: func(h *hostileConn) { h.send(text("").more()); h.endless(h.frames(1000, cont("").more())) }},
	{name: "an endless frame", floods: true, do: func(h *hostileConn) { h.send(bin(nil).claims(1 << 40)); h.endless(rubbish(10_000)) }},
	{name: "an almost endless frame", floods: true, do: func(h *hostileConn) { h.send(bin(nil).claims(60e6)); h.endless(rubbish(10_000)) }},
	{name: "a deflate bomb", floods: true, do: func(h *hostileConn) {
		d := deflate.NewDeflater(9, 15, false)
		defer d.Release()
		h.endless(h.frames(1, frame{op: opBinary, rsv: rsv1, payload: d.Append(nil, make([]byte, 100<<20))}))
	}},
}

func rubbish(n int) []byte {
	p := make([]byte, n)
	random := rubbishSource()
	for i := range p {
		p[i] = byte(random.Uint32())
	}
	return p
}

func rubbishSource() *rand.Rand { return rand.New(rand.NewPCG(3, 4)) }

func (h *hostileConn) swallow() { io.Copy(io.Discard, h.Conn) }

// sleep is longer than any case.
func (h *hostileConn) sleep() { time.Sleep(24 * time.Hour) }

func (h *hostileConn) mask() mask {
	if h.client {
		return always
	}
	return not
}

// frames is n times the frame.
func (h *hostileConn) frames(n int, f frame) []byte {
	f.mask = h.mask()
	return bytes.Repeat(f.append(nil, false, rubbishSource()), n)
}

func (h *hostileConn) send(f frame) error {
	_, err := h.Write(h.frames(1, f))
	return err
}

func (h *hostileConn) slowly(p []byte) {
	for i := range p {
		if _, err := h.Write(p[i : i+1]); err != nil {
			return
		}
		time.Sleep(time.Second)
	}
	h.swallow()
}

// endless sends p until nobody takes it, and listens beside.
func (h *hostileConn) endless(p []byte) {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(h.swallow)
	var taken, looked int64
	for {
		n, err := h.Write(p)
		taken += int64(n)
		if taken-looked > 1<<20 || err != nil {
			looked = taken
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			h.flood.heap.Store(max(h.flood.heap.Load(), m.HeapAlloc))
		}
		if err != nil {
			h.flood.taken.Store(max(h.flood.taken.Load(), taken))
			return
		}
	}
}

// check fails if more was taken than is allowed.
func (f *flood) check(t *testing.T, before uint64) {
	if n := f.taken.Load(); n > 66<<20 {
		t.Errorf("%d bytes were taken", n)
	}
	if f.heap.Load() > before+300<<20 {
		t.Errorf("the heap grew from %d to %d bytes", before, f.heap.Load())
	}
}

// few are cases of all kinds: for floods one alone.
func (h *hostilePeer) few(role Roles) []*Case {
	cases := For(light(Cases()), role)
	if h.floods {
		return []*Case{{ID: "1", Title: "compressed", Roles: ForBoth, Script: script{echo(text("hello"))},
			Deflate: &Deflate{Offer: deflateName, Answer: deflateName}}}
	}
	var some []*Case
	for i, c := range cases {
		if i%10 == 0 {
			some = append(some, c)
		}
	}
	return some
}

// inTime checks how long cases took.
func inTime(t *testing.T, results []Result, cases []*Case, o *Options) {
	t.Helper()
	budget := make(map[string]time.Duration)
	for _, c := range cases {
		budget[c.ID] = o.budget(c) + time.Second
	}
	for _, r := range results {
		if r.Duration > budget[r.ID] {
			t.Errorf("%s: %v is more than %v", r.ID, r.Duration, budget[r.ID])
		}
	}
	if len(results) > 0 && Worst(results) != Failed {
		t.Errorf("at worst it is %v", Worst(results))
	}
}

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestHostileServers(t *testing.T) {
	for _, h := range hostiles {
		t.Run(h.name, func(t *testing.T) {
			before := heapInUse()
			synctest.Test(t, func(t *testing.T) {
				var f flood
				var servers sync.WaitGroup
				target := &Target{Host: "example.com", Path: "/", Dial: func(context.Context) (net.Conn, error) {
					ours, theirs := wstest.NewLink(nil)
					servers.Go(func() {
						defer theirs.Close()
						if h.early || answerRight(theirs) == nil {
							h.do(&hostileConn{theirs, false, &f})
						}
					})
					return ours, nil
				}}
				cases, o := h.few(ForServers), (*Options)(nil).filled()
				began := time.Now()
				results := TestServer(t.Context(), cases, target, o)
				if d := time.Since(began); d > time.Hour {
					t.Errorf("it took %v", d)
				}
				inTime(t, results, cases, o)
				servers.Wait()
				f.check(t, before)
			})
		})
	}
}

// answerRight is a server's part of a handshake.
func answerRight(conn net.Conn) error {
	r, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return err
	}
	extension := ""
	if r.Header.Get("Sec-WebSocket-Extensions") != "" {
		extension = "Sec-WebSocket-Extensions: " + deflateName + "\r\n"
	}
	_, err = fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n%s\r\n",
		acceptKey(r.Header.Get("Sec-WebSocket-Key")), extension)
	return err
}

func TestHostileClients(t *testing.T) {
	for _, h := range hostiles {
		t.Run(h.name, func(t *testing.T) {
			before := heapInUse()
			synctest.Test(t, func(t *testing.T) {
				var f flood
				n := wstest.NewNetwork(nil)
				cases, o := h.few(ForClients), (*Options)(nil).filled()
				s := &Clients{Cases: cases, Options: o}
				ctx, cancel := context.WithCancel(t.Context())
				l := n.Listen("example.com:80")
				var serving, clients sync.WaitGroup
				serving.Go(func() { s.Serve(ctx, l) })
				for i := range cases {
					conn, err := n.DialContext(ctx, "tcp", "example.com:80")
					if err != nil {
						t.Error(err)
						break
					}
					clients.Go(func() {
						defer conn.Close()
						if h.early || askRight(conn, fmt.Sprintf("/runCase?case=%d&agent=hostile", i+1)) == nil {
							h.do(&hostileConn{conn, true, &f})
						}
					})
				}
				time.Sleep(time.Hour)
				results := s.Results("hostile")
				if !h.early && len(results) != len(cases) {
					t.Errorf("%d results of %d cases", len(results), len(cases))
				}
				inTime(t, results, cases, o)
				cancel()
				serving.Wait()
				clients.Wait()
				f.check(t, before)
			})
		})
	}
}

// askRight is a client's part of a handshake.
func askRight(conn net.Conn, path string) error {
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: %s\r\n\r\n", path, deflateName)
	r, err := http.ReadResponse(bufio.NewReader(io.LimitReader(conn, 1000)), nil)
	if err == nil && r.StatusCode != http.StatusSwitchingProtocols {
		err = errors.New(r.Status)
	}
	return err
}

// A run ends when its context does, whatever the peers do, and keeps no result of
// what it broke off.
func TestGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		n := wstest.NewNetwork(nil)
		l := n.Listen("example.com:80")
		defer l.Close()
		cases := light(Cases())
		began := time.Now()
		target := &Target{Host: "example.com", Path: "/", Dial: func(ctx context.Context) (net.Conn, error) {
			return n.DialContext(ctx, "tcp", "example.com:80")
		}}
		if results := TestServer(ctx, cases, target, nil); len(results) != 0 {
			t.Errorf("%d results", len(results))
		}
		s := &Clients{Cases: cases}
		conn, _ := n.DialContext(t.Context(), "tcp", "example.com:80")
		defer conn.Close()
		ctx, cancel = context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if err := s.Serve(ctx, l); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if d := time.Since(began); d > 5*time.Second {
			t.Errorf("it took %v", d)
		}
	})
}
