package curlew_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/wstest"
)

// sitting is a first conversation: what a client says in one breath and how it
// is answered.
func sitting() (sent, want []byte) {
	sent = wire(curlew.Server,
		wstest.Text("first"), wstest.More(wstest.Text("he")), wstest.Cont("llo"),
		wstest.Binary(nil), wstest.Binary([]byte("\x00\x01")), wstest.Close(1000, "bye"))
	want = wire(curlew.Client,
		wstest.Text("first"), wstest.Text("hello"), wstest.Binary(nil), wstest.Binary([]byte("\x00\x01")), wstest.Close(1000, ""))
	return sent, want
}

// TestHS20_EverySplit: frames in the same segment as the request, or cut from it
// at any byte, are answered behind the 101, in order.
func TestHS20_EverySplit(t *testing.T) {
	frames, answers := sitting()
	want := append([]byte(switched+"\r\n"), answers...)
	for _, k := range []houseKind{memoryHouse, memoryTLSHouse} {
		for _, w := range bothWays {
			t.Run(string(k)+"/"+string(w), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var j journal
					b := build(t, k, w.echoes(nil, &j, nil), nil)
					head := b.asks("/")
					raw := append([]byte(head), frames...)
					try := func(what string, c net.Conn, pieces ...[]byte) {
						t.Helper()
						for _, p := range pieces {
							if _, err := c.Write(p); err != nil {
								t.Fatal(what, err)
							}
							synctest.Wait() // the server has made of it what it can
						}
						if got := readTo(t, c); !bytes.Equal(got, want) {
							t.Fatalf("%s: got %q, want %q", what, got, want)
						}
						c.Close()
					}
					for i := len(head) - 4; i <= len(raw); i++ {
						try(fmt.Sprintf("cut at %d (the request has %d bytes)", i, len(head)), b.dial(), raw[:i], raw[i:])
					}
					c := b.dial()
					far(c).LimitRead(1)
					try("read by the byte", c, raw)
					c = b.dial()
					far(c).Peer().Segment(1)
					try("in segments of a byte", c, raw)
					j.balance(t)
					b.wantLog()
				})
			})
		}
	}
}

// TestHS20_Many: 64 KiB of frames behind the request, more than net/http's buffer
// holds. Not one is handled, and no 101 sent, before the application agrees.
func TestHS20_Many(t *testing.T) {
	var frames []byte
	want := []byte(switched + "\r\n")
	for i := 0; len(frames) < 64<<10; i++ {
		m := wstest.Text(fmt.Sprintf("%d %s", i, strings.Repeat("x", i%300)))
		frames = append(frames, wire(curlew.Server, m)...)
		want = append(want, wire(curlew.Client, m)...)
	}
	frames = append(frames, wire(curlew.Server, wstest.Close(1000, ""))...)
	want = append(want, wire(curlew.Client, wstest.Close(1000, ""))...)
	for _, k := range []houseKind{memoryHouse, tcpHouse, tlsHouse} {
		for _, w := range bothWays {
			t.Run(string(k)+"/"+string(w), func(t *testing.T) {
				var j journal
				asked, agreed := make(chan struct{}), make(chan struct{})
				b := build(t, k, w.echoes(&curlew.Options{SendQueue: 1 << 20}, &j, func(*http.Request) error {
					close(asked)
					<-agreed
					return nil
				}), nil)
				c := b.dial()
				sent := make(chan error, 1)
				go func() {
					_, err := c.Write(append([]byte(b.asks("/")), frames...))
					sent <- err
				}()
				wait(t, "the application to be asked", asked)
				if !b.inMemory() { // there the buffer is smaller
					if err := <-sent; err != nil {
						t.Fatal(err)
					}
					sent <- nil
				}
				j.note(func(j *journal) {
					if j.opened > 0 || len(j.text) > 0 {
						t.Errorf("opened and told %q before it agreed", j.text)
					}
				})
				close(agreed)
				got := readTo(t, c)
				if err := <-sent; err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, want) {
					t.Errorf("got %d bytes, want %d; they part at %d", len(got), len(want), parting(got, want))
				}
				j.balance(t)
				b.wantLog()
			})
		}
	}
}

func parting(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// TestHS20_Refused: nothing behind a refused request is handled, neither as
// frames nor as another request.
func TestHS20_Refused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		frames, _ := sitting()
		for _, w := range bothWays {
			var j journal
			var asked atomic.Int32
			b := build(t, memoryHouse, w.echoes(nil, &j, func(*http.Request) error {
				asked.Add(1)
				return errors.New("no")
			}), nil)
			b.refused(b.asks("/")+b.asks("/second"), http.StatusForbidden)
			b.refused(b.asks("/")+string(frames), http.StatusForbidden)
			synctest.Wait()
			if n := asked.Load(); n != 2 || j.opened != 0 || len(j.text) != 0 {
				t.Errorf("%s: asked %d times, told %+v", w, n, &j)
			}
			b.wantLog()
		}
	})
}

