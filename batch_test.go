package curlew

import (
	"context"
	"io"
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
