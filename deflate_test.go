package curlew_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"

	"curlew.example/curlew"
	"curlew.example/curlew/frame"
	"curlew.example/curlew/internal/deflate"
	"curlew.example/curlew/wstest"
)

// acceptPacked is a server's connection with what was agreed on these offers,
// one a line, its Peer, and the answer.
func acceptPacked(t testing.TB, k kind, o *curlew.Options, offers ...string) (c *curlew.Conn, p *wstest.Peer, answer string) {
	t.Helper()
	ours, peers := k.open(t, curlew.Server)
	l := &onlyListener{conn: ours, closed: make(chan struct{})}
	accepted := make(chan *curlew.Conn, 1)
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := curlew.Accept(w, r, o)
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	})}
	t.Cleanup(func() { srv.Close() })
	go srv.Serve(l)
	p, resp := wstest.Open(t, peers, "/", http.Header{"Sec-Websocket-Extensions": offers})
	if c = <-accepted; c == nil {
		t.FailNow()
	}
	t.Cleanup(func() { c.Abort(nil) })
	if n := len(resp.Header.Values("Sec-WebSocket-Extensions")); n > 1 {
		t.Errorf("%d lines of answer", n)
	}
	return c, p, resp.Header.Get("Sec-WebSocket-Extensions")
}

// dialPacked is a client's connection with this answer to its offer, and its
// Peer.
func dialPacked(t testing.TB, k kind, o *curlew.Options, answer string) (*curlew.Conn, *wstest.Peer) {
	t.Helper()
	ours, peers := k.open(t, curlew.Client)
	go answering(func(r *http.Request) string {
		return switching(r, "Sec-WebSocket-Extensions: "+answer)
	})(peers)
	d := &curlew.DialOptions{Options: *o, Proxy: noProxy}
	d.DialContext = once(ours)
	c := dialed(t, "ws://example.com", d)
	if !c.Info().Compressed {
		t.Fatal("not agreed")
	}
	return c, wstest.NewPeer(t, peers, curlew.Server)
}

// packedPair are two connections that have agreed on compression.
func packedPair(t testing.TB, k kind, server, client *curlew.Options) (s, c *curlew.Conn) {
	t.Helper()
	a, b := k.open(t, curlew.Server)
	l := &onlyListener{conn: a, closed: make(chan struct{})}
	accepted := make(chan *curlew.Conn, 1)
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := curlew.Accept(w, r, server)
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	})}
	t.Cleanup(func() { srv.Close() })
	go srv.Serve(l)
	c = dialed(t, "ws://example.com", &curlew.DialOptions{Options: *client, Proxy: noProxy, DialContext: once(b)})
	if s = <-accepted; s == nil {
		t.FailNow()
	}
	t.Cleanup(func() { s.Abort(nil) })
	if !s.Info().Compressed || !c.Info().Compressed {
		t.Fatal("not agreed")
	}
	return s, c
}

func compression(c curlew.Compression) *curlew.Options { return &curlew.Options{Compression: &c} }

// everything is compressed.
var everything = curlew.Compression{MinSize: -1}

// inflated is the message of a compressed payload. The Inflater refuses what
// reaches back further than its window.
func inflated(t testing.TB, z *deflate.Inflater, keep bool, payload []byte) []byte {
	t.Helper()
	z.Reset(keep)
	dst := make([]byte, 1<<20)
	n, taken, err := z.Inflate(dst, payload)
	if err != nil || taken != len(payload) {
		t.Fatalf("%d of %d bytes: %v", taken, len(payload), err)
	}
	m, done, err := z.Finish(dst[n:])
	if err != nil || !done {
		t.Fatalf("not complete: %v", err)
	}
	return dst[:n+m]
}