// TestHS34_Reset: something on the way resets the connection at every byte of the
// answer, a 101 or a refusal.
func TestHS34_Reset(t *testing.T) {
	for _, w := range bothWays {
		for _, verdict := range []error{nil, errors.New("no")} {
			t.Run(fmt.Sprint(w, " ", verdict), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var j journal
					var end *wstest.End
					var n int64
					b := build(t, memoryHouse, w.echoes(nil, &j, func(*http.Request) error {
						end.ResetAfter(n)
						return verdict
					}), nil)
					all := int64(len(switched) + 2)
					if verdict != nil { // find out
						c := b.dial()
						end, n = far(c), 1<<20
						io.WriteString(c, b.asks("/"))
						all = int64(len(readTo(t, c)))
					}
					for n = 0; n <= all; n++ {
						c := b.dial()
						end = far(c)
						io.WriteString(c, b.asks("/"))
						got, err := io.ReadAll(c)
						if int64(len(got)) != n || !errors.Is(err, wstest.ErrReset) {
							t.Fatalf("reset at byte %d: %q, %v", n, got, err)
						}
						c.Close()
						synctest.Wait()
						if b.busy.Load() != 0 {
							t.Fatalf("reset at byte %d: the handler stays", n)
						}
					}
					b.wantLog()
					ended, refused := j.balance(t)
					for _, e := range ended {
						if e.Code != curlew.AbnormalClosure || !e.Remote || !errors.Is(e, wstest.ErrReset) {
							t.Errorf("ended by %v", e)
						}
					}
					if w == byAccept && verdict == nil && len(refused) == 0 {
						t.Error("Accept returned no error")
					}
					for _, err := range refused {
						e, ok := errors.AsType[*curlew.HandshakeError](err)
						if !ok || verdict == nil && (e.Status != 101 || !errors.Is(err, wstest.ErrReset)) || verdict != nil && e.Status != 403 {
							t.Errorf("Accept returned %#v", err)
						}
					}
				})
			})
		}
	}
}

// TestHS34_ResetByPeer: a real reset, after the request and before the answer.
func TestHS34_ResetByPeer(t *testing.T) {
	for _, k := range []houseKind{tcpHouse, tlsHouse} {
		for _, w := range bothWays {
			for _, verdict := range []error{nil, errors.New("no")} {
				t.Run(fmt.Sprint(k, " ", w, " ", verdict), func(t *testing.T) {
					before := goroutines()
					var j journal
					asked, agreed := make(chan struct{}, 1), make(chan struct{})
					b := build(t, k, w.echoes(nil, &j, func(*http.Request) error {
						asked <- struct{}{}
						<-agreed
						return verdict
					}), nil)
					for range 20 {
						c := b.dial()
						io.WriteString(c, b.asks("/"))
						<-asked
						reset(c)
						agreed <- struct{}{}
					}
					until(t, "the handlers' end", func() bool { return b.busy.Load() == 0 })
					ended, _ := j.balance(t)
					for _, e := range ended {
						if e.Code != curlew.AbnormalClosure {
							t.Errorf("ended by %v", e)
						}
					}
					b.wantLog()
					b.srv.Close()
					if left := leaked(before); left != "" {
						t.Errorf("goroutines left over:\n%s", left)
					}
				})
			}
		}
	}
}

// reset closes a real connection so that the other side is reset.
func reset(c net.Conn) {
	if s, ok := c.(*tls.Conn); ok {
		c = s.NetConn()
	}
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
}

// TestHS34_NotRead: a peer that does not read its 101 is dropped after
// WriteTimeout, not later.
func TestHS34_NotRead(t *testing.T) {
	long := http.Header{"X-Long": {strings.Repeat("x", 100<<10)}} // no buffer holds it
	for _, k := range []houseKind{memoryHouse, memoryTLSHouse} {
		for _, w := range bothWays {
			t.Run(fmt.Sprint(k, " ", w), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var j journal
					b := build(t, k, w.echoes(&curlew.Options{Header: long, WriteTimeout: 2 * time.Second}, &j, nil), nil)
					c := b.dial()
					io.WriteString(c, b.asks("/"))
					synctest.Wait()
					if b.busy.Load() != 1 {
						t.Fatal("the 101 was written without a reader")
					}
					pass(2*time.Second + time.Millisecond)
					synctest.Wait()
					if b.busy.Load() != 0 {
						start := time.Now()
						for b.busy.Load() != 0 && time.Since(start) < time.Minute {
							pass(time.Second)
						}
						t.Fatalf("the handler stayed for %v longer", time.Since(start))
					}
					c.SetReadDeadline(time.Now().Add(time.Second))
					if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
						t.Error("the connection was left open")
					}
					// Who counts in Handle's f is told of the end by Close.
					if ended, _ := j.balance(t); w == byAccept && j.opened != 0 || w == byEvent && (len(ended) != 1 || !errors.Is(ended[0], os.ErrDeadlineExceeded)) {
						t.Errorf("opened %d, ended %v", j.opened, ended)
					}
					if w == byAccept && (len(j.refused) != 1 || !errors.Is(j.refused[0], os.ErrDeadlineExceeded)) {
						t.Errorf("Accept returned %v", j.refused)
					}
					b.wantLog()
				})
			})
		}
	}
}

