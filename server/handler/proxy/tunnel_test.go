package proxy

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/frame"
	"curlew.example/curlew/wstest"
)

// Messages pass both ways, whole or in pieces, and nothing else of the wire does.
func TestMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, "", "limits: { maxMessage: '4 MB', maxFrame: '10 KB' }")
		client, backend, _ := h.pair(nil)
		client.Send(wstest.Text("hello"), wstest.Binary([]byte{0, 255}), wstest.Text(""))
		backend.Want("whole messages", wstest.Text("hello"), wstest.Binary([]byte{0, 255}), wstest.Text(""))
		backend.Send(wstest.More(wstest.Text("gr\xc3")), wstest.Ping("b"), wstest.Cont("\xbc\xc3\x9fe"))
		backend.Want("its ping is answered here", wstest.Pong("b"))
		client.Want("put together, as there is little of it", wstest.Text("grüße"))
		client.Send(wstest.Ping("c"))
		client.Want("and so is the client's", wstest.Pong("c"))
		backend.WantIdle("which it does not see")

		long := bytes.Repeat([]byte("0123456789abcdef"), 100_000/16)
		client.Send(wstest.Binary(long))
		backend.WantMessage("a long one", curlew.Binary, long)
		for _, f := range wstest.Text(strings.Repeat("ä", 50_000)).Split(777) {
			backend.Send(f)
		}
		client.WantMessage("another one", curlew.Text, []byte(strings.Repeat("ä", 50_000)))
	})
}

// Frames are no larger than limits.maxFrame, whatever they were.
func TestFrameSizes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, "", "limits: { maxFrame: 1000 }")
		client, backend, _ := h.pair(nil)
		for _, n := range []int{1, 999, 1000, 1001, 32<<10 - 1, 32 << 10, 32<<10 + 1, 64 << 10, 65<<10 + 7} {
			client.Send(wstest.Binary(make([]byte, n)))
			got := 0
			for last := false; !last; {
				f := backend.Next("a frame")
				if len(f.Payload) > 1000 {
					t.Errorf("%d: a frame of %d", n, len(f.Payload))
				}
				got += len(f.Payload)
				last = f.Fin
			}
			if got != n {
				t.Errorf("%d bytes, got %d", n, got)
			}
		}
	})
}

// With preserveFrames each frame passes as it was.
func TestPreserveFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, "", "webSockets: { preserveFrames: true }")
		client, backend, _ := h.pair(nil)
		frames := []wstest.Frame{wstest.More(wstest.Text("")), wstest.More(wstest.Cont("a")), wstest.More(wstest.Cont(strings.Repeat("b", 200_000))), wstest.Cont("")}
		client.Send(frames...)
		backend.Want("as they were", frames...)
		backend.Send(frames...)
		client.Want("as they were", frames...)
	})
}

// A piece passes before the message is complete, and a long pause inside a message
// is nobody's fault.
func TestPauseInsideMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, "", "webSockets: { ping: 'never' }, timeouts: { inactivity: 'never' }")
		client, backend, _ := h.pair(nil)
		piece := strings.Repeat("x", 40_000)
		client.Send(wstest.More(wstest.Text(piece)))
		if f := backend.Next("the beginning"); f.Fin || len(f.Payload) != 32<<10 {
			t.Errorf("%v", f)
		}
		time.Sleep(time.Hour)
		client.Send(wstest.Cont("end"))
		backend.Want("the rest", wstest.Cont(piece[:len(piece)-32<<10]+"end"))
	})
}

// Each side has its own compression.
func TestCompression(t *testing.T) {
	for _, c := range []struct{ client, backend bool }{{true, true}, {true, false}, {false, true}} {
		synctest.Test(t, func(t *testing.T) {
			h := open(t, "", "webSockets: { compression: true }, limits: { maxMessage: '4 MB' }")
			packed := func(on bool) (o curlew.Options) {
				o.MaxMessage = -1
				if on {
					o.Compression = &curlew.Compression{ServerContext: true, ClientContext: true}
				}
				return o
			}
			o := packed(c.backend)
			h.serves(echo(&o))
			conn, err := h.dial("/", packed(c.client))
			if err != nil {
				t.Fatal(err)
			}
			if conn.Info().Compressed != c.client {
				t.Errorf("%+v", conn.Info())
			}
			for _, n := range []int{10, 2000, 3 << 20} {
				text := bytes.Repeat([]byte("abcdefghij"), n/10)
				go conn.Write(context.Background(), curlew.Text, text)
				if _, got, err := conn.Read(t.Context(), nil); err != nil || !bytes.Equal(got, text) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
			}
		})
	}
}