// message is the payload of a compressed message in any number of frames.
func message(t testing.TB, p *wstest.Peer) []byte {
	t.Helper()
	f := p.Next("a compressed message")
	if f.RSV != frame.RSV1 {
		t.Fatalf("not compressed: %v", f)
	}
	payload := f.Payload
	for !f.Fin {
		if f = p.Next("the next frame of it"); f.RSV != 0 || f.Opcode != frame.Continuation {
			t.Fatalf("not its next frame: %v", f)
		}
		payload = append(payload, f.Payload...)
	}
	return payload
}

// repeating is a text of n bytes that repeats itself at many distances.
func repeating(n int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	p := make([]byte, 0, n+100)
	for len(p) < n {
		if k := len(p); k > 100 && r.IntN(3) > 0 {
			from := r.IntN(k - 50)
			p = append(p, p[from:from+10+r.IntN(40)]...)
		} else {
			p = fmt.Appendf(p, "%x ", r.Uint64())
		}
	}
	return p[:n]
}

// What is answered to offers. A bad one is passed over, not the handshake.
func TestPD12_PD14_PD15_Offers(t *testing.T) {
	const plain = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	all := curlew.Compression{ServerContext: true, ClientContext: true}
	for _, c := range []struct {
		name   string
		own    *curlew.Compression
		offers []string
		answer string
	}{
		{"PD20 off", nil, []string{"permessage-deflate"}, ""},
		{"nothing offered", &all, nil, ""},
		{"PD20 no takeover unless asked", &curlew.Compression{}, []string{"permessage-deflate"}, plain},
		{"takeover", &all, []string{"permessage-deflate"}, "permessage-deflate"},
		{"the client's wish", &all, []string{"permessage-deflate; server_no_context_takeover"}, "permessage-deflate; server_no_context_takeover"},
		{"PD16 its window", &all, []string{"permessage-deflate; server_max_window_bits=9"}, "permessage-deflate; server_max_window_bits=9"},
		{"our window", &curlew.Compression{ServerContext: true, ClientContext: true, WindowBits: 11},
			[]string{"permessage-deflate; client_max_window_bits; server_max_window_bits=12"},
			"permessage-deflate; server_max_window_bits=11; client_max_window_bits=11"},
		{"PD14 the first that will do", &all, []string{"permessage-deflate; x, permessage-deflate; server_max_window_bits=10, permessage-deflate"},
			"permessage-deflate; server_max_window_bits=10"},
		{"PD14 in lines", &all, []string{"x-webkit-deflate-frame", "permessage-deflate; server_max_window_bits=16", "permessage-deflate; server_max_window_bits=12"},
			"permessage-deflate; server_max_window_bits=12"},
		{"quoted", &all, []string{`permessage-deflate; server_max_window_bits="12"`}, "permessage-deflate; server_max_window_bits=12"},
		{"PD15 others", &all, []string{"x-webkit-deflate-frame", "permessage-bzip2, perframe-deflate"}, ""},
		{"PD15 odd case", &all, []string{"Permessage-Deflate"}, ""},
		{"PD12 unknown", &all, []string{"permessage-deflate; foo"}, ""},
		{"PD12 twice", &all, []string{"permessage-deflate; server_max_window_bits=10; server_max_window_bits=10"}, ""},
		{"PD12 7", &all, []string{"permessage-deflate; server_max_window_bits=7"}, ""},
		{"PD12 16", &all, []string{"permessage-deflate; client_max_window_bits=16"}, ""},
		{"PD12 08", &all, []string{"permessage-deflate; server_max_window_bits=08"}, ""},
		{"PD12 abc", &all, []string{"permessage-deflate; server_max_window_bits=abc"}, ""},
		{"PD12 -1", &all, []string{"permessage-deflate; server_max_window_bits=-1"}, ""},
		{"PD12 none", &all, []string{"permessage-deflate; server_max_window_bits"}, ""},
		{"PD12 a value on a flag", &all, []string{"permessage-deflate; server_no_context_takeover=1"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, _, answer := acceptPacked(t, memory, &curlew.Options{Compression: c.own}, c.offers...)
			if answer != c.answer || conn.Info().Compressed != (answer != "") {
				t.Errorf("answered %q, want %q; compressed %t", answer, c.answer, conn.Info().Compressed)
			}
		})
	}
	o := compression(all)
	o.PreserveFrames = true
	if c, _, answer := acceptPacked(t, memory, o, "permessage-deflate"); answer != "" || c.Info().Compressed {
		t.Errorf("with PreserveFrames answered %q", answer)
	}
}