// TestHS34_NotReadOff: without WriteTimeout it is the peer's time.
func TestHS34_NotReadOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		long := http.Header{"X-Long": {strings.Repeat("x", 100<<10)}}
		b := build(t, memoryHouse, byAccept.echoes(&curlew.Options{Header: long, WriteTimeout: -1, PingInterval: -1}, &j, nil), nil)
		c := b.dial()
		io.WriteString(c, b.asks("/"))
		pass(4 * time.Minute)
		p, _ := io.ReadAll(io.LimitReader(c, int64(len(switched)+len("X-Long: \r\n\r\n")+100<<10)))
		if !bytes.HasPrefix(p, []byte(switched)) || !bytes.HasSuffix(p, []byte("x\r\n\r\n")) {
			t.Errorf("%d bytes", len(p))
		}
		wstest.NewPeer(t, c, curlew.Client).WantIdle("open")
		c.Close()
		j.balance(t)
	})
}

// A bare is a ResponseWriter that hides what the one below can do.
type bare struct{ http.ResponseWriter }

// An open wrapper is one that follows http.ResponseController's convention.
type unwrapped struct{ bare }

func (w unwrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// A keeper hijacks, but not now.
type keeper struct{ http.ResponseWriter }

var errKept = errors.New("kept for ourselves")

func (keeper) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, errKept }

// wrapped is a middleware.
func wrapped(h http.Handler, f func(http.ResponseWriter) http.ResponseWriter) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(f(w), r) })
}

// TestHS36_Middleware: a ResponseWriter that cannot give up its connection.
func TestHS36_Middleware(t *testing.T) {
	for _, w := range bothWays {
		for name, c := range map[string]struct {
			around func(http.Handler) http.Handler
			cause  error
		}{
			"hidden": {func(h http.Handler) http.Handler {
				return wrapped(h, func(w http.ResponseWriter) http.ResponseWriter { return bare{w} })
			}, http.ErrNotSupported},
			"hidden twice": {func(h http.Handler) http.Handler {
				return wrapped(h, func(w http.ResponseWriter) http.ResponseWriter { return unwrapped{bare{bare{w}}} })
			}, http.ErrNotSupported},
			"kept": {func(h http.Handler) http.Handler {
				return wrapped(h, func(w http.ResponseWriter) http.ResponseWriter { return keeper{w} })
			}, errKept},
			"TimeoutHandler": {func(h http.Handler) http.Handler { return http.TimeoutHandler(h, time.Hour, "late") }, http.ErrNotSupported},
		} {
			t.Run(fmt.Sprint(w, " ", name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var j journal
					b := build(t, memoryHouse, c.around(w.echoes(nil, &j, nil)), nil)
					_, body := b.refused(b.asks("/"), http.StatusNotImplemented)
					if !strings.Contains(body, "ResponseWriter") {
						t.Errorf("%q does not tell what is wrong", body)
					}
					synctest.Wait()
					if w == byAccept && (j.opened != 0 || len(j.refused) != 1 || !errors.Is(j.refused[0], c.cause)) ||
						w != byAccept && (j.opened != 1 || len(j.ended) != 1 || !errors.Is(j.ended[0], c.cause)) { // of whatever f holds
						t.Errorf("told %+v", &j)
					}
					b.wantLog()
				})
			})
		}
		t.Run(fmt.Sprint(w, " unwrapped"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				h := wrapped(w.echoes(nil, &j, nil), func(w http.ResponseWriter) http.ResponseWriter {
					return unwrapped{bare{unwrapped{bare{w}}}}
				})
				p := build(t, memoryHouse, h, nil).open("/")
				p.Send(wstest.Text("hello"))
				p.Want("the echo", wstest.Text("hello"))
			})
		})
	}
}

