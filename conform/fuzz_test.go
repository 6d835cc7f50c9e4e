package conform

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	lib "curlew.example/curlew/frame"
)

// Seeds of frames: right ones, wrong ones, in both directions.
func frameSeeds() [][]byte {
	random := rand.New(rand.NewPCG(1, 2))
	var all [][]byte
	for _, f := range []frame{
		text("hello"), text("").more(), cont("x"), ping(""), pong("abc"), closing(1000, "bye"), closeBody([]byte{3}),
		bin(make([]byte, 125)), bin(make([]byte, 126)), bin(make([]byte, 65535)), bin(make([]byte, 65536)),
		text("a").wide(2), text("a").wide(8), bin(nil).claims(1 << 62), bin(nil).claims(1 << 63), bin(nil).claims(126).wide(8),
		ping("x").more(), ping(strings.Repeat("x", 126)), op(3, "x"), op(15, ""), text("x").reserved(rsv1), cont("").reserved(rsv2 | rsv3),
		text("x").keyed([4]byte{}),
	} {
		for _, client := range []bool{true, false} {
			p := f.append(nil, client, random)
			all = append(all, p, p[:len(p)/2], append(bytes.Clone(p), p...))
		}
	}
	return all
}

// The parser of frames agrees with the library's, which shares nothing with it,
// and says of each prefix how far it goes.
func FuzzParse(f *testing.F) {
	for _, p := range frameSeeds() {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		r, size, need, wrong := parse(bytes.Clone(p))
		if size > len(p) || size == 0 && wrong == nil && need <= uint64(len(p)) {
			t.Fatalf("of %d bytes it takes %d and needs %d", len(p), size, need)
		}
		checkParse(t, p, r, size, need, wrong)
		if size == 0 {
			return
		}
		for _, n := range []int{0, 1, 2, 9, size / 2, size - 1} { // each prefix needs more
			if n >= size {
				continue
			}
			_, k, need, bad := parse(bytes.Clone(p[:n]))
			if k != 0 || need > uint64(size) || need <= uint64(n) || bad != nil && bad != wrong {
				t.Errorf("of %d bytes of %d: takes %d, needs %d, %v", n, size, k, need, bad)
			}
		}
		// What was read, written again as it was, is the same bytes.
		g := frame{op: r.op, open: !r.fin, rsv: r.rsv, payload: r.payload, mask: not}
		width := map[byte]int{126: 2, 127: 8}[p[1]&127]
		if g.width = width; width == 0 {
			g.width = 1
		}
		if r.masked {
			head := size - len(r.payload)
			key := [4]byte(p[head-4 : head])
			g.mask, g.key = always, &key
		}
		if q := g.append(nil, false, nil); !bytes.Equal(q, p[:size]) {
			t.Errorf("%x was read as %v and written as %x", p[:size], r, q)
		}
	})
}

// checkParse compares with package frame.
func checkParse(t *testing.T, p []byte, r received, size int, need uint64, wrong *rule) {
	h, n, err := lib.Parse(p)
	var broken *lib.Error
	switch {
	case errors.As(err, &broken):
		if wrong == nil && size != 0 {
			t.Errorf("%x: %v, but the library says %v", p, r, err)
		}
	case err != nil || n == 0: // it needs more
		if size != 0 {
			t.Errorf("%x: %v, but the library needs more", p, r)
		}
	default:
		if wrong != nil && wrong != ruleControl { // which is Check's there
			t.Errorf("%x: %v, but the library finds nothing", p, wrong)
		}
		if uint64(h.Length)+uint64(n) > uint64(len(p)) {
			if size != 0 || need != uint64(h.Length)+uint64(n) {
				t.Errorf("%x: takes %d, needs %d, but the library %d", p, size, need, uint64(h.Length)+uint64(n))
			}
			return
		}
		payload := bytes.Clone(p[n : n+int(h.Length)])
		if h.Masked {
			lib.Mask(payload, h.Key, 0)
		}
		if size != n+int(h.Length) || r.fin != h.Fin || r.op != byte(h.Opcode) || r.rsv != h.RSV<<4 || r.masked != h.Masked || !bytes.Equal(r.payload, payload) {
			t.Errorf("%x: %v, but the library reads %+v", p, r, h)
		}
	}
}

// Whatever a client's request is, asks takes it or leaves it.
func FuzzAsks(f *testing.F) {
	for _, line := range []string{
		"GET /getCaseCount HTTP/1.1", "GET /runCase?case=1&agent=a HTTP/1.1", "GET /runCase?case=99999999999999999999 HTTP/1.1",
		"GET /runCase?case=-1&case=2&agent=%00%ff HTTP/1.1", "GET http://example.com/updateReports?agent=b HTTP/1.1",
		"GET * HTTP/1.1", "GET", "", " ", "GET  /x", "get /runCase?case=1;agent=2", "GET /%zz HTTP/1.1", "GET //host/x?agent HTTP/1.1",
		"GET /runCase?case=%31 HTTP/1.1", "\x16\x03\x01",
	} {
		f.Add([]byte(line + "\r\nHost: example.com\r\n\r\n"))
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		path, agent, number, ok := asks(head)
		if !ok && (path != "" || agent != "" || number != 0) {
			t.Errorf("%q: %q, %q, %d, but not ok", head, path, agent, number)
		}
		if i := bytes.IndexByte(head, '\r'); i >= 0 { // only the first line counts
			p, a, n, k := asks(head[:i])
			if p != path || a != agent || n != number || k != ok {
				t.Errorf("%q: the first line alone is %q, %q, %d, %v", head, p, a, n, k)
			}
		}
	})
}
