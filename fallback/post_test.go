package fallback

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func wantOffset(t *testing.T, what string, a *answer, status int, offset string) {
	t.Helper()
	if a.status != status || a.offset() != offset || a.err != nil {
		t.Errorf("%s: %d, offset %q, %q, %v; want %d, %q", what, a.status, a.offset(), a.body, a.err, status, offset)
	}
}

// Rule 3: positions, not requests, have a meaning.
func TestPost(t *testing.T) {
	in(t, nil, nil, func(h *house) {
		v := h.open()
		wantOffset(t, "first", v.post("at=0", "abc"), 204, "3")
		wantOffset(t, "nothing", v.post("at=3", ""), 204, "3")
		wantOffset(t, "repeated", v.post("at=0", "abc"), 204, "3")
		wantOffset(t, "overlapping", v.post("at=1", "bcde"), 204, "5")
		wantOffset(t, "late, behind a newer one", v.post("at=2", "c"), 204, "5")
		wantOffset(t, "a hole", v.post("at=6", "g"), 409, "5")
		wantOffset(t, "a hole of nothing", v.post("at=6", ""), 409, "5")
		wantOffset(t, "what was missing", v.post("at=5", "f"), 204, "6")
		wantOffset(t, "the rest again", v.post("at=6", "g"), 204, "7")
		v.hears("abcdefg")
		a := v.post("at=7", "x")
		if a.body != "" || a.header.Get("Content-Type") != "" {
			t.Errorf("a 204 with %q %q", a.body, a.header.Get("Content-Type"))
		}
		h.want("DELETE", v.delete(), 204)
		v.hearsEnd("x", errAborted)
		h.want("POST to nobody", v.post("at=8", ""), 404)
	})
}

// Rule 3: a window may be full to its last byte; what has no room in 5 s is not
// taken, and the offset says so.
func TestPostWindow(t *testing.T) {
	in(t, nil, &Options{Window: 10}, func(h *house) {
		v := h.open()
		h.want("GET", v.get("at=0&mode=poll&wait=0"), 204)
		wantOffset(t, "exactly the window", v.post("at=0", "0123456789"), 204, "10")
		began := time.Now()
		wantOffset(t, "one more", v.post("at=10", "a"), 204, "10")
		if d := time.Since(began); d != roomTime {
			t.Errorf("it waited for %v", d)
		}
		// The handler makes room in time, for a part of it.
		c := later(func() *answer { return v.post("at=10", "abcdef") })
		h.pass(roomTime - time.Second)
		v.hears("01234")
		h.pass(time.Millisecond)
		select {
		case a := <-c:
			t.Errorf("answered %d before there was room for all, or the time was over", a.status)
		default:
		}
		h.pass(time.Second)
		wantOffset(t, "some", <-c, 204, "15")
		v.hears("56789abcde")
		wantOffset(t, "the rest", v.post("at=15", "f"), 204, "16")
		v.hears("f")
	})
}

