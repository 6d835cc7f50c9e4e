package fallback

import (
	"bufio"
	"encoding/base64"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A reading is the answer to a GET that does not end by itself.
type reading struct {
	v    *visit
	body io.ReadCloser
}

// stream begins one, behind its greeting.
func (v *visit) stream(rest, greets string, fields ...string) *reading {
	v.t.Helper()
	r, err := v.start("GET", v.base+"?curlew="+v.id+"&"+rest, nil, fields...)
	if err != nil || r.StatusCode != 200 {
		v.t.Fatalf("%s: %v, %v", rest, r, err)
	}
	s := &reading{v, r.Body}
	s.wants(greets)
	return s
}

// wants reads exactly want.
func (s *reading) wants(want string) {
	s.v.t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(s.body, got); string(got) != want {
		s.v.t.Fatalf("got %.200q, %v; want %.200q", got[:n], err, want)
	}
}

// wantsEnd reads to the end.
func (s *reading) wantsEnd(want string) {
	s.v.t.Helper()
	got, err := io.ReadAll(s.body)
	if string(got) != want || err != nil {
		s.v.t.Fatalf("got %.200q, %v; want %.200q and the end", got, err, want)
	}
	s.body.Close()
}

// wantsIdle sees that nothing comes.
func (s *reading) wantsIdle(d time.Duration) {
	s.v.t.Helper()
	c := make(chan string, 1)
	go func() {
		p := make([]byte, 1)
		n, err := io.ReadFull(s.body, p)
		if n == 0 && err == nil {
			return
		}
		c <- strconv.Itoa(n) + " bytes"
	}()
	s.v.pass(d)
	select {
	case what := <-c:
		s.v.t.Fatalf("it ended, or went on: %s", what)
	default:
	}
}

// The table: mode=stream.
func TestStream(t *testing.T) {
	everyHTTP(t, nil, nil, nil, func(h *house) {
		v := h.open()
		s := v.stream("at=0&mode=stream", "curlew1\n") // at once, nothing was said
		v.says("abc")
		s.wants("abc")
		v.says("def")
		s.wants("def")
		h.pass(24 * time.Second)
		v.says("g") // 25 s begin again
		s.wants("g")
		h.pass(24 * time.Second)
		v.says("h")
		began := time.Now()
		s.wantsEnd("h")
		if d := time.Since(began); d != defaultPoll {
			h.t.Errorf("it ended after a silence of %v", d)
		}
		// Not acknowledged, so still there.
		s = v.stream("at=2&mode=stream", "curlew1\ncdefgh")
		h.want("before acked", v.get("at=1&mode=stream"), 409)
		h.want("beyond sent", v.get("at=9&mode=stream"), 409)
		s.body.Close()
		h.pass(time.Second)
		s = v.stream("at=8&mode=stream", "curlew1\n")
		v.says("end")
		v.conn.Close()
		s.wantsEnd("end")
		h.want("at the end", v.get("at=11&mode=stream"), 410)
		h.want("and then", v.get("at=11&mode=stream"), 404)
	})
}

// The table: mode=sse. FB9: an event is one line of base64, whatever the bytes are.
func TestFB9_Events(t *testing.T) {
	everyHTTP(t, nil, nil, nil, func(h *house) {
		v := h.open()
		r, err := h.start("GET", h.base+"?curlew="+v.id+"&at=0&mode=sse", nil)
		if err != nil || r.Header.Get("Content-Type") != "text/event-stream" {
			h.t.Fatal(r, err)
		}
		s := &reading{v, r.Body}
		s.wants(":ok\n\n")
		event := func(id int, p string) string {
			return "id:" + strconv.Itoa(id) + "\ndata:" + base64.StdEncoding.EncodeToString([]byte(p)) + "\n\n"
		}
		evil := "\r\ndata: x\n\nid: 7\x00\nevent: y\r\r"
		v.says(evil)
		s.wants(event(len(evil), evil))
		s.body.Close()
		h.pass(time.Second)

		// FB10: what the browser sends of itself when it comes again.
		s = v.stream("at=0&mode=sse", ":ok\n\n", "Last-Event-ID", strconv.Itoa(len(evil)))
		v.says("more")
		s.wants(event(len(evil)+4, "more"))
		s.body.Close()
	})
}

// FB10: Last-Event-ID that is huge, forged, of another stream, or there twice.
func TestFB10_LastEventID(t *testing.T) {
	in(t, nil, nil, func(h *house) {
		v := h.open()
		v.says("0123456789")
		for id, status := range map[string]int{
			strings.Repeat("9", 5000): 400, "9007199254740992": 400, "9007199254740991": 409,
			"-1": 400, "+1": 400, "1x": 400, "": 400, "0x1": 400, "1_0": 400, "11": 409,
		} {
			h.want("Last-Event-ID: "+id, v.get("at=0&mode=sse", "Last-Event-ID", id), status)
		}
		h.want("two", v.get("at=0&mode=sse", "Last-Event-ID", "1", "Last-Event-ID", "1"), 400)
		if a := h.want("of another mode", v.get("at=0&mode=poll", "Last-Event-ID", "5"), 200); a.body != "0123456789" {
			t.Errorf("%q", a.body)
		}
		v.delete()
	})
}

// The table: mode=poll. FB14: an answer that was lost is there still.
func TestFB14_Poll(t *testing.T) {
	everyHTTP(t, nil, nil, nil, func(h *house) {
		v := h.open()
		timed := func(what, rest string, status int, wait time.Duration) *answer {
			h.t.Helper()
			began := time.Now()
			a := h.want(what, v.get(rest), status)
			if d := time.Since(began); d != wait {
				h.t.Errorf("%s: answered after %v, want %v", what, d, wait)
			}
			return a
		}
		timed("nothing", "at=0&mode=poll", 204, defaultPoll)
		timed("nothing, soon", "at=0&mode=poll&wait=10", 204, 10*time.Millisecond)
		timed("nothing, at once", "at=0&mode=poll&wait=0", 204, 0)
		timed("a longer wait than poll", "at=0&mode=poll&wait=2147483648", 204, defaultPoll)
		timed("too long", "at=0&mode=poll&wait=2147483649", 400, 0)
		c := later(func() *answer { return v.get("at=0&mode=poll") })
		h.pass(time.Second)
		v.says("abc")
		if a := h.want("as soon as there is something", <-c, 200); a.body != "abc" || a.header.Get("Content-Type") != "application/octet-stream" {
			h.t.Errorf("%q %v", a.body, a.header)
		}
		// FB14: the answer is lost, more has come.
		v.says(strings.Repeat("d", 100_000))
		if a := timed("again", "at=0&mode=poll", 200, 0); a.body != "abc"+strings.Repeat("d", 100_000) {
			h.t.Errorf("%d bytes", len(a.body))
		}
		timed("behind", "at=100004&mode=poll", 409, 0)
		timed("all is acked", "at=100003&mode=poll&wait=5", 204, 5*time.Millisecond)
		timed("before", "at=100002&mode=poll", 409, 0)

		c = later(func() *answer { return v.get("at=100003&mode=poll") })
		v.conn.Close()
		h.want("the end", <-c, 410)
	})
}

// FB1: of two GETs the newer valid one wins: rule 4.
func TestFB1_Replaced(t *testing.T) {
	everyHTTP(t, nil, nil, nil, func(h *house) {
		v := h.open()
		v.says("abc")
		old := later(func() *answer { return v.get("at=3&mode=poll") })
		h.want("not valid", v.get("at=2&mode=poll"), 409)
		h.want("not valid", v.get("at=4&mode=stream"), 409)
		h.want("not valid", v.get("at=3&mode=pull"), 400)
		select {
		case a := <-old:
			h.t.Fatalf("it ended with %d", a.status)
		default:
		}
		newer := later(func() *answer { return v.get("at=3&mode=poll") })
		h.want("the older one", <-old, 409)
		v.says("d")
		if a := h.want("the newer one", <-newer, 200); a.body != "d" {
			h.t.Errorf("got %q", a.body)
		}
		s := v.stream("at=4&mode=stream", greeting)
		s2 := v.stream("at=4&mode=sse", eventsGreeting)
		s.wantsEnd("")
		h.want("and back", v.get("at=4&mode=poll&wait=0"), 204)
		s2.wantsEnd("")
		// The session is not idle for having been asked twice.
		h.pass(idleTime - time.Second)
		h.want("in time", v.get("at=4&mode=poll&wait=0"), 204)
		v.delete()
	})
}

// A GET whose client does not read is ended by a newer one, and by time.
func TestFB16_ReplacedWriting(t *testing.T) {
	for _, mode := range []string{"stream", "sse", "poll"} {
		t.Run(mode, func(t *testing.T) {
			everyHTTP(t, nil, &Options{Window: 8 << 20}, nil, func(h *house) {
				v := h.open()
				v.says(strings.Repeat("x", 8<<20))
				stalled := func() io.Closer {
					r, err := h.start("GET", h.base+"?curlew="+v.id+"&at=0&mode="+mode, nil)
					if err != nil {
						h.t.Fatal(err)
					}
					synctest.Wait()
					return r.Body
				}
				body := stalled()
				if h.serving.Load() == 0 {
					h.t.Fatal("it is not stalled")
				}
				defer stalled().Close()
				h.pass(time.Second)
				if n := h.serving.Load(); n != 1 {
					t.Errorf("%d GETs are served", n)
				}
				h.pass(defaultPoll + takeTime)
				if n := h.serving.Load(); n != 0 {
					t.Errorf("%d GETs are served after a minute of nothing", n)
				}
				body.Close()
			})
		})
	}
}

// Rule 2 and the window: a stream ends when nobody acknowledges, and goes on when
// somebody does.
func TestStreamWindow(t *testing.T) {
	in(t, nil, &Options{Window: 10}, func(h *house) {
		v := h.open()
		s := v.stream("at=0&mode=stream", greeting)
		v.says("012345678")
		s.wants("012345678")
		s.wantsIdle(time.Second) // one below the window
		s.body.Close()
		h.pass(time.Second)

		s = v.stream("at=0&mode=stream", greeting+"012345678")
		wrote := later(func() *answer { v.says("9a"); return nil })
		s.wantsEnd("9")
		s = v.stream("at=10&mode=stream", greeting+"a")
		<-wrote

		v.says("bcdefgh")
		s.wants("bcdefgh")
		v.post("at=0&ack=18", "")
		v.says("0123456789")
		s.wantsEnd("0123456789")
		h.want("one before the window", v.get("at=17&mode=poll"), 409)

		// The handler's own timeout ends it when it has enough of waiting.
		v.conn.SetWriteDeadline(time.Now().Add(time.Minute))
		done := later(func() *answer {
			if n, err := v.conn.Write([]byte("x")); n != 0 || err == nil {
				t.Errorf("Write = %d, %v", n, err)
			}
			return nil
		})
		for range 3 {
			h.pass(20 * time.Second)
			v.get("at=18&mode=poll")
		}
		<-done
		v.delete()
	})
}

// The limits of an http.Server are not those of a GET.
func TestGetServerTimeouts(t *testing.T) {
	everyHTTP(t, nil, nil, func(h *house) {
		h.srv.ReadTimeout, h.srv.WriteTimeout, h.srv.IdleTimeout = 2*time.Second, 2*time.Second, 2*time.Second
	}, func(h *house) {
		v := h.open()
		began := time.Now()
		h.want("poll", v.get("at=0&mode=poll"), 204)
		if d := time.Since(began); d != defaultPoll {
			h.t.Errorf("a poll ended after %v", d)
		}
		s := v.stream("at=0&mode=stream", greeting)
		h.pass(20 * time.Second)
		v.says("a")
		s.wants("a")
		h.pass(20 * time.Second)
		v.says("b")
		s.wantsEnd("b")
		v.delete()
	})
}

// FB11, FB15 and rule 9: nobody in between may hold an answer back, or keep it.
func TestFB11_FB15_Headers(t *testing.T) {
	in(t, nil, nil, func(h *house) {
		v := h.open()
		check := func(what string, a *answer) {
			t.Helper()
			for name, want := range map[string]string{
				"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff",
				"Etag": "", "Last-Modified": "", "Vary": "Origin", "Access-Control-Expose-Headers": offsetField,
			} {
				if got := a.header.Get(name); got != want {
					t.Errorf("%s, %d: %s: %q, want %q", what, a.status, name, got, want)
				}
			}
		}
		v.says("x")
		check("POST", v.post("at=0", "x"))
		check("POST", v.post("at=9", "x"))
		for _, mode := range []string{"poll", "stream", "sse"} {
			r, err := h.start("GET", h.base+"?curlew="+v.id+"&at=0&mode="+mode, nil)
			if err != nil {
				t.Fatal(err)
			}
			check(mode, &answer{status: r.StatusCode, header: r.Header})
			r.Body.Close()
		}
		check("poll", v.get("at=1&mode=poll&wait=0"))
		check("GET", v.get("at=0&mode=poll"))
		check("GET", v.get("mode=poll"))
		check("GET", v.get("at=1&mode=JSONP"))
		check("HEAD", v.do("HEAD", "curlew="+v.id+"&at=0&mode=poll", ""))
		check("OPTIONS", v.do("OPTIONS", "curlew="+v.id, ""))
		check("PUT", v.do("PUT", "curlew="+v.id, ""))
		check("DELETE", v.delete())
		check("DELETE", v.delete())
		check("open", h.do("POST", "curlew=open", ""))
		check("open", h.do("GET", "curlew=open", ""))
		check("page", h.do("GET", "curlew=open", "", "Origin", "https://evil.example"))
	})
}

// A ResponseWriter that cannot flush still serves all that comes, an answer at a time.
func TestStreamWithoutFlush(t *testing.T) {
	build(t, nil, nil, func(h *house) {
		inner := h.srv.Handler
		h.srv.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			inner.ServeHTTP(struct{ http.ResponseWriter }{w}, r)
		})
	}, func(h *house) {
		v := h.open()
		v.says("abc")
		r, err := h.start("GET", h.base+"?curlew="+v.id+"&at=0&mode=stream", nil)
		if a := read(r, err); a.body != greeting+"abc" {
			t.Errorf("%q, %v", a.body, a.err)
		}
		v.delete()
	})
}

// Sessions that come and go leave nothing in the log.
func TestNothingIsLogged(t *testing.T) {
	everyHTTP(t, nil, nil, nil, func(h *house) {
		v := h.open()
		s := v.stream("at=0&mode=stream", greeting)
		v.says("x")
		bufio.NewReader(s.body).ReadByte()
		v.delete()
		s.wantsEnd("")
		h.pass(time.Minute)
		if s := h.logged.String(); s != "" {
			h.t.Errorf("logged: %s", s)
		}
	})
}
