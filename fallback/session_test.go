package fallback

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// FB6 and rule 5: exactly when a session ends by itself.
func TestFB6_Idle(t *testing.T) {
	for _, c := range []struct {
		name string
		keep func(v *visit) // before the silence
		last time.Duration  // of the session, behind it
	}{
		{"without a GET", func(v *visit) {}, firstTime},
		{"a POST is no GET", func(v *visit) { v.pass(4 * time.Second); v.post("at=0", "x") }, firstTime - 4*time.Second},
		{"a GET that is refused is none", func(v *visit) { v.pass(4 * time.Second); v.get("at=1&mode=poll") }, firstTime - 4*time.Second},
		{"after a GET", func(v *visit) { v.get("at=0&mode=poll&wait=10") }, idleTime},
		{"after a POST", func(v *visit) { v.get("at=0&mode=poll&wait=0"); v.pass(20 * time.Second); v.post("at=0", "x") }, idleTime},
		{"after an empty POST", func(v *visit) { v.get("at=0&mode=poll&wait=0"); v.pass(20 * time.Second); v.post("at=0", "") }, idleTime},
		{"after the last byte of a POST", func(v *visit) {
			v.get("at=0&mode=poll&wait=0")
			body, feed := io.Pipe()
			c := later(func() *answer { return read(v.start("POST", v.base+"?curlew="+v.id+"&at=0", body)) })
			v.pass(20 * time.Second)
			io.WriteString(feed, "x")
			v.pass(0)
			feed.Close()
			<-c
		}, idleTime},
		{"after a stream", func(v *visit) { s := v.stream("at=0&mode=stream", greeting); s.wantsEnd("") }, idleTime},
		{"after a GET that the client has left", func(v *visit) {
			s := v.stream("at=0&mode=stream", greeting)
			v.pass(20 * time.Second)
			s.body.Close()
			v.pass(time.Nanosecond)
		}, idleTime - time.Nanosecond},
		{"strangers do not count", func(v *visit) {
			v.get("at=0&mode=poll&wait=0")
			v.pass(20 * time.Second)
			v.get("at=1&mode=poll")
			v.do("POST", "curlew=x"+v.id+"&at=0", "x")
		}, idleTime - 20*time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			in(t, nil, nil, func(h *house) {
				v := h.open()
				c.keep(v)
				h.pass(c.last - time.Nanosecond)
				if n := h.sessions.Len(); n != 1 {
					t.Fatalf("%d sessions just before the end", n)
				}
				h.pass(time.Nanosecond)
				if n := h.sessions.Len(); n != 0 {
					t.Fatalf("%d sessions at the end", n)
				}
				if _, err := io.Copy(io.Discard, onlyReader{v.conn}); err != errIdle {
					t.Errorf("the handler's Read: %v", err)
				}
				if _, err := v.conn.Write([]byte("x")); err != errIdle {
					t.Errorf("the handler's Write: %v", err)
				}
				h.want("then", v.get("at=0&mode=poll"), 404)
			})
		})
	}
}

// Rule 5: what the handler has written stays for 30 s, however often it is asked for,
// or until it is acknowledged.
func TestEnded(t *testing.T) {
	ended := func(h *house) *visit {
		v := h.open()
		v.get("at=0&mode=poll&wait=0")
		v.says("abc")
		v.conn.Close()
		if n, err := v.conn.Write([]byte("x")); n != 0 || err != net.ErrClosed {
			t.Errorf("Write = %d, %v", n, err)
		}
		return v
	}
	in(t, nil, nil, func(h *house) {
		v := ended(h)
		h.pass(idleTime - time.Nanosecond)
		if a := h.want("just in time", v.get("at=0&mode=poll"), 200); a.body != "abc" {
			t.Errorf("%q", a.body)
		}
		h.pass(time.Nanosecond)
		h.want("30 s are over", v.get("at=0&mode=poll"), 404)

		v = ended(h)
		if a := h.want("all", v.get("at=0&mode=poll"), 200); a.body != "abc" {
			t.Errorf("%q", a.body)
		}
		if a := h.want("some", v.get("at=1&mode=poll"), 200); a.body != "bc" {
			t.Errorf("%q", a.body)
		}
		h.want("not any more", v.get("at=0&mode=poll"), 409)
		h.want("the end", v.get("at=3&mode=stream"), 410)
		if h.sessions.Len() != 0 {
			t.Error("it is still there")
		}

		v = ended(h)
		h.want("DELETE", v.delete(), 204)
		h.want("DELETE", v.delete(), 404)

		v = h.open() // the time runs from the end on, also while it is asked for
		v.get("at=0&mode=poll&wait=0")
		h.pass(20 * time.Second)
		s := v.stream("at=0&mode=stream", greeting)
		h.pass(10 * time.Second)
		v.says("abc")
		v.conn.Close()
		s.wantsEnd("abc")
		h.pass(idleTime - time.Nanosecond)
		h.want("just in time", v.get("at=0&mode=poll"), 200)
		h.pass(time.Nanosecond)
		h.want("30 s are over", v.get("at=0&mode=poll"), 404)

		v = h.open()
		v.conn.Close()
		if err := v.conn.Close(); err != net.ErrClosed {
			t.Error(err)
		}
		h.want("nothing was said", v.get("at=0&mode=poll"), 404)
	})
}

