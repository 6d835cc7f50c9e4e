package conform

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/wstest"
)

// against runs a case against servers that do this once the handshake is made.
func against(t *testing.T, c *Case, peer func(h *hostileConn)) Result {
	t.Helper()
	return meets(t, c, func(conn net.Conn) {
		if answerRight(conn) == nil {
			peer(&hostileConn{conn, false, t})
		}
	})
}

// meets runs a case against servers that do this with a connection.
func meets(t *testing.T, c *Case, serve func(conn net.Conn)) (r Result) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var servers sync.WaitGroup
		target := &Target{Host: "example.com", Path: "/", Dial: func(context.Context) (net.Conn, error) {
			ours, theirs := wstest.NewLink(nil)
			servers.Go(func() {
				defer theirs.Close()
				serve(theirs)
			})
			return ours, nil
		}}
		results := TestServer(t.Context(), []*Case{c}, target, nil)
		if len(results) != 1 {
			t.Fatalf("%d results", len(results))
		}
		r = results[0]
		servers.Wait()
	})
	return r
}

// caseNamed is a copy: what is changed of it is the caller's.
func caseNamed(t *testing.T, id string) *Case {
	t.Helper()
	i := slices.IndexFunc(allCases(), func(c *Case) bool { return c.ID == id })
	if i < 0 {
		t.Fatalf("no case is called %s", id)
	}
	c := *allCases()[i]
	return &c
}

// Who may leave the Close out, and who should not: RFC 6455, 5.1 and 7.1.7.
func TestDroppedWithoutClose(t *testing.T) {
	drops := func(h *hostileConn) { h.Read(make([]byte, 4096)) }
	for id, want := range map[string]Verdict{
		"11.1.1": Informational, "7.18.1": Informational, "7.18.2": Informational, // no mask
		"11.12.1": Informational, // zeros have none
		"11.12.3": NonStrict,     // what is nothing but ones has
		"4.1.1":   NonStrict,
	} {
		t.Run(id, func(t *testing.T) {
			if r := against(t, caseNamed(t, id), drops); r.Verdict() != want {
				t.Errorf("it is %v: %s", r.Verdict(), r.Note)
			}
		})
	}
}

// RFC 6455, 7.1.7: the code of a failure is a SHOULD; one that must not be on the
// wire is 7.4's business; and what is wrong may be too much as well (10.4).
func TestCodesOfFailures(t *testing.T) {
	for _, v := range []struct {
		id   string
		code int
		want Verdict
	}{
		{"4.1.1", 1002, OK}, {"4.1.1", 0, NonStrict}, {"4.1.1", 1000, NonStrict}, {"4.1.1", 1001, NonStrict},
		{"4.1.1", 1009, NonStrict}, {"4.1.1", 1011, NonStrict}, {"4.1.1", 4000, NonStrict},
		{"4.1.1", 999, Failed}, {"4.1.1", 1005, Failed}, {"4.1.1", 1006, Failed}, {"4.1.1", 2999, Failed}, {"4.1.1", 5000, Failed},
		{"11.6.3", 1002, OK}, {"11.6.3", 1009, Informational}, {"11.6.3", 1000, NonStrict}, {"11.6.8", 1009, NonStrict},
	} {
		t.Run(fmt.Sprintf("%s/%d", v.id, v.code), func(t *testing.T) {
			c := caseNamed(t, v.id)
			c.Script = c.Script[:2] // without another connection
			r := against(t, c, func(h *hostileConn) {
				h.Read(make([]byte, 4096))
				h.send(closing(v.code, ""))
				h.Conn.(*wstest.End).CloseWrite()
				h.swallow()
			})
			if r.Verdict() != v.want {
				t.Errorf("it is %v: %s", r.Verdict(), r.Note)
			}
		})
	}
}

