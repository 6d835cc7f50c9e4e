package server_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
)

// made makes a handler of a function.
func made(f http.HandlerFunc) route.Constructor {
	return func(*site.Route, route.Endpoint) (http.Handler, error) { return f, nil }
}

// The time that the rest of a body has once the answer begins is no limit of the
// answer: a body that was read whole holds nothing up.
func TestLongAnswerToBody(t *testing.T) {
	long := made(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		for range 3 {
			io.WriteString(w, "part\n")
			http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
				return
			case <-time.After(time.Minute):
			}
		}
		io.WriteString(w, "end\n")
	})
	inBubble(t, "", `routes: [{ handler: 'long' }]`, map[string]route.Constructor{"long": long}, func(t *testing.T, b *bubble) {
		for _, body := range []string{"Content-Length: 4\r\n\r\nbody", "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"} {
			c := b.connect()
			io.WriteString(c, "POST / HTTP/1.1\r\nHost: site\r\n"+body)
			a, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			if text, err := io.ReadAll(a.Body); string(text) != "part\npart\npart\nend\n" {
				t.Errorf("%.20q: %q, %v", body, text, err)
			}
			c.Close()
		}
	})
}

// A handler may take longer than timeouts.write, and have little to say then.
func TestLateAnswers(t *testing.T) {
	late := func(f http.HandlerFunc) route.Constructor {
		return made(func(w http.ResponseWriter, r *http.Request) {
			<-time.After(time.Minute)
			f(w, r)
		})
	}
	inBubble(t, "", `routes: [{ match: '/status', handler: 'status' }, { match: '/silent', handler: 'silent' },
			{ match: '/early', handler: 'early' }, { handler: 'words' }]`, map[string]route.Constructor{
		"status": late(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }),
		"silent": late(func(http.ResponseWriter, *http.Request) {}),
		"words":  late(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "words") }),
		"early": made(func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "words")
			<-time.After(time.Minute)
		}),
	}, func(t *testing.T, b *bubble) {
		for _, path := range []string{"/status", "/silent", "/words", "/early"} {
			for _, method := range []string{"GET", "HEAD"} {
				c := b.connect()
				io.WriteString(c, method+" "+path+" HTTP/1.1\r\nHost: site\r\nConnection: close\r\n\r\n")
				if text, err := io.ReadAll(c); !strings.HasPrefix(string(text), "HTTP/1.1 20") {
					t.Errorf("%s %s: %q, %v", method, path, text, err)
				}
			}
		}
	})
}

// A client that sends no more of a body is waited for as long as timeouts.inactivity
// says, from each piece on; its handler reads an error then.
func TestSilenceInBody(t *testing.T) {
	handlers := map[string]route.Constructor{
		"reads": made(func(w http.ResponseWriter, r *http.Request) {
			_, err := io.Copy(io.Discard, r.Body)
			if !errors.Is(err, route.ErrStalled) || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("read: %v", err)
			}
			http.Error(w, "stalled", http.StatusRequestTimeout)
		}),
	}
	const routes = `timeouts: { inactivity: '2 mins' }, routes: [{ match: '/reads', handler: 'reads' },
		{ handler: 'reads', timeouts: { inactivity: '3 mins' } }]`
	inBubble(t, "", routes, handlers, func(t *testing.T, b *bubble) {
		for path, d := range map[string]time.Duration{"/": 3 * time.Minute, "/reads": 2 * time.Minute} {
			for head, piece := range map[string]string{"Content-Length: 100": "x", "Transfer-Encoding: chunked": "1\r\nx\r\n"} {
				c := b.connect()
				io.WriteString(c, "POST "+path+" HTTP/1.1\r\nHost: site\r\n"+head+"\r\n\r\n")
				for range 3 {
					time.Sleep(d - time.Second)
					io.WriteString(c, piece)
				}
				began := time.Now()
				a, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err != nil || a.StatusCode != http.StatusRequestTimeout {
					t.Fatal(a, err)
				}
				if took := time.Since(began); took < d || took > d+6*time.Second { // timeouts.close
					t.Errorf("%s: after %v", path, took)
				}
				c.Close()
			}
		}
	})
}

// What the handler does not read of a body is thrown away, within timeouts.close,
// however long the answer takes that goes on then, and the connection is used again.
func TestUnreadBody(t *testing.T) {
	slow := made(func(w http.ResponseWriter, r *http.Request) {
		for range 3 {
			io.WriteString(w, "part\n")
			http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
				return
			case <-time.After(time.Minute):
			}
		}
	})
	inBubble(t, "", `routes: [{ handler: 'slow' }]`, map[string]route.Constructor{"slow": slow}, func(t *testing.T, b *bubble) {
		c := b.connect()
		br := bufio.NewReader(c)
		for range 2 {
			go io.WriteString(c, "POST / HTTP/1.1\r\nHost: site\r\nContent-Length: 100000\r\n\r\n"+strings.Repeat("x", 100_000))
			a, err := http.ReadResponse(br, nil)
			if err != nil {
				t.Fatal(err)
			}
			if text, err := io.ReadAll(a.Body); string(text) != "part\npart\npart\n" {
				t.Errorf("%q, %v", text, err)
			}
		}
		c.Close()
	})
}