// CloseWrite, as of TCP: the client is told of the end when it has everything, the
// handler reads on until then.
func TestCloseWrite(t *testing.T) {
	in(t, nil, nil, func(h *house) {
		v := h.open()
		v.says("abc")
		v.conn.(interface{ CloseWrite() error }).CloseWrite()
		if _, err := v.conn.Write([]byte("x")); err != net.ErrClosed {
			t.Error(err)
		}
		h.want("what was said", v.get("at=0&mode=poll"), 200)
		for range 2 {
			h.want("the end", v.get("at=3&mode=poll"), 410)
		}
		wantOffset(t, "POST", v.post("at=0", "last words"), 204, "10")
		h.pass(lastTime - time.Nanosecond)
		wantOffset(t, "POST", v.post("at=10", "!"), 204, "11")
		h.pass(lastTime)
		v.hearsEnd("last words!", io.EOF)
		h.want("nothing is left", v.post("at=11", "x"), 404)

		v = h.open() // who waits is told at once
		end := later(func() *answer { return v.get("at=0&mode=poll") })
		v.conn.(interface{ CloseWrite() error }).CloseWrite()
		h.want("the end", <-end, 410)
		v.delete()
		v.hearsEnd("", errAborted)

		v = h.open() // nobody comes
		v.conn.(interface{ CloseWrite() error }).CloseWrite()
		h.pass(firstTime)
		v.hearsEnd("", errIdle)
	})
}

// DELETE, at every time.
func TestDelete(t *testing.T) {
	everyHTTP(t, nil, nil, nil, func(h *house) {
		v := h.open()
		v.post("at=0", "abc")
		v.says("xyz")
		s := v.stream("at=0&mode=stream", greeting+"xyz")
		poster, feed := io.Pipe()
		post := later(func() *answer {
			return read(h.start("POST", h.base+"?curlew="+v.id+"&at=3", poster))
		})
		io.WriteString(feed, "def")
		h.pass(0)
		h.want("DELETE", v.delete(), 204)
		s.wantsEnd("")
		feed.Close()
		h.want("the POST", <-post, 410)
		v.hearsEnd("abcdef", errAborted)
		if _, err := v.conn.Write([]byte("x")); err != errAborted {
			h.t.Error(err)
		}
		if err := v.conn.Close(); err != nil {
			h.t.Error(err)
		}
	})
}

// FB2 and rule 7: names are random and bound to a path, however it is written.
func TestFB2_Names(t *testing.T) {
	in(t, nil, nil, func(h *house) {
		names := make(map[string]bool)
		var bits [16]byte
		for range 20 {
			v := h.open()
			names[v.id] = true
			for i := range v.id {
				bits[i%16] |= v.id[i]
			}
			v.delete()
		}
		if len(names) != 20 {
			t.Error("names are repeated")
		}
		v := h.open()
		here := "?at=mine&curlew=" + v.id + "&at=0&mode=poll&wait=0"
		for path, status := range map[string]int{
			"/echo": 204, "/echo/": 404, "/ech%6f": 404, "/Echo": 404, "//echo": 404, "/": 404, "/echo%2F": 404, "/echo;x": 404, "/x/../echo": 404,
		} {
			h.want(path, read(h.start("GET", "http://example.com"+path+here, nil)), status)
		}
		for _, id := range []string{v.id + "x", v.id[1:], strings.ToUpper(v.id), "", "%" + v.id, v.id + "=", strings.Repeat("x", 5000)} {
			if id != v.id {
				h.want("another name", h.do("GET", "curlew="+id+"&at=0&mode=poll&wait=0", ""), 404)
			}
		}
		h.want("as itself", v.get("at=0&mode=poll&wait=0"), 204)
		v.delete()

		h.base = "http://example.com/a%2Fb%20c/%C3%BC"
		v = h.open()
		h.want("with escapes", v.get("at=0&mode=poll&wait=0"), 204)
		h.base = "http://example.com/a/b%20c/%C3%BC"
		h.want("without", v.get("at=0&mode=poll&wait=0"), 404)
		h.base = "http://example.com/a%2Fb%20c/%C3%BC"
		v.delete()
	})
}

