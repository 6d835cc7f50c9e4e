package server_test

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
)

// readers is a handler that wants the whole body, and says 400 without it.
func readers(*site.Route, route.Endpoint) (http.Handler, error) {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			http.Error(w, "no body", http.StatusBadRequest)
		}
	}), nil
}

// until reads until the connection ends, for at most a minute.
func until(t *testing.T, r *running, send func(io.Writer)) (codesOf string, ended bool) {
	c := r.connect()
	c.SetDeadline(time.Now().Add(time.Minute))
	go send(c)
	codesOf = codes(answers(c))
	n, err := c.Read(make([]byte, 1))
	return codesOf, n == 0 && !isTimeout(err)
}

func isTimeout(err error) bool {
	e, ok := err.(interface{ Timeout() bool })
	return ok && e.Timeout()
}

// H1-12: whoever promises a body and does not send it is waited for no longer than
// timeouts.close, and gets an answer.
func TestH1_12BodyThatDoesNotCome(t *testing.T) {
	t.Parallel()
	const times = `timeouts: { close: '50 ms' }, `
	for _, kind := range []string{"plain", "tls"} {
		r := start(t, "{ @"+kind+", "+times+`routes: [
			{ match: '/reads', handler: 'reads', timeouts: { request: '200 ms' } }, { match: '/echo', handler: 'echo' }, { handler: 'respond', respond: { body: 'fine' } },
		] }`, map[string]route.Constructor{"reads": readers})
		for _, c := range []struct{ target, fields, want string }{
			{"/", "Content-Length: 10\r\n\r\n", "200"},
			{"/", "Content-Length: 10\r\n\r\nabc", "200"},
			{"/", "Content-Length: 300000\r\n\r\n", "200"},
			{"/", "Transfer-Encoding: chunked\r\n\r\n", "200"},
			{"/", "Transfer-Encoding: chunked\r\n\r\n5\r\nabc", "200"},
			{"/../", "Content-Length: 10\r\n\r\n", "400"},
			{"/echo", "Content-Length: 10\r\n\r\n", "400"},
			{"/reads", "Content-Length: 10\r\n\r\nabc", "400"}, // when timeouts.request is over
		} {
			t.Run(kind+c.target+" "+c.fields, func(t *testing.T) {
				t.Parallel()
				head := "GET " + c.target + " HTTP/1.1\r\nHost: site.example\r\n" + c.fields
				got, ended := until(t, r.on(t), func(w io.Writer) { io.WriteString(w, head) })
				if got != c.want || !ended {
					t.Errorf("%s, ended: %v; want %s and the end", got, ended, c.want)
				}
			})
		}
	}
}

// H1-6: chunks that are none.
func TestH1_6Chunks(t *testing.T) {
	t.Parallel()
	r := start(t, `{ @plain, timeouts: { close: '50 ms' }, routes: [
		{ match: '/reads', handler: 'reads' }, { handler: 'respond', respond: { body: 'fine' } },
	] }`, map[string]route.Constructor{"reads": readers})
	head := func(target string) string {
		return "GET " + target + " HTTP/1.1\r\nHost: site.example\r\nTransfer-Encoding: chunked\r\n\r\n"
	}
	for name, chunks := range map[string]string{
		"not hexadecimal":     "xyz\r\nabc\r\n0\r\n\r\n",
		"a size that is none": "\r\n0\r\n\r\n",
		"a negative size":     "-1\r\n0\r\n\r\n",
		"an endless size":     "fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
		"bare LF":             "3\nabc\r\n0\r\n\r\n",
		"no end of a chunk":   "3\r\nabcdef\r\n0\r\n\r\n",
	} {
		for target, want := range map[string]string{"/reads": "400", "/": "200"} {
			if got := codes(r.say(head(target) + chunks + get)); got != want {
				t.Errorf("%s, %s: %s, want %s and the end", name, target, got, want)
			}
		}
	}
	for _, target := range []string{"/reads", "/"} {
		var taken atomic.Int64
		_, ended := until(t, r, func(w io.Writer) {
			io.WriteString(w, head(target)+"1;")
			for extension := []byte(strings.Repeat("x", 16<<10)); taken.Load() < 1<<30; taken.Add(int64(len(extension))) {
				if _, err := w.Write(extension); err != nil {
					return
				}
			}
		})
		if !ended || taken.Load() > 64<<20 {
			t.Errorf("%s: took %d MB of an extension, ended: %v", target, taken.Load()>>20, ended)
		}
	}
}

// What all answers of a route have, the answer of a handler that says nothing has
// too.
func TestSilentHandler(t *testing.T) {
	t.Parallel()
	r := start(t, `{ @plain, headers: { 'X-Site': 'all' }, routes: [{ handler: 'silent' }] }`, map[string]route.Constructor{
		"silent": func(*site.Route, route.Endpoint) (http.Handler, error) {
			return http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), nil
		},
	})
	list := r.say(get)
	if codes(list) != "200" || list[0].Header.Get("X-Site") != "all" {
		t.Errorf("%s %v", codes(list), list[0].Header)
	}
	r.stop()
	err := <-r.ended
	r.ended <- err
	if !strings.Contains(r.log.String(), "status=200") {
		t.Errorf("%s", r.log)
	}
}