// FB3: a body that is longer than the window, announced, endless, or mostly known
// already.
func TestFB3_PostLong(t *testing.T) {
	in(t, nil, &Options{Window: 10}, func(h *house) {
		v := h.open()
		wantOffset(t, "announced", v.post("at=0", "0123456789a"), 413, "0")
		r, err := h.start("POST", h.base+"?curlew="+v.id+"&at=0", struct{ io.Reader }{strings.NewReader("0123456789a")})
		wantOffset(t, "not announced", read(r, err), 413, "10")
		v.hears("0123456789")
		r, err = h.start("POST", h.base+"?curlew="+v.id+"&at=0", struct{ io.Reader }{strings.NewReader("0123456789a")})
		wantOffset(t, "known already", read(r, err), 413, "10")
		r, err = h.start("POST", h.base+"?curlew="+v.id+"&at=10", struct{ io.Reader }{strings.NewReader("0123456789")})
		wantOffset(t, "exactly, not announced", read(r, err), 204, "20")
		v.hears("0123456789")
		r, err = h.start("POST", h.base+"?curlew="+v.id+"&at=20", endless{})
		if a := read(r, err); a.err == nil { // or the client notices first that nobody reads
			wantOffset(t, "endless", a, 413, "30")
		}
		v.hears("xxxxxxxxxx")
		wantOffset(t, "and it lives", v.post("at=30", "y"), 204, "31")
	})
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// Rule 1: acknowledging by POST.
func TestPostAck(t *testing.T) {
	in(t, nil, &Options{Window: 10}, func(h *house) {
		v := h.open()
		v.says("0123456789")
		wantOffset(t, "beyond sent", v.post("at=0&ack=11", "a"), 409, "0")
		wantOffset(t, "of some", v.post("at=0&ack=4", "a"), 204, "1")
		v.says("abcd") // there is room
		wantOffset(t, "come late", v.post("at=1&ack=3", "b"), 204, "2")
		h.want("before acked", v.get("at=3&mode=poll"), 409)
		if a := h.want("acked", v.get("at=4&mode=poll"), 200); a.body != "456789abcd" {
			t.Errorf("got %q", a.body)
		}
		wantOffset(t, "a hole acknowledges nothing", v.post("at=3&ack=14", "x"), 409, "2")
		wantOffset(t, "of all", v.post("at=2&ack=14", ""), 204, "2")
		h.want("everything is acked", v.get("at=14&mode=poll&wait=0"), 204)
		v.hears("ab")
	})
}

// Rule 4: a newer POST takes the place of one that waits for room.
func TestPostReplacedWaiting(t *testing.T) {
	in(t, nil, &Options{Window: 10}, func(h *house) {
		v := h.open()
		h.want("GET", v.get("at=0&mode=poll&wait=0"), 204)
		v.post("at=0", "0123456789")
		old := later(func() *answer { return v.post("at=10", "abc") })
		newer := later(func() *answer { return v.post("at=10", "abcd") })
		wantOffset(t, "the old one", <-old, 409, "10")
		v.hears("0123456789")
		wantOffset(t, "the new one", <-newer, 204, "14")
		v.hears("abcd")

		// net/http must not take the old one's client for gone: its connection is used
		// again, for a GET that waits.
		for range 3 {
			began := time.Now()
			h.want("poll", v.get("at=0&mode=poll&wait=1000"), 204)
			if d := time.Since(began); d != time.Second {
				t.Errorf("a poll of 1 s was answered after %v", d)
			}
		}
	})
}

// Rule 4: and of one whose body does not come. All that has arrived counts.
func TestPostReplacedReading(t *testing.T) {
	for _, over := range []struct {
		name string
		set  func(*house)
	}{{"HTTP/1.1", nil}, {"HTTP/2", overHTTP2}} {
		t.Run(over.name, func(t *testing.T) {
			build(t, nil, nil, over.set, func(h *house) {
				v := h.open()
				body, feed := io.Pipe()
				defer feed.Close()
				old := later(func() *answer {
					return read(h.start("POST", h.base+"?curlew="+v.id+"&at=0", body))
				})
				io.WriteString(feed, "abc")
				v.hears("abc")
				wantOffset(t, "the new one", v.post("at=1", "bcd"), 204, "4")
				if a := <-old; a.err == nil { // else the connection was closed first
					offset := "4"
					if a.offset() == "3" {
						offset = "3" // it was answered before the new one's bytes had come
					}
					wantOffset(t, "the old one", a, 409, offset)
				}
				v.hears("d")
				for range 3 {
					began := time.Now()
					h.want("poll", v.get("at=0&mode=poll&wait=1000"), 204)
					if d := time.Since(began); d != time.Second {
						t.Errorf("a poll of 1 s was answered after %v", d)
					}
				}
			})
		})
	}
}

// "A POST breaks off": what has come is there. And one that never ends is not waited
// for: it has 30 s in all, however slowly it dribbles.
func TestPostDribbles(t *testing.T) {
	in(t, nil, nil, func(h *house) {
		v := h.open()
		h.want("GET", v.get("at=0&mode=poll&wait=0"), 204)
		c, _ := h.network.DialContext(h.t.Context(), "tcp", "example.com:80")
		fmt.Fprintf(c, "POST /echo?curlew=%s&at=0 HTTP/1.1\r\nHost: example.com\r\nContent-Length: 1000\r\n\r\nabc", v.id)
		v.hears("abc")
		c.Close()
		h.pass(time.Second)
		wantOffset(t, "after it has broken off", v.post("at=2", "cd"), 204, "4")
		v.hears("d")

		c, _ = h.network.DialContext(h.t.Context(), "tcp", "example.com:80")
		defer c.Close()
		fmt.Fprintf(c, "POST /echo?curlew=%s&at=4 HTTP/1.1\r\nHost: example.com\r\nContent-Length: 1000\r\n\r\n", v.id)
		go func() {
			for {
				if _, err := io.WriteString(c, "x"); err != nil {
					return
				}
				<-time.After(10 * time.Second)
			}
		}()
		began := time.Now()
		io.ReadAll(c) // an answer, or what net/http does to who still sends
		if d := time.Since(began); d > idleTime+time.Second {
			t.Errorf("it was waited for %v", d)
		}
		v.hears("xxx")
	})
}

// A POST that is refused before its body is read holds nobody up either.
func TestPostRefusedUnread(t *testing.T) {
	in(t, nil, nil, func(h *house) {
		v := h.open()
		for _, q := range []string{v.id + "&at=1", "unknown&at=0", v.id + "&at=x"} {
			c, _ := h.network.DialContext(h.t.Context(), "tcp", "example.com:80")
			fmt.Fprintf(c, "POST /echo?curlew=%s HTTP/1.1\r\nHost: example.com\r\nContent-Length: 1000\r\n\r\nabc", q)
			began := time.Now()
			io.ReadAll(c)
			if d := time.Since(began); d > idleTime+time.Second {
				t.Errorf("%s: it was waited for %v", q, d)
			}
			c.Close()
		}
		v.delete()
	})
}

// The limits of an http.Server for reading and writing are for requests that do not
// wait: they do not cut a POST that waits for room.
func TestPostServerTimeouts(t *testing.T) {
	everyHTTP(t, nil, &Options{Window: 10}, func(h *house) {
		h.srv.ReadTimeout, h.srv.WriteTimeout = 2*time.Second, 2*time.Second
	}, func(h *house) {
		v := h.open()
		v.post("at=0", "0123456789")
		wantOffset(h.t, "without room", v.post("at=10", "a"), 204, "10")
		v.delete()
	})
}

// everyHTTP is build for HTTP/1.1 and HTTP/2.
func everyHTTP(t *testing.T, next http.Handler, o *Options, set func(h *house), f func(h *house)) {
	t.Run("HTTP1", func(t *testing.T) { build(t, next, o, set, f) })
	t.Run("HTTP2", func(t *testing.T) {
		build(t, next, o, func(h *house) {
			overHTTP2(h)
			if set != nil {
				set(h)
			}
		}, f)
	})
}

// After the handler has ended a POST is 410, and may acknowledge.
func TestPostAfterEnd(t *testing.T) {
	in(t, nil, nil, func(h *house) {
		v := h.open()
		v.post("at=0", "ab")
		v.says("xyz")
		v.conn.Close()
		wantOffset(t, "after the end", v.post("at=2", "c"), 410, "2")
		wantOffset(t, "an ack beyond", v.post("at=2&ack=4", ""), 410, "2")
		wantOffset(t, "an ack of some", v.post("at=2&ack=1", ""), 410, "2")
		if a := h.want("what is left", v.get("at=1&mode=poll"), 200); a.body != "yz" {
			t.Errorf("left is %q", a.body)
		}
		wantOffset(t, "an ack of all", v.post("at=2&ack=3", ""), 410, "2")
		h.want("then nothing is left", v.get("at=3&mode=poll"), 404)

		v = h.open()
		waiting := later(func() *answer {
			return v.post("at=0", strings.Repeat("x", 10))
		})
		<-waiting
		v.conn.Close()
		h.want("nothing was unread", v.post("at=10", ""), 404)
	})
}

// Connections of HTTP/1.1 are used again after every kind of POST that was read.
func TestPostReusesConnections(t *testing.T) {
	in(t, nil, &Options{Window: 10}, func(h *house) {
		var dials atomic.Int32
		h.client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			dials.Add(1)
			return h.network.DialContext(ctx, network, address)
		}
		v := h.open()
		v.post("at=0", "abc")
		v.post("at=0", "abc")
		v.post("at=9", "abc")     // 409
		v.post("at=3", "0123456") // full
		v.post("at=10", "0")      // no room
		v.post("at=10", "0123456789x")
		v.get("at=0&mode=poll&wait=0")
		v.get("at=9&mode=poll&wait=0")
		v.delete()
		v.post("at=0", "abc") // 404
		if n := dials.Load(); n != 1 {
			t.Errorf("%d connections", n)
		}
	})
}