// TestHS37_Query: what other protocols put into the query means nothing here.
func TestHS37_Query(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, w := range bothWays {
			var j journal
			b := build(t, memoryHouse, w.echoes(nil, &j, nil), nil)
			for i, query := range []string{
				"transport=websocket&EIO=4", "transport=polling&EIO=3&sid=x", "transport=constructor&EIO=__proto__",
				"transport=websocket&EIO=4&sid=../../etc/passwd", "EIO=99999999999999999999&sid=%00%0d%0a", "sid=" + strings.Repeat("s", 3000),
				"transport=&EIO=&sid=", "transport&EIO&sid", "transport=websocket&transport=polling", "a;b=%zz&%", "?",
			} {
				p := b.open("/socket.io/?" + query)
				p.Send(wstest.Text("hello"))
				p.Want(query, wstest.Text("hello"))
				synctest.Wait()
				if u := j.conns[i].Info().URL; u == nil || u.Path != "/socket.io/" || u.RawQuery != query {
					t.Errorf("%s: URL %v", query, u)
				}
			}
			b.wantLog()
		}
	})
}

// failures are requests that do not become a WebSocket, each for a reason of its
// own. "refuse me" is the application's.
func (b *house) failures() []string {
	good := b.asks("/")
	return []string{
		b.asks("/refuse-me"),
		strings.Replace(good, "Version: 13", "Version: 12", 1),
		strings.Replace(good, "Key: dG", "Key: d", 1),
		strings.Replace(good, "//example.com", "//evil.example", 1),
		strings.Replace(good, "Upgrade: websocket", "Upgrade: h2c", 1),
		b.asks("/", "Sec-WebSocket-Protocol: ,,"),
		b.asks("/", "Content-Length: 5") + "hello",
	}
}

// TestHS42_ManyFailures: 20,000 handshakes that fail leave nothing behind: over
// new connections, closed or left open by the client, and as streams of one
// connection of HTTP/2, which is kept.
func TestHS42_ManyFailures(t *testing.T) {
	var j journal
	memory := build(t, memoryHouse, byEvent.echoes(nil, &j, refuseMe), nil)
	port := build(t, tcpHouse, byEvent.echoes(nil, &j, refuseMe), nil)
	var conns atomic.Int32
	multi := build(t, tlsHouse, byEvent.echoes(nil, &j, refuseMe), func(s *http.Server) {
		s.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				conns.Add(1)
			}
		}
	})
	h2 := multi.client()

	buf := make([]byte, 4<<10)
	all := memory.failures()
	fail := func(b *house, i int) net.Conn {
		var c net.Conn
		if b.inMemory() {
			c, _ = b.network.DialContext(t.Context(), "tcp", "example.com:80")
		} else {
			c, _ = net.Dial("tcp", b.addr)
		}
		io.WriteString(c, all[i%len(all)])
		n := 0
		for {
			k, err := c.Read(buf[n:])
			n += k
			if err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%q, %v", buf[:n], err)
			}
		}
		if !bytes.HasPrefix(buf[:n], []byte("HTTP/1.1 4")) {
			t.Fatalf("%q", buf[:n])
		}
		return c
	}
	many := func(n int) {
		var open []net.Conn
		for i := range n {
			c := fail(memory, i)
			if i%2 == 0 {
				c.Close()
			} else if open = append(open, c); len(open) == 200 {
				for _, c := range open {
					c.Close()
				}
				open = nil
			}
		}
		for i := range n / 20 {
			fail(port, i).Close()
		}
		for i := range n / 4 {
			resp, err := h2.Get("https://example.com/" + []string{"", "refuse-me"}[i%2])
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode != http.StatusBadRequest {
				t.Fatal(resp.Status)
			}
		}
	}
	idle := func() bool { return memory.busy.Load()+port.busy.Load()+multi.busy.Load() == 0 }

	many(500) // pools and tables are filled
	until(t, "the handlers' end", idle)
	before, held, files := goroutines(), heap(), descriptors()
	many(15_400) // of 20,020
	until(t, "the handlers' end", idle)
	if left := leaked(before); left != "" {
		t.Errorf("goroutines left over:\n%s", left)
	}
	until(t, "the descriptors to be closed", func() bool { return descriptors() <= files })
	if grown := heap() - held; grown > 1<<20 {
		t.Errorf("grown by %d KiB", grown>>10)
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections of HTTP/2", n)
	}
	if j.opened != 0 {
		t.Errorf("%d connections", j.opened)
	}
	memory.wantLog()
	port.wantLog()
	multi.wantLog()
}

// descriptors is how many are open, where the system can tell.
func descriptors() int {
	all, _ := os.ReadDir("/proc/self/fd")
	return len(all)
}