// The code and the reason of a Close pass, and so does one without.
func TestClosePasses(t *testing.T) {
	for _, c := range []struct {
		code   frame.Code
		reason string
	}{{1000, ""}, {1000, "bye"}, {1001, "leaving"}, {1003, ""}, {1011, "oh"}, {3000, "ü"}, {4999, strings.Repeat("x", 123)}, {frame.NoStatus, ""}} {
		for _, from := range []string{"client", "backend"} {
			synctest.Test(t, func(t *testing.T) {
				h := open(t, "", "")
				client, backend, _ := h.pair(nil)
				one, other := client, backend
				if from == "backend" {
					one, other = backend, client
				}
				one.Send(wstest.Text("last words"), wstest.Close(c.code, c.reason))
				other.Want("a message before", wstest.Text("last words"))
				other.WantClose("from the "+from, c.code, c.reason)
				one.WantClose("the answer", c.code, wstest.AnyReason)
				other.Send(wstest.Close(1000, ""))
			})
		}
	}
}

// A side that does not close in order, or breaks a rule, has the other closed with
// a code that may be sent.
func TestOtherEnds(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(p *wstest.Peer)
		to   string
		code frame.Code // for the other side
	}{
		"the client ends the stream":    {(*wstest.Peer).Close, "backend", curlew.GoingAway},
		"the client is reset":           {func(p *wstest.Peer) { p.Conn().(*wstest.End).Reset() }, "backend", curlew.GoingAway},
		"the client breaks a rule":      {func(p *wstest.Peer) { p.Send(wstest.Cont("?")) }, "backend", curlew.GoingAway},
		"the client sends too much":     {func(p *wstest.Peer) { p.Send(wstest.Binary(nil).Length(2 << 20)) }, "backend", curlew.GoingAway},
		"RP7 the backend ends":          {(*wstest.Peer).Close, "client", curlew.ServiceRestart},
		"RP7 the backend is reset":      {func(p *wstest.Peer) { p.Conn().(*wstest.End).Reset() }, "client", curlew.ServiceRestart},
		"the backend breaks a rule":     {func(p *wstest.Peer) { p.Send(wstest.Cont("?")) }, "client", curlew.InternalError},
		"the backend sends too much":    {func(p *wstest.Peer) { p.Send(wstest.Binary(nil).Length(2 << 20)) }, "client", curlew.InternalError},
		"the backend sends no text":     {func(p *wstest.Peer) { p.Send(wstest.Text("\xff")) }, "client", curlew.InternalError},
		"RP18 the backend masks":        {func(p *wstest.Peer) { p.Send(wstest.Text("x").Masked()) }, "client", curlew.InternalError},
		"RP18 the client does not":      {func(p *wstest.Peer) { p.Send(wstest.Text("x").Unmasked()) }, "backend", curlew.GoingAway},
		"RP18 the client reserves bits": {func(p *wstest.Peer) { p.Send(wstest.Text("x").Reserved(4)) }, "backend", curlew.GoingAway},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := open(t, "", "")
				client, backend, _ := h.pair(nil)
				began := time.Now()
				from, to := backend, client
				if c.to == "backend" {
					from, to = client, backend
				}
				c.do(from)
				to.WantClose(name, c.code, wstest.AnyReason)
				if d := time.Since(began); d > time.Second {
					t.Errorf("after %v", d)
				}
			})
		})
	}
}

// RP7: in the middle of a message, too.
func TestRP7_InsideMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, "", "")
		client, backend, _ := h.pair(nil)
		backend.Send(wstest.More(wstest.Binary(make([]byte, 32<<10+1))))
		client.Next("the beginning")
		backend.Conn().(*wstest.End).Reset()
		client.WantClose("it is not completed", curlew.ServiceRestart, wstest.AnyReason)
	})
}

// RP14: a side that has closed and then stays is not waited for beyond
// timeouts.close.
func TestRP14_HalfClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, "", "timeouts: { close: '3 s' }")
		client, backend, _ := h.pair(nil)
		client.Send(wstest.Close(1000, "done"))
		backend.WantClose("it passes", 1000, "done")
		began := time.Now()
		backend.WantEOF("without an answer") // of the whole stream: the Close timeout
		if d := time.Since(began); d > 4*time.Second {
			t.Errorf("after %v", d)
		}
		client.WantClose("the answer", 1000, wstest.AnyReason)
		client.WantEOF("and the end")
	})
	// Nor one that has ended its direction of TCP and says nothing more: the other
	// side is told at once, and both connections are over in the same time.
	for _, silent := range []string{"client", "backend"} {
		synctest.Test(t, func(t *testing.T) {
			h := open(t, "", "timeouts: { close: '3 s' }")
			client, backend, _ := h.pair(nil)
			from, to, code := client, backend, curlew.GoingAway
			if silent == "backend" {
				from, to, code = backend, client, curlew.ServiceRestart
			}
			from.Send(wstest.Text("last words"))
			began := time.Now()
			from.Conn().(*wstest.End).CloseWrite()
			to.Want("what came before", wstest.Text("last words"))
			to.WantClose("it is told", code, wstest.AnyReason)
			from.WantEOF("its own end")
			if d := time.Since(began); d > time.Second {
				t.Errorf("the %s after %v", silent, d)
			}
			to.WantEOF("and the other's, without an answer")
			if d := time.Since(began); d > 4*time.Second {
				t.Errorf("after %v", d)
			}
		})
	}
}