// Rule 7: credentials that come along name the user of the open.
func TestUsers(t *testing.T) {
	user := func(r *http.Request) (string, bool) {
		name, any := strings.CutPrefix(r.Header.Get("Authorization"), "User ")
		if name == "bad" {
			name = ""
		}
		return name, any
	}
	in(t, nil, &Options{User: user}, func(h *house) {
		for _, c := range []struct {
			opened, asks string
			status       int
		}{
			{"", "", 204}, {"", "User ann", 403}, {"", "User bad", 403},
			{"User ann", "", 204}, {"User ann", "User ann", 204}, {"User ann", "User bob", 403}, {"User ann", "User bad", 403},
			{"User bad", "", 204}, {"User bad", "User bad", 403}, {"User bad", "User ann", 403},
			{"User ann", "Other bob", 204},
		} {
			v := h.open("Authorization", c.opened)
			what := fmt.Sprintf("opened by %q, asked by %q", c.opened, c.asks)
			h.want(what, v.get("at=0&mode=poll&wait=0", "Authorization", c.asks), c.status)
			h.want(what, v.post("at=0", "", "Authorization", c.asks), c.status)
			h.want(what, h.do("DELETE", "curlew="+v.id, "", "Authorization", c.asks), c.status)
			v.delete()
		}
	})
}

// Other methods, and none.
func TestMethods(t *testing.T) {
	in(t, nil, nil, func(h *house) {
		v := h.open()
		for _, method := range []string{"HEAD", "PUT", "PATCH", "TRACE", "PROPFIND", "get"} {
			if a := h.want(method, h.do(method, "curlew="+v.id+"&at=0&mode=poll", ""), 405); a.header.Get("Allow") != allowed {
				t.Errorf("%s: %v", method, a.header)
			}
		}
		h.want("no mode", v.get("at=0"), 400)
		h.want("no position", v.get("mode=poll"), 400)
		h.want("no position", v.post("", "x"), 400)
		v.delete()
	})
}

// FB6 and rule 6: 32 for each client that no GET has asked for, and not one more.
func TestFB6_Fresh(t *testing.T) {
	client := func(r *http.Request) string { return r.Header.Get("Client") }
	in(t, nil, &Options{Client: client}, func(h *house) {
		var all []*visit
		for range maxFresh {
			all = append(all, h.open("Client", "a"))
		}
		a := h.want("one more", h.do("POST", "curlew=open", "", "Client", "a"), 429)
		if a.header.Get("Retry-After") == "" {
			t.Error(a.header)
		}
		if n := h.sessions.Len(); n != maxFresh {
			t.Errorf("%d sessions", n)
		}
		h.open("Client", "b").delete()
		h.want("it is asked for", all[0].get("at=0&mode=poll&wait=0"), 204)
		all = append(all, h.open("Client", "a"))
		all[1].delete()
		all = append(all, h.open("Client", "a"))
		all[2].conn.Close()
		h.open("Client", "a")
		h.want("one more", h.do("POST", "curlew=open", "", "Client", "a"), 429)
		h.pass(firstTime)
		for range maxFresh {
			h.open("Client", "a")
		}
	})
}

// FB6: one machine has many addresses of IPv6.
func TestFB6_Clients(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.1:1": "192.0.2.1", "[::ffff:192.0.2.1]:2": "192.0.2.1", "@": "@", "": "",
		"[2001:db8::1]:1": "2001:db8::/64", "[2001:db8::ffff:1]:2": "2001:db8::/64", "[2001:db8:0:1::1]:1": "2001:db8:0:1::/64",
		"[fe80::1%eth0]:1": "fe80::/64",
	} {
		if got := clientOf(&http.Request{RemoteAddr: remote}); got != want {
			t.Errorf("%s: %s, want %s", remote, got, want)
		}
	}
}

// A handshake that is not answered yet counts too; one that was refused does not.
func TestFreshOpening(t *testing.T) {
	var refuses bool
	in(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !refuses {
			<-time.After(5 * time.Second)
		}
		w.WriteHeader(403)
	}), nil, func(h *house) {
		var all []<-chan *answer
		for range maxFresh {
			all = append(all, later(func() *answer { return h.do("POST", "curlew=open", "") }))
		}
		h.want("one more", h.do("POST", "curlew=open", ""), 429)
		for _, c := range all {
			h.want("refused", <-c, 403)
		}
		refuses = true
		for range 2 * maxFresh {
			h.want("refused", h.do("POST", "curlew=open", ""), 403)
		}
	})
}

