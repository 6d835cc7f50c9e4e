package interop

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"curlew.example/curlew"
)

func TestServerWS(t *testing.T) {
	node := needNode(t)
	for _, c := range []struct {
		name, mode string
		ours       *curlew.Compression
		compressed bool
	}{
		{"plain", "off", nil, false},
		{"they_have_none", "off", &curlew.Compression{MinSize: -1}, false},
		{"we_have_none", "ct", nil, false},
		{"no_context", "nct", &curlew.Compression{MinSize: -1}, true},
		{"window", "nct", &curlew.Compression{MinSize: -1, WindowBits: 10}, true},
		{"context", "ct", &curlew.Compression{MinSize: -1, ServerContext: true, ClientContext: true}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, node, "peers/ws_server.mjs", c.mode)
			talk(t, s, c.ours, c.compressed)
		})
	}
}

func TestServerPython(t *testing.T) {
	python := needPython(t)
	for _, c := range []struct {
		name, mode string
		ours       *curlew.Compression
		compressed bool
	}{
		{"plain", "off", nil, false},
		{"they_have_none", "off", &curlew.Compression{MinSize: -1}, false},
		{"no_context", "on", &curlew.Compression{MinSize: -1}, true},
		{"window", "on", &curlew.Compression{MinSize: -1, WindowBits: 10}, true},
		{"context", "on", &curlew.Compression{MinSize: -1, ServerContext: true, ClientContext: true}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, python, "peers/websockets_server.py", c.mode)
			talk(t, s, c.ours, c.compressed)
		})
	}
}

// A dialogue is one connection of ours to a server of theirs.
type dialogue struct {
	t   *testing.T
	ctx context.Context
	c   *curlew.Conn
}

func dial(t *testing.T, ctx context.Context, s *theirs, o *curlew.DialOptions) *dialogue {
	t.Helper()
	c, err := curlew.Dial(ctx, "ws://127.0.0.1:"+s.port+"/", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Abort(nil) })
	return &dialogue{t, ctx, c}
}

func (d *dialogue) send(typ curlew.Type, p []byte) {
	d.t.Helper()
	if err := d.c.Write(d.ctx, typ, p); err != nil {
		d.t.Fatal(err)
	}
}

func (d *dialogue) want(why string, typ curlew.Type, want []byte) {
	d.t.Helper()
	gotType, got, err := d.c.Read(d.ctx, nil)
	if err != nil || gotType != typ || !bytes.Equal(got, want) {
		d.t.Fatalf("%s: read %v of %d bytes, %v; want %v of %d bytes", why, gotType, len(got), err, typ, len(want))
	}
}

// talk is what we do with every server of theirs.
func talk(t *testing.T, s *theirs, comp *curlew.Compression, compressed bool) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	o := &curlew.DialOptions{Options: curlew.Options{Subprotocols: []string{"v9", "v1"}, Compression: comp}}

	d := dial(t, ctx, s, o)
	if i := d.c.Info(); i.Subprotocol != "v1" || i.Compressed != compressed {
		t.Errorf("subprotocol %q, compressed %v; want v1, %v", i.Subprotocol, i.Compressed, compressed)
	}
	d.send(curlew.Text, []byte("grüß dich"))
	d.want("text", curlew.Text, []byte("grüß dich"))
	d.send(curlew.Text, nil)
	d.want("empty text", curlew.Text, nil)
	blob := bytes.Repeat([]byte("The curlew calls. "), 20_000)
	for i := 0; i < len(blob); i += 7 {
		blob[i] = byte(i * 31)
	}
	for range 2 { // the second with the context of the first, if any
		d.send(curlew.Binary, blob)
		d.want("binary in several frames", curlew.Binary, blob)
	}

	w, err := d.c.Writer(ctx, curlew.Text)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("eins ")); err != nil {
		t.Fatal(err)
	}
	pinged := make(chan error, 1)
	go func() {
		_, err := d.c.Ping(ctx)
		pinged <- err
	}()
	if err := w.WriteFrame([]byte("zwei")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	d.want("fragments, a ping between them", curlew.Text, []byte("eins zwei"))

	d.send(curlew.Text, []byte("!fragments"))
	d.want("fragments of theirs", curlew.Text, []byte("one two three"))
	if err := <-pinged; err != nil {
		t.Errorf("ping: %v", err)
	}
	d.send(curlew.Text, []byte("!ping"))
	d.want("their ping was answered", curlew.Text, []byte("pong"))

	if err := d.c.Close(4001, "bye"); err != nil {
		t.Error(err)
	}
	d.wantEnd(4001, "bye", false)
	if l := s.next(t); l.Code != 4001 || l.Reason != "bye" {
		t.Errorf("closed by us; they say %+v", l)
	}

	d = dial(t, ctx, s, &curlew.DialOptions{Options: curlew.Options{Compression: comp}})
	d.send(curlew.Text, []byte("!close 4002 that is it"))
	d.wantEnd(4002, "that is it", true)
	if l := s.next(t); l.Code != 4002 {
		t.Errorf("closed by them; they say %+v", l)
	}
}

// wantEnd reads until the connection has ended.
func (d *dialogue) wantEnd(code curlew.Code, reason string, remote bool) {
	d.t.Helper()
	_, _, err := d.c.Read(d.ctx, nil)
	var e *curlew.CloseError
	if !errors.As(err, &e) || e.Code != code || e.Reason != reason || e.Remote != remote || !e.Orderly() {
		d.t.Errorf("ended with %v; want %v %q in order", err, code, reason)
	}
}