// Payloads that are unusual, or wrong, received in both roles.
func TestPD7_PD8_PD9_PD10_Payloads(t *testing.T) {
	hello := "\xf2\x48\xcd\xc9\xc9\x07\x00" // RFC 7692, 7.2.3.1
	rows := []struct {
		name, payload, want string
		code                curlew.Code
	}{
		{"PD7 no bytes", "", "", 0},
		{"PD7 one zero", "\x00", "", 0},
		{"PD7 the end alone", "\x00\x00\x00\xff\xff\x00", "", 0},
		{"hello", hello, "Hello", 0},
		{"PD9 stored", "\x00\x05\x00\xfa\xffHello\x00", "Hello", 0},
		{"PD9 a final block", "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "Hello", 0},
		{"PD9 two blocks", "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", "Hello", 0},
		{"PD9 empty blocks", "\x00\x00\x00\xff\xff\x00\x00\x00\xff\xff" + hello, "Hello", 0},
		{"PD10 blocks behind a final one", "\xf3\x48\xcd\xc9\xc9\x07\x00" + hello, "HelloHello", 0},
		{"PD8 block type 3", "\x07", "", 1007},
		{"PD8 stored length", "\x00\x05\x00\xfb\xffHello\x00", "", 1007},
		{"PD8 distance too far", "\xf2\x48\x05\x23\x00\x00", "", 1007},
		{"PD8 cut short", hello[:4], "", 1007},
		{"PD8 noise", "\x93\x11\xff\x53\x8a\x7e\xfe\xfe\xc7\x01\x3d", "", 1007},
		{"PD10 noise behind a final block", "\xf3\x48\xcd\xc9\xc9\x07\x00\xff\xff", "", 1007},
	}
	for _, k := range []kind{memory, chopped, overTCP} {
		for _, role := range []curlew.Role{curlew.Server, curlew.Client} {
			for _, row := range rows {
				t.Run(fmt.Sprintf("%s/%d/%s", k.name, role, row.name), func(t *testing.T) {
					var c *curlew.Conn
					var p *wstest.Peer
					if role == curlew.Server {
						c, p, _ = acceptPacked(t, k, compression(curlew.Compression{}), offer)
					} else {
						c, p = dialPacked(t, k, compression(curlew.Compression{}), offer+"; server_no_context_takeover")
					}
					p.Send(wstest.Binary([]byte(row.payload)).Reserved(frame.RSV1), wstest.Text("after it"))
					typ, got, err := c.Read(t.Context(), nil)
					if row.code == 0 {
						if err != nil || string(got) != row.want || typ != curlew.Binary {
							t.Fatalf("%q, %v; want %q", got, err, row.want)
						}
						if _, got, err = c.Read(t.Context(), nil); string(got) != "after it" {
							t.Fatalf("%q, %v", got, err)
						}
						return
					}
					if err == nil {
						t.Fatalf("read %q", got)
					}
					p.WantClose("the failure", row.code, wstest.AnyReason)
					p.Close()
				})
			}
		}
	}
}

// A window that is larger than agreed, and a context where there is none.
func TestPD17_PD19_TooFarBack(t *testing.T) {
	far := deflated(t, strings.Repeat("0123456789abcdef", 4)+string(repeating(2000))+strings.Repeat("0123456789abcdef", 4))
	hello, again := "\xf2\x48\xcd\xc9\xc9\x07\x00", "\xf2\x00\x11\x00\x00"
	packed := func(s string) wstest.Frame { return wstest.Text(s).Reserved(frame.RSV1) }
	for _, row := range []struct {
		name, offer string
		o           curlew.Compression
		frames      []wstest.Frame
		code        curlew.Code // 0: all is well
	}{
		{"PD17 no takeover", offer, curlew.Compression{}, []wstest.Frame{packed(hello), packed(again)}, 1007},
		{"PD17 takeover", offer, curlew.Compression{ClientContext: true}, []wstest.Frame{packed(hello), packed(again)}, 0},
		{"PD17 the client said no", offer + "; client_no_context_takeover", curlew.Compression{ClientContext: true},
			[]wstest.Frame{packed(hello), packed(again)}, 1007},
		{"PD19 15 bits", offer + "; client_max_window_bits", curlew.Compression{}, []wstest.Frame{packed(far), packed(far)}, 0},
		{"PD19 9 bits", offer + "; client_max_window_bits=9", curlew.Compression{}, []wstest.Frame{packed(hello), packed(far)}, 1007},
		{"PD19 9 bits of ours", offer + "; client_max_window_bits", curlew.Compression{WindowBits: 9}, []wstest.Frame{packed(hello), packed(far)}, 1007},
	} {
		t.Run(row.name, func(t *testing.T) {
			c, p, _ := acceptPacked(t, memory, compression(row.o), row.offer)
			p.Send(row.frames...)
			var err error
			for range row.frames {
				if _, _, e := c.Read(t.Context(), nil); e != nil {
					err = e
				}
			}
			if (err != nil) != (row.code != 0) {
				t.Fatalf("%v", err)
			}
			if row.code != 0 {
				p.WantClose("the failure", row.code, wstest.AnyReason)
				p.Close()
			}
		})
	}
}

// Windows are honoured by what we send: it never reaches back further than was
// agreed, which an Inflater with just that window shows.
func TestPD16_Windows(t *testing.T) {
	text := repeating(60_000)
	for bits := 8; bits <= 15; bits++ {
		for _, role := range []curlew.Role{curlew.Server, curlew.Client} {
			for _, keep := range []bool{false, true} {
				t.Run(fmt.Sprintf("%d/role %d/takeover %t", bits, role, keep), func(t *testing.T) {
					o := compression(curlew.Compression{ServerContext: keep, ClientContext: keep})
					var c *curlew.Conn
					var p *wstest.Peer
					if role == curlew.Server {
						var answer string
						c, p, answer = acceptPacked(t, memory, o, fmt.Sprint(offer, "; server_max_window_bits=", bits))
						if !strings.Contains(answer, fmt.Sprint("server_max_window_bits=", bits)) {
							t.Fatalf("answered %q", answer)
						}
					} else {
						answer := fmt.Sprint(offer, "; client_max_window_bits=", bits)
						if !keep {
							answer += "; server_no_context_takeover; client_no_context_takeover"
						}
						c, p = dialPacked(t, memory, o, answer)
					}
					z := deflate.GetInflater(bits)
					defer z.Put()
					go func() {
						c.Write(t.Context(), curlew.Text, text)
						c.Send(curlew.Text, text[:30_000])
						w, err := c.Writer(t.Context(), curlew.Text)
						if err != nil {
							t.Error(err)
							return
						}
						w.Write(text[:20_000])
						w.Write(text[20_000:50_000])
						w.Finish(text[50_000:])
					}()
					for _, want := range [][]byte{text, text[:30_000], text} {
						if got := inflated(t, z, keep, message(t, p)); !bytes.Equal(got, want) {
							t.Fatal("not what was sent")
						}
					}
				})
			}
		}
	}
	// The test has teeth: the largest window is made use of.
	c, p, _ := acceptPacked(t, memory, compression(curlew.Compression{}), offer)
	go c.Write(t.Context(), curlew.Text, text)
	payload := message(t, p)
	z := deflate.GetInflater(12)
	defer z.Put()
	if _, _, err := z.Inflate(make([]byte, 1<<20), payload); err == nil {
		t.Error("nothing is further back than 4 KiB")
	}
}

// once is a DialContext that has one connection.
func once(conn net.Conn) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) { return conn, nil }
}
