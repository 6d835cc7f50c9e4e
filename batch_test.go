package curlew

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestBatchMeanwhile: what a Batch has queued and not flushed yet leaves with whatever
// else the connection writes, in order, and not again.
func TestBatchMeanwhile(t *testing.T) {
	a, b := tcpPair(t)
	c := NewConn(a, Server, nil)
	defer c.Abort(nil)
	want := func(text string) {
		t.Helper()
		p := make([]byte, len(text))
		if _, err := io.ReadFull(b, p); err != nil || string(p) != text {
			t.Fatalf("%q, %v", p, err)
		}
	}
	one, two := Prepare(Text, []byte("one")), Prepare(Text, []byte("two"))
	batch := new(Batch)
	batch.Send(c, one)
	batch.Send(c, two)
	if len(batch.conns) != 1 {
		t.Errorf("the connection is there %d times", len(batch.conns))
	}
	other := new(Batch)
	if other.Send(c, one); len(other.conns) != 0 {
		t.Error("it is in two at once")
	}
	c.Write(context.Background(), Text, []byte("three"))
	want("\x81\x03one\x81\x03two\x81\x03one\x81\x05three")
	batch.flush()
	next := new(Batch)
	for next.Send(c, two); len(next.conns) == 0; next.Send(c, two) { // until batch has had its turn
		want("\x81\x03two")
	}
	next.flush()
	want("\x81\x03two")
}

// TestBatchCorked: what is sent to a connection within its own callback leaves behind
// that, with the rest.
func TestBatchCorked(t *testing.T) {
	a, b := tcpPair(t)
	c := NewConn(a, Server, nil)
	defer c.Abort(nil)
	c.out.corked = true // as a driver does, under the lock, which nobody else takes here
	batch := new(Batch)
	batch.Send(c, Prepare(Text, []byte("one")))
	if len(batch.conns) != 0 || c.out.due {
		t.Error("it is in the Batch")
	}
	c.uncork()
	p := make([]byte, 5)
	if _, err := io.ReadFull(b, p); err != nil || string(p) != "\x81\x03one" {
		t.Fatalf("%q, %v", p, err)
	}
}

// TestFanoutShrinks: a Fanout that was large once does not stay so.
func TestFanoutShrinks(t *testing.T) {
	type member struct{ Seat }
	var f Fanout[*member]
	var all []*member
	for range 1000 {
		all = append(all, new(member))
		f.Add(all[len(all)-1])
	}
	for i := range all {
		f.Remove(all[i*7%len(all)])
		for n, m := range f.all {
			if m.number != n+1 {
				t.Fatalf("%d says that it is %d", n+1, m.number)
			}
		}
	}
	if len(f.all) != 0 || cap(f.all) > spare {
		t.Errorf("%d members, room for %d", len(f.all), cap(f.all))
	}
}

// TestPreparedOnce: a message is framed and compressed once, however many get it.
func TestPreparedOnce(t *testing.T) {
	const members = 50
	o := Options{Compression: &Compression{MinSize: -1}}
	opened := make(chan *Conn, members)
	srv := httptest.NewServer(Handle(&o, func(*http.Request) (*Events, error) {
		return &Events{Open: func(c *Conn) { opened <- c }}, nil
	}))
	defer srv.Close()
	text := strings.Repeat("again and ", 100)
	m := Prepare(Text, []byte(text))
	var f Fanout[*seatedConn]
	var clients []*Conn
	for range members {
		c, err := Dial(t.Context(), "ws"+strings.TrimPrefix(srv.URL, "http"), &DialOptions{Options: o})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { c.Abort(nil); <-c.Done() }()
		clients = append(clients, c)
		f.Add(&seatedConn{conn: <-opened})
	}
	for range 3 {
		for s, b := range f.All() {
			b.Send(s.conn, m)
		}
		for _, c := range clients {
			if _, p, err := c.Read(t.Context(), nil); err != nil || string(p) != text {
				t.Fatalf("%.20q, %v", p, err)
			}
		}
	}
	all := *m.encodings.Load()
	if len(all) != 1 || all[0].parameters.bits == 0 || len(all[0].wire) > len(text)/4 {
		t.Errorf("%d encodings, the first %+v of %d bytes", len(all), all[0].parameters, len(all[0].wire))
	}
}

type seatedConn struct {
	Seat
	conn *Conn
}