// Rule 6: 32 that have ended are kept, of the others nothing.
func TestFB16_EndedKept(t *testing.T) {
	in(t, nil, nil, func(h *house) {
		var all []*visit
		for range maxEnded + 1 {
			v := h.open()
			v.get("at=0&mode=poll&wait=0")
			v.says("abc")
			v.conn.Close()
			all = append(all, v)
		}
		if n := h.sessions.Len(); n != maxEnded {
			t.Errorf("%d sessions", n)
		}
		h.want("the last", all[maxEnded].get("at=0&mode=poll"), 404)
		h.want("the one before", all[maxEnded-1].get("at=0&mode=poll"), 200)
		h.want("the first", all[0].post("at=0&ack=3", ""), 410)
		v := h.open()
		v.says("abc")
		v.conn.Close()
		h.want("there is room again", v.get("at=0&mode=poll"), 200)
	})
}

// What a session may hold: two windows, whatever is sent, and nothing when nothing
// waits.
func TestMemory(t *testing.T) {
	in(t, nil, &Options{Window: 1000}, func(h *house) {
		v := h.open()
		s := h.sessions.find(v.id)
		held := func() int {
			s.mu.Lock()
			defer s.mu.Unlock()
			return cap(s.in) + cap(s.out)
		}
		v.conn.SetWriteDeadline(time.Now().Add(time.Second))
		if n, err := v.conn.Write(make([]byte, 5000)); n != 1000 || err == nil {
			t.Errorf("Write = %d, %v", n, err)
		}
		v.post("at=0", strings.Repeat("x", 1000))
		v.post("at=1000", "x")
		if n := held(); n != 2000 {
			t.Errorf("%d bytes are held", n)
		}
		v.get("at=1000&mode=poll&wait=0")
		io.ReadFull(v.conn, make([]byte, 1000))
		if n := held(); n != 0 {
			t.Errorf("%d bytes are held for nothing", n)
		}
		v.delete()
	})
}

// Windows and polls that make no sense are the defaults.
func TestOptionsNegative(t *testing.T) {
	in(t, nil, &Options{Window: -1, Poll: -1}, func(h *house) {
		a := h.do("POST", "curlew=open", "")
		if !strings.Contains(a.body, `"poll":25000,"window":262144`) {
			t.Error(a.body)
		}
	})
}

// "Two tabs with one session": neither gets a byte twice or in the wrong place.
func TestTwoTabs(t *testing.T) {
	in(t, nil, nil, func(h *house) {
		v := h.open()
		type tab struct {
			at  int
			got bytes.Buffer
		}
		var tabs [2]tab
		said := 0
		for i := range 200 {
			v.says(fmt.Sprintf("%4d", i))
			said += 4
			tab := &tabs[i%3%2]
			switch a := v.get(fmt.Sprintf("at=%d&mode=poll", tab.at)); a.status {
			case 200:
				tab.got.WriteString(a.body)
				tab.at += len(a.body)
				if tab.at != said {
					t.Fatalf("at %d of %d", tab.at, said)
				}
			case 409:
			default:
				t.Fatal(a.status, a.body)
			}
		}
		var whole bytes.Buffer
		for i := range 200 {
			fmt.Fprintf(&whole, "%4d", i)
		}
		for i := range tabs {
			if got := tabs[i].got.Bytes(); !bytes.HasPrefix(whole.Bytes(), got) {
				t.Errorf("tab %d has %q", i, got)
			}
		}
		v.delete()
	})
}

// One Sessions for several handlers, and each handler's own.
func TestSessionsShared(t *testing.T) {
	build(t, nil, nil, func(h *house) {
		mux := http.NewServeMux()
		accept := http.HandlerFunc(h.accept)
		mux.Handle("/a/", Handler(accept, &Options{Sessions: h.sessions}))
		mux.Handle("/a/b", Handler(accept, &Options{Sessions: h.sessions}))
		mux.Handle("/own", Handler(accept, nil))
		h.srv.Handler = mux
	}, func(h *house) {
		h.base = "http://example.com/a/b"
		v := h.open()
		h.base = "http://example.com/own"
		h.want("another's", v.get("at=0&mode=poll&wait=0"), 404)
		own := h.open()
		h.want("its own", own.get("at=0&mode=poll&wait=0"), 204)
		own.delete()
		h.base = "http://example.com/a/b"
		v.delete()
	})
}
