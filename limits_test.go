package curlew_test

import (
	"bytes"
	"compress/flate"
	"io"
	"net/http"
	"runtime"
	"testing"

	"curlew.example/curlew"
	"curlew.example/curlew/frame"
	"curlew.example/curlew/wstest"
)

// heap is what is in use after collecting.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// allocated is what has ever been allocated.
func allocated() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.TotalAlloc)
}

// TestPromises: 300 connections that each promise 1 MB and send 10 bytes cost
// what was sent.
func TestPromises(t *testing.T) {
	const connections, promised = 300, 1 << 20
	for _, d := range everyDriver {
		t.Run(string(d), func(t *testing.T) {
			before := heap()
			for i := range connections {
				s := open(t, memory, d, curlew.Server, nil)
				s.p.Send(wstest.Ping("x"))
				s.p.Want("open", wstest.Pong("x"))
				f := wstest.Binary(make([]byte, 10))
				if i%2 == 0 {
					f = f.Length(promised)
				} else {
					s.p.Send(wstest.More(wstest.Binary([]byte("first"))))
					f = wstest.Cont("0123456789").Length(promised - 5)
				}
				s.p.Send(f, wstest.Raw(nil))
				// Bytes inside the frame cannot be answered: what was read says it.
				want := int64(len(f.Append(nil, true, [4]byte{})))
				until(t, "the bytes to be read", func() bool { return s.c.Info().BytesRead >= want })
			}
			if grown := heap() - before; grown > 20<<20 {
				t.Errorf("grown by %d KiB, %d bytes a connection", grown>>10, grown/connections)
			} else {
				t.Logf("grown by %d KiB, %d bytes a connection", grown>>10, grown/connections)
			}
		})
	}
}

// TestPromiseCosts: of a header alone nothing is allocated, however much it
// promises within the limit.
func TestPromiseCosts(t *testing.T) {
	s := open(t, memory, byRead, curlew.Server, &curlew.Options{MaxMessage: 1 << 40})
	s.p.Send(wstest.Text("warm"))
	s.p.Want("warm", wstest.Text("warm"))
	before := allocated()
	s.p.Send(wstest.Binary([]byte("x")).Length(1 << 39))
	until(t, "the promise to be read", func() bool { return s.c.Info().BytesRead == 10+15 })
	if grown := allocated() - before; grown > 256<<10 {
		t.Errorf("%d KiB were allocated for a promise of 512 GiB", grown>>10)
	}
}

// bomb is a compressed message of so many MiB of zeros.
func bomb(t testing.TB, mebibytes int) []byte {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	w.Write(zeros)
	w.Flush()
	w.Write(zeros)
	w.Flush()
	at := b.Len()
	w.Write(zeros)
	w.Flush()
	// From the second on each MiB is compressed the same.
	again := bytes.Clone(b.Bytes()[at:])
	for range mebibytes - 3 {
		b.Write(again)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\x00\x00\xff\xff"))
}

// openPacked is open with permessage-deflate agreed, as the request offers it.
func openPacked(t *testing.T, k kind, o *curlew.Options, offer string) *subject {
	t.Helper()
	if o == nil {
		o = &curlew.Options{}
	}
	if o.Compression == nil {
		o.Compression = &curlew.Compression{}
	}
	ours, peers := k.open(t, curlew.Server)
	s := &subject{t: t, d: byHandle, ended: make(chan struct{}), offer: http.Header{"Sec-Websocket-Extensions": {offer}}}
	t.Cleanup(func() { s.c.Abort(nil) })
	s.handle(ours, peers, o)
	if !s.c.Info().Compressed {
		t.Fatal("compression was not agreed")
	}
	return s
}

// TestBomb: 1 GiB in 1 MiB ends as 1009 and costs next to nothing. PD1.
func TestBomb(t *testing.T) {
	packed := bomb(t, 1024)
	if len(packed) > 2<<20 {
		t.Fatalf("the bomb has %d bytes", len(packed))
	}
	for _, o := range []curlew.Options{{}, {MaxMessage: 1000}} {
		for _, fragment := range []int{len(packed), 1000} {
			s := openPacked(t, memory, &o, "permessage-deflate")
			frames := wstest.Binary(packed).Reserved(frame.RSV1).Split(fragment)
			bytes := wire(curlew.Server, frames...)
			before := allocated()
			go s.p.Conn().Write(bytes)
			s.p.WantClose("too big", 1009, wstest.AnyReason)
			if grown := allocated() - before; grown > 10<<20 {
				t.Errorf("%d KiB were allocated for a bomb", grown>>10)
			}
			s.p.WantEOF("ended")
			s.p.Close()
			s.wantEnd(1009, false, false)
			s.wantMessages()
		}
	}
	// Sanity: it is what it says.
	n, err := io.Copy(io.Discard, io.LimitReader(flate.NewReader(bytes.NewReader(packed)), 5<<20))
	if n != 5<<20 || err != nil {
		t.Errorf("the bomb inflates to %d bytes, %v", n, err)
	}
}