// RFC 7692, 7.1.1.2, 7.1.2.2 and 7.2.2: what a client says of itself in its offer,
// and a server does not repeat, is a hint.
func TestHints(t *testing.T) {
	far := letters(1000)
	within := [][]byte{blocks().stored(far).tail(), blocks().fixed().lits("a").copy(3, 1).stop().tail()}
	back := [][]byte{blocks().stored(far).tail(), blocks().fixed().copy(3, 5).stop().tail()}
	beyond := [][]byte{blocks().stored(far).fixed().copy(3, 600).stop().tail()}
	for _, v := range []struct {
		name, offer, answer string
		msgs                [][]byte
		want                Verdict
	}{
		{"a context, none promised", "permessage-deflate", "permessage-deflate", back, OK},
		{"no context, as promised", "permessage-deflate; client_no_context_takeover", "permessage-deflate", within, OK},
		{"a context, against the promise", "permessage-deflate; client_no_context_takeover", "permessage-deflate", back, NonStrict},
		{"a context, against the answer", "permessage-deflate", "permessage-deflate; client_no_context_takeover", back, Failed},
		{"a context, against both", "permessage-deflate; client_no_context_takeover", "permessage-deflate; client_no_context_takeover", back, Failed},
		{"a window, none promised", "permessage-deflate; client_max_window_bits", "permessage-deflate", beyond, OK},
		{"a window, as promised", "permessage-deflate; client_max_window_bits=10", "permessage-deflate", beyond, OK},
		{"a window, against the promise", "permessage-deflate; client_max_window_bits=9", "permessage-deflate", beyond, NonStrict},
		{"a window, against the promise, but not the answer", "permessage-deflate; client_max_window_bits=9", "permessage-deflate; client_max_window_bits=12", beyond, NonStrict},
		{"a window, against the answer", "permessage-deflate; client_max_window_bits", "permessage-deflate; client_max_window_bits=9", beyond, Failed},
	} {
		t.Run(v.name, func(t *testing.T) {
			a, err := agree(v.answer, v.offer)
			if err != nil {
				t.Fatal(err)
			}
			s := &session{c: new(Case), o: new(Options).filled(), agreed: a}
			for _, m := range v.msgs {
				if _, err := s.inflate(m); err != nil {
					s.mark(Failed, err.Error())
				}
			}
			if s.behavior != v.want {
				t.Errorf("it is %v: %q", s.behavior, s.notes)
			}
		})
	}
}

// RFC 1951 does not say that codes must leave no bits unused; RFC 6455, 9.1, that who
// receives malformed extensions MUST fail the connection; RFC 9110, 5.6.1.2, that
// empty members of lists MUST be passed over.
func TestOthersAreStricter(t *testing.T) {
	packed := func(says string) func(net.Conn) {
		return func(conn net.Conn) {
			h := &hostileConn{conn, false, t}
			p := make([]byte, 4096)
			n, _ := conn.Read(p)
			if r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(p[:n]))); err == nil {
				io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
					"Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Accept: "+acceptKey(r.Header.Get("Sec-WebSocket-Key"))+"\r\n\r\n")
			}
			conn.Read(p)
			h.send(bin([]byte(says)))
			conn.Read(p)
			h.send(closing(1000, ""))
		}
	}
	for _, v := range []struct {
		name, id string
		serve    func(net.Conn)
		want     Verdict
	}{
		{"an incomplete code, taken for what it says", "14.3.17", packed("aa"), Informational},
		{"an incomplete code, taken for something else", "14.3.17", packed("ab"), Failed},
		{"an incomplete code of distances", "14.3.19", packed("a"), Informational},
		{"a code that is too large", "14.3.16", packed("aa"), Failed},
		{"malformed extensions", "8.27.1", echoFrames, Failed},
		{"empty extensions", "8.27.21", echoFrames, Failed},
		{"a subprotocol that is no token", "8.25.3", echoFrames, Failed},
		{"another spelling of 13", "8.17.12", echoFrames, Failed},
		{"a key that is no base64", "8.15.10", echoFrames, NonStrict}, // RFC 6455, 4.2.2: it need not be decoded
		{"a malformed offer", "13.25.1", echoFrames, Failed},
		{"an empty member", "8.3.5", func(conn net.Conn) {
			conn.Read(make([]byte, 4096))
			io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
		}, Failed},
	} {
		t.Run(v.name, func(t *testing.T) {
			if r := meets(t, caseNamed(t, v.id), v.serve); r.Verdict() != v.want {
				t.Errorf("it is %v: %s", r.Verdict(), r.Note)
			}
		})
	}
}

// RFC 6455, 5.5.1, forbids data behind a Close. Control frames are of no use there.
func TestFramesBehindClose(t *testing.T) {
	for _, v := range []struct {
		name   string
		frames []frame
		want   Verdict
	}{
		{"nothing", nil, OK},
		{"a pong", []frame{pong("x")}, NonStrict},
		{"a thousand pongs", many(pong("x"), 1000), NonStrict},
		{"a second Close", []frame{closing(1000, "")}, NonStrict},
		{"a wrong ping", []frame{ping("x").more()}, Failed},
		{"a message", []frame{text("x")}, Failed},
		{"a pong and a message", []frame{pong("x"), text("x")}, Failed},
	} {
		for _, id := range []string{"7.7.1", "4.1.1", "7.20.1", "16.9.1"} {
			t.Run(v.name+"/"+id, func(t *testing.T) {
				code := 1002
				if id[0] == '7' {
					code = 1000
				}
				r := against(t, caseNamed(t, id), func(h *hostileConn) {
					h.Read(make([]byte, 4096))
					h.send(closing(code, ""))
					for _, f := range v.frames {
						h.send(f)
					}
					h.Conn.(*wstest.End).CloseWrite()
					h.swallow()
				})
				if r.Verdict() != v.want {
					t.Errorf("it is %v: %s", r.Verdict(), r.Note)
				}
				if len(r.Note) > 500 {
					t.Errorf("the note has %d bytes", len(r.Note))
				}
			})
		}
	}
}

