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
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew/wstest"
)

// Failing peers: none keeps the runner longer than its budget, or makes it hold
// more than its limit.

// A hostilePeer is what one does instead of what it should.
type hostilePeer struct {
	name  string
	early bool // before or instead of its part of the handshake
	do    func(h *hostileConn)
}

// A hostileConn is the stream under a hostile peer.
type hostileConn struct {
	net.Conn
	client bool // the peer is a client, so that frames have to be masked
	t      *testing.T
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
	{name: "slow head", early: true, do: func(h *hostileConn) {
		h.slowly([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"))
	}},
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
	{name: "a byte a second", do: func(h *hostileConn) {
		h.slowly(frame{op: opBinary, payload: rubbish(100), mask: h.mask()}.append(nil, false, rubbishSource()))
	}},
	{name: "a ping a second", do: func(h *hostileConn) {
		for h.send(ping("x")) == nil {
			elapse(time.Second)
		}
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
func (h *hostileConn) sleep() { elapse(24 * time.Hour) }

// elapse lets the bubble's time pass: hostile peers live in bubbles only.
func elapse(d time.Duration) { <-time.After(d) }

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
		elapse(time.Second)
	}
	h.swallow()
}

// some are cases of all kinds.
func some(role Roles) (cases []*Case) {
	for i, c := range For(light(allCases()), role) {
		if i%40 == 0 {
			cases = append(cases, c)
		}
	}
	return cases
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

func TestHostileServers(t *testing.T) {
	for i := range hostiles {
		t.Run(hostiles[i].name, func(t *testing.T) { hostiles[i].serve(t, some(ForServers)) })
	}
}

func TestHostileClients(t *testing.T) {
	for i := range hostiles {
		t.Run(hostiles[i].name, func(t *testing.T) { hostiles[i].visit(t, some(ForClients)) })
	}
}

// serve is tested as a server.
func (h *hostilePeer) serve(t *testing.T, cases []*Case) {
	synctest.Test(t, func(t *testing.T) {
		var servers sync.WaitGroup
		target := &Target{Host: "example.com", Path: "/", Dial: func(context.Context) (net.Conn, error) {
			ours, theirs := wstest.NewLink(nil)
			servers.Go(func() {
				defer theirs.Close()
				if h.early || answerRight(theirs) == nil {
					h.do(&hostileConn{theirs, false, t})
				}
			})
			return ours, nil
		}}
		o := (*Options)(nil).filled()
		began := time.Now()
		results := TestServer(t.Context(), cases, target, o)
		if d := time.Since(began); d > time.Hour {
			t.Errorf("it took %v", d)
		}
		inTime(t, results, cases, o)
		servers.Wait()
	})
}

// visit is tested as a client.
func (h *hostilePeer) visit(t *testing.T, cases []*Case) {
	synctest.Test(t, func(t *testing.T) {
		n := wstest.NewNetwork(nil)
		o := (*Options)(nil).filled()
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
					h.do(&hostileConn{conn, true, t})
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
	})
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
		cases := light(allCases())
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
