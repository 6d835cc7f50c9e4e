package server

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
)

// watch passes the bytes in pieces and returns what was found.
func watch(limit int64, pieces ...string) *headWatch {
	h := &headWatch{maxBytes: limit, maxFields: 5}
	for _, p := range pieces {
		h.observe([]byte(p))
	}
	return h
}

var heads = []struct {
	name, bytes string
	heads       int
	bad, status int
}{
	{"nothing", "", 0, 0, 0},
	{"one", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1, 0, 0},
	{"three", strings.Repeat("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 3), 3, 0, 0},
	{"half", "GET / HTTP/1.1\r\nHost: a\r\n", 0, 0, 0},
	{"body", "POST / HTTP/1.1\r\ncontent-LENGTH: \t5 \r\n\r\n\n\n\n\n\nGET / HTTP/1.1\r\n\r\n", 2, 0, 0},
	{"empty lines behind a body", "POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\na\r\nGET / HTTP/1.1\r\n\r\n", 2, 0, 0},
	{"nothing behind an upgrade", "GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n\n\n\n", 1, 0, 0},
	{"nothing behind a coding", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\n", 1, 0, 0},
	{"bare LF", "GET / HTTP/1.1\nHost: a\r\n\r\n", 0, 1, 400},
	{"bare LF at the end", "GET / HTTP/1.1\r\nHost: a\r\n\n", 0, 1, 400},
	{"bare LF in the second", "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nHost: a\n\r\n", 1, 2, 400},
	{"folded", "GET / HTTP/1.1\r\nA: b\r\n\tc\r\n\r\n", 0, 1, 400},
	{"field that begins with a space", "GET / HTTP/1.1\r\n A: b\r\n\r\n", 0, 1, 400},
	{"two lengths", "POST / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n", 0, 1, 400},
	{"length and coding", "POST / HTTP/1.1\r\nContent-Length: 0\r\nTransfer-Encoding: x\r\n\r\n", 0, 1, 400},
	{"coding and length", "POST / HTTP/1.1\r\nTransfer-Encoding: x\r\nContent-Length: 0\r\n\r\n", 0, 1, 400},
	{"odd length", "POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n", 0, 1, 400},
	{"endless length", "POST / HTTP/1.1\r\nContent-Length: 9223372036854775808\r\n\r\n", 0, 1, 400},
	{"length with zeros beyond what is looked at", "POST / HTTP/1.1\r\nContent-Length: " + strings.Repeat("0", 60) + "1\r\n\r\naGET / HTTP/1.1\nA: b\r\n\r\n", 0, 1, 400},
	{"five fields", "GET / HTTP/1.1\r\n" + strings.Repeat("A: b\r\n", 5) + "\r\n", 1, 0, 0},
	{"six fields", "GET / HTTP/1.1\r\n" + strings.Repeat("A: b\r\n", 6) + "\r\n", 0, 1, 431},
	{"too long", "GET / HTTP/1.1\r\nA: " + strings.Repeat("a", 200) + "\r\n\r\n", 0, 1, 431},
}

// Every prefix, every split: the whole tells the same.
func TestHeadWatch(t *testing.T) {
	t.Parallel()
	for _, c := range heads {
		whole := watch(200, c.bytes)
		if whole.heads != c.heads || whole.badHead != c.bad || whole.badStatus != c.status {
			t.Errorf("%s: %d heads, the %dth bad with %d", c.name, whole.heads, whole.badHead, whole.badStatus)
		}
		single := watch(200, strings.Split(c.bytes, "")...)
		if single.heads != whole.heads || single.badHead != whole.badHead || single.badStatus != whole.badStatus {
			t.Errorf("%s: byte by byte is something else", c.name)
		}
		for i := range c.bytes {
			h := watch(200, c.bytes[:i], c.bytes[i:])
			if h.heads != whole.heads || h.badHead != whole.badHead || h.badStatus != whole.badStatus {
				t.Errorf("%s: split at %d is something else", c.name, i)
			}
			if p := watch(200, c.bytes[:i]); p.heads > whole.heads || p.badHead != 0 && p.badHead != whole.badHead {
				t.Errorf("%s: the first %d bytes are something else", c.name, i)
			}
		}
	}
}

// A request of a thousand lines costs no memory.
func TestHeadWatchAllocates(t *testing.T) {
	head := []byte("GET / HTTP/1.1\r\n" + strings.Repeat("Content-Type: text/plain\r\n", 1000) + "\r\n")
	h := &headWatch{}
	h.observe(head)
	least := 1.0 // what the runtime and others allocate now and then does not count
	for range 5 {
		least = min(least, testing.AllocsPerRun(10, func() { h.observe(head) }))
	}
	if least > 0 {
		t.Errorf("%v allocations", least)
	}
}

func FuzzHeadWatch(f *testing.F) {
	for _, c := range heads {
		f.Add(c.bytes, len(c.bytes)/2)
	}
	f.Fuzz(func(t *testing.T, s string, cut int) {
		whole := watch(200, s)
		if cut < 0 || cut > len(s) {
			cut = len(s)
		}
		h := watch(200, s[:cut], s[cut:])
		if h.heads != whole.heads || h.badHead != whole.badHead || h.badStatus != whole.badStatus || h.codedHead != whole.codedHead {
			t.Errorf("%q split at %d", s, cut)
		}
	})
}

// What net/http makes of the same bytes: no request that it serves has a fault
// that was not seen, because the watch was at another place.
func FuzzHeadWatchAgainstHTTP(f *testing.F) {
	for _, c := range heads {
		f.Add(c.bytes)
	}
	f.Add("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n")
	f.Fuzz(func(t *testing.T, s string) {
		h := &headWatch{}
		h.observe([]byte(s))
		in := strings.NewReader(s)
		br := bufio.NewReader(in)
		at := func() int { return len(s) - in.Len() - br.Buffered() }
		for n := 1; ; n++ {
			start := at()
			r, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			head := s[start:at()]
			plain := strings.ReplaceAll(head, "\r\n", "")
			faulty := strings.Contains(plain, "\n") || strings.Contains(head, "\n ") || strings.Contains(head, "\n\t") ||
				len(r.Header["Content-Length"]) > 1
			if seen := h.badHead != 0 && h.badHead <= n; faulty && !seen {
				t.Fatalf("request %d of %q: the fault was not seen (%+v)", n, s, h)
			} else if !seen && h.heads < n {
				t.Fatalf("request %d of %q: not seen (%+v)", n, s, h)
			}
			if len(r.Header["Upgrade"]) > 0 || len(r.TransferEncoding) > 0 || h.badHead != 0 || h.codedHead != 0 {
				return // the connection ends with this one
			}
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				return
			}
		}
	})
}