// RP16: a side that does not take what it is sent stops the other, and nothing
// is held but windows.
func TestRP16_Backpressure(t *testing.T) {
	for _, slow := range []string{"client", "backend"} {
		t.Run(slow, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := open(t, "", "limits: { maxMessage: 'unlimited' }, timeouts: { write: 'never' }, webSockets: { ping: 'never' }")
				client, backend, _ := h.pair(nil)
				from, to := backend, client
				if slow == "backend" {
					from, to = client, backend
				}
				const all = 8 << 20
				sent := make(chan int, 1)
				from.Send(wstest.Binary(nil).Length(all)) // a header
				conn := from.Conn()
				total := 0
				go func() {
					p := make([]byte, 16<<10)
					for total < all {
						conn.SetWriteDeadline(time.Now().Add(time.Minute))
						n, err := conn.Write(p)
						total += n
						if err != nil {
							break
						}
					}
					sent <- total
				}()
				n := <-sent
				// Two links of 64 KiB, the window of 64 KiB, a piece and what is about it.
				if n > 512<<10 {
					t.Errorf("%d bytes were taken although nobody reads them", n)
				}
				to.Send(wstest.Ping("x")) // answered all the same
				got := 0
				for ponged := false; !ponged; {
					f := to.Next("a frame")
					ponged = f.Opcode == frame.Pong
					got += len(f.Payload)
				}
				if got == 0 || got > n {
					t.Errorf("%d of %d bytes came before the pong", got, n)
				}
			})
		})
	}
}

// The longest life is the route's; the backend is told to go, too.
func TestTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, "", "timeouts: { request: '1 hour', inactivity: '10 mins', close: '1 s' }, webSockets: { ping: 'never' }")
		client, backend, _ := h.pair(nil)
		began := time.Now()
		for range 7 {
			time.Sleep(9 * time.Minute)
			if time.Since(began) < time.Hour {
				backend.Send(wstest.Text("still here")) // a message of either side is activity of both
				client.Want("it", wstest.Text("still here"))
			}
		}
		client.WantClose("the request timeout", 1008, "request timeout")
		backend.WantClose("and the backend", 1001, wstest.AnyReason)

		client, backend, _ = h.pair(nil)
		client.WantClose("inactivity", 1008, "inactivity timeout")
		backend.WantClose("and the backend", 1001, wstest.AnyReason)
	})
}

// A backend that is silent to pings is given up, and so is a client.
func TestPongTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, "", "timeouts: { pong: '2 s' }, webSockets: { ping: '5 s' }")
		client, backend, _ := h.pair(nil)
		for {
			f := client.Next("a ping, or the end")
			if f.Opcode != frame.Ping {
				code, _, _ := frame.ParseClose(f.Payload)
				if f.Opcode != frame.Close || code != curlew.ServiceRestart {
					t.Errorf("%v", f)
				}
				break
			}
			client.Send(wstest.Pong(string(f.Payload)))
		}
		backend.Next("its ping")
	})
}

// The subprotocol is the backend's choice, among those of the route.
func TestSubprotocols(t *testing.T) {
	for _, c := range []struct {
		route   string // webSockets.protocol
		client  string // offers
		passed  string // to the backend
		backend string // selects
		want    string // "101 name", or a status
	}{
		{"", "", "", "", "101 "},
		{"", "a, b", "a, b", "b", "101 b"},
		{"", "a, b", "a, b", "", "101 "},
		{"", "a", "a", "c", "502"},
		{"", "", "", "c", "502"},
		{"'b', 'c'", "a, b, c", "b, c", "c", "101 c"},
		{"'b', 'c'", "a, b", "b", "", "502"},
		{"'b'", "", "", "", "101 "},
		{"'b'", "a", "-", "", "400"},
	} {
		synctest.Test(t, func(t *testing.T) {
			more := ""
			if c.route != "" {
				more = "webSockets: { protocol: [" + c.route + "] }"
			}
			h := open(t, "", more)
			passed := "-"
			h.scripted(func(conn net.Conn, r *http.Request, _ *bufio.Reader) {
				passed = r.Header.Get("Sec-WebSocket-Protocol")
				field := ""
				if c.backend != "" {
					field = "Sec-WebSocket-Protocol: " + c.backend + "\r\n"
				}
				io.WriteString(conn, switching(r, field))
			})
			var offers []string
			if c.client != "" {
				offers = strings.Split(c.client, ", ")
			}
			conn, err := h.dial("/", curlew.Options{Subprotocols: offers})
			got := ""
			if err != nil {
				got = statusOf(err)
			} else {
				got = "101 " + conn.Info().Subprotocol
				conn.Abort(nil)
			}
			if got != c.want {
				t.Errorf("%+v: got %s", c, got)
			}
			h.backend.Close()
			synctest.Wait()
			if passed != c.passed {
				t.Errorf("%+v: passed %q", c, passed)
			}
		})
	}
}