// A client that stalls inside the body of a request to a backend gets 408, and the
// backend is not told that the body is whole.
func TestProxyStalledBody(t *testing.T) {
	t.Parallel()
	got := make(chan error, 1)
	backend := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		got <- err
	}))
	defer backend.Close()
	r := start(t, `{ @plain, timeouts: { inactivity: '100 ms', close: '50 ms' }, routes: [{ handler: 'proxy', proxy: { target: '`+backend.URL+`' } }] }`, nil)
	for _, body := range []string{"Content-Length: 10\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"} {
		if got := codes(r.say("POST / HTTP/1.1\r\nHost: site.example\r\n" + body)); got != "408" {
			t.Errorf("%q: %s\n%s", body, got, r.log)
		}
		if err := <-got; err == nil {
			t.Errorf("%q: the backend takes it for whole", body)
		}
	}
}

// RFC 9110, 15.2: a client of HTTP/1.0 gets nothing before the answer.
func TestInterimAnswers(t *testing.T) {
	early := made(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>")
		w.WriteHeader(http.StatusEarlyHints)
		io.WriteString(w, "words")
	})
	inBubble(t, "", `routes: [{ handler: 'early' }]`, map[string]route.Constructor{"early": early}, func(t *testing.T, b *bubble) {
		for version, want := range map[string]string{"1.0": "HTTP/1.0 200 ", "1.1": "HTTP/1.1 103 "} {
			c := b.connect()
			io.WriteString(c, "GET / HTTP/"+version+"\r\nHost: site\r\nConnection: close\r\n\r\n")
			if text, err := io.ReadAll(c); !strings.HasPrefix(string(text), want) || err != nil {
				t.Errorf("HTTP/%s: %q, %v", version, text, err)
			}
		}
	})
}

// A backend that answers before it has the whole body is heard, however long the
// client takes for the rest.
func TestProxyEarlyAnswer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
					io.WriteString(c, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")
					io.Copy(io.Discard, c)
				}
			}()
		}
	}()
	r := start(t, `{ @plain, timeouts: { close: '50 ms' }, routes: [{ handler: 'proxy', proxy: { target: 'http://`+l.Addr().String()+`' } }] }`, nil)
	for _, body := range []string{"Content-Length: 10000000\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"} {
		got, ended := until(t, r, func(w io.Writer) { io.WriteString(w, "POST / HTTP/1.1\r\nHost: site.example\r\n"+body) })
		if got != "413" || !ended {
			t.Errorf("%q: %s, ended: %v\n%s", body, got, ended, r.log)
		}
	}
}

// A handler that reads and writes at once, as it has told net/http, has its time for
// both.
func TestFullDuplex(t *testing.T) {
	duplex := made(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		if err := rc.EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		for p := make([]byte, 1); ; {
			n, err := r.Body.Read(p)
			w.Write(p[:n])
			rc.Flush()
			if err != nil {
				return
			}
		}
	})
	inBubble(t, "", `routes: [{ handler: 'duplex' }]`, map[string]route.Constructor{"duplex": duplex}, func(t *testing.T, b *bubble) {
		c := b.connect()
		io.WriteString(c, "POST / HTTP/1.1\r\nHost: site\r\nContent-Length: 5\r\n\r\nx")
		a, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 4 {
			if n, err := a.Body.Read(make([]byte, 10)); n != 1 || err != nil {
				t.Fatal(n, err)
			}
			time.Sleep(4 * time.Minute)
			io.WriteString(c, "x")
		}
		if text, err := io.ReadAll(a.Body); string(text) != "x" || err != nil {
			t.Errorf("%q, %v", text, err)
		}
		c.Close()
	})
}

// The time of an answer does not go on behind it: what net/http itself answers to the
// next request reaches the client, too.
func TestRefusalAfterRest(t *testing.T) {
	inBubble(t, "", ok, nil, func(t *testing.T, b *bubble) {
		for next, want := range map[string]string{"nonsense\r\n\r\n": "400", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n": "400", "GET / HTTP/1.1\r\nHost: site\r\nTransfer-Encoding: gzip\r\n\r\n": "501"} {
			c := b.connect()
			io.WriteString(c, strings.Replace(get, "Connection: close\r\n", "", 1))
			br := bufio.NewReader(c)
			a, err := http.ReadResponse(br, nil)
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, a.Body)
			time.Sleep(time.Minute)
			io.WriteString(c, next)
			if a, err = http.ReadResponse(br, nil); err != nil || fmt.Sprint(a.StatusCode) != want {
				t.Errorf("%q: %v, %v", next, a, err)
			}
			c.Close()
		}
	})
}