// What HTTP lets a server do with a handshake is not FAILED.
func TestHandshakesLeftToHTTP(t *testing.T) {
	const refusal, page = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	answer := func(text string) func(net.Conn) {
		return func(conn net.Conn) {
			conn.Read(make([]byte, 4096))
			io.WriteString(conn, text)
		}
	}
	for _, v := range []struct {
		name, id string
		serve    func(net.Conn)
		want     Verdict
	}{
		{"an Upgrade of several is refused", "8.3.9", answer(refusal), NonStrict},
		{"an Upgrade of several is passed over", "8.3.9", answer(page), Informational},
		{"a right one is refused", "8.1.1", answer(refusal), Failed},
		{"a request behind a refused one is upgraded", "8.29.3", answer(refusal + "HTTP/1.1 101 Switching Protocols\r\n\r\n"), Informational},
		{"an answer without an end", "8.19.1", answer(strings.Repeat("a", 100_000)), Failed},
		{"no answer to what is no request", "8.19.1", answer(""), OK},
		{"HTTP/2.0 is above 1.1", "8.9.4", echoFrames, NonStrict},
		{"HTTP/1.0 is not", "8.9.1", echoFrames, Failed},
	} {
		t.Run(v.name, func(t *testing.T) {
			if r := meets(t, caseNamed(t, v.id), v.serve); r.Verdict() != v.want {
				t.Errorf("it is %v: %s", r.Verdict(), r.Note)
			}
		})
	}
}

// echoFrames takes any handshake, and sends back what comes in one piece.
func echoFrames(conn net.Conn) {
	h := &hostileConn{Conn: conn}
	buf := make([]byte, 4096)
	for err := answerRight(conn); err == nil; {
		var n int
		n, err = conn.Read(buf)
		if r, size, _, _ := parse(buf[:n]); size > 0 {
			h.send(frame{op: r.op, payload: r.payload})
			if r.op == opClose {
				return
			}
		}
	}
}

// RFC 6455, 5.5.3: of several pings that wait the newest may be answered alone. So
// no case may want all pongs, but by the words that know this.
func TestNobodyWantsAllPongs(t *testing.T) {
	for _, c := range allCases() {
		for _, st := range c.Script {
			var frames []frame
			switch st := st.(type) {
			case wantStep:
				frames = st.frames
			case wantAllStep:
				frames = st.frames
			}
			n := 0
			for _, f := range frames {
				if f.op == opPong {
					n++
				}
			}
			if n > 1 {
				t.Errorf("%s wants %d pongs: see pongs", c.ID, n)
			}
		}
	}
}

// TestOthersHaveABudget: the connections of a case end with its time, too.
func TestOthersHaveABudget(t *testing.T) {
	var row []Step
	for range 100 {
		row = append(row, also(echo(text("hello"))))
	}
	c := &Case{ID: "1.1", Title: "many, one after the other", Roles: ForServers, Script: append(script{opens()}, row...)}
	r := against(t, c, func(h *hostileConn) {
		buf := make([]byte, 4096)
		for {
			if _, err := h.Read(buf); err != nil {
				return
			}
			elapse(4 * time.Second)
			h.send(text("hello"))
			h.Read(buf)
			h.send(closing(1000, ""))
		}
	})
	if o := (*Options)(nil).filled(); r.Verdict() != Failed || r.Duration > o.budget(c)+time.Second {
		t.Errorf("it is %v in %v: %s", r.Verdict(), r.Duration, r.Note)
	}
}

// What clients are told of cases is JSON, and Progress may ask for results.
func TestCaseInfo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		title := "quotes \"\\, \x7f, \u202e and \U000e0041"
		c := &Case{ID: "1.1", Title: title, Roles: ForClients, Script: script{send(closing(1000, "")), closed(1000)}}
		var seen []Result
		clients := &Clients{Cases: []*Case{c}, Once: true}
		clients.Options = &Options{Progress: func(Result) { seen = clients.Results("a") }}
		n := wstest.NewNetwork(nil)
		l := n.Listen("example.com:80")
		done := make(chan error, 1)
		go func() { done <- clients.Serve(t.Context(), l) }()
		for _, path := range []string{"/getCaseInfo?case=1", "/runCase?case=1&agent=a", "/updateReports?agent=a"} {
			c, err := curlew.Dial(t.Context(), "ws://example.com"+path, &curlew.DialOptions{DialContext: n.DialContext})
			if err != nil {
				t.Fatal(err)
			}
			_, p, err := c.Read(t.Context(), nil)
			if strings.HasPrefix(path, "/getCaseInfo") {
				var info struct{ ID, Description string }
				if err != nil || json.Unmarshal(p, &info) != nil || info.ID != "1.1" || info.Description != title {
					t.Errorf("%v, %s, %q", err, p, info)
				}
			}
			c.Read(t.Context(), nil)
		}
		if err := <-done; err != nil || len(seen) != 1 {
			t.Errorf("%v, %d results", err, len(seen))
		}
		time.Sleep(time.Minute) // what lingers
	})
}
