package curlew_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/wstest"
)

// netConn returns a net.Conn on a server's connection, and the Peer.
func netConn(t *testing.T, k kind, o *curlew.Options) (net.Conn, *curlew.Conn, *wstest.Peer) {
	ours, peers := k.open(t, curlew.Server)
	c := curlew.NewConn(ours, curlew.Server, o)
	t.Cleanup(func() { c.Abort(nil) })
	return curlew.NetConn(context.Background(), c, curlew.Binary), c, wstest.NewPeer(t, peers, curlew.Client)
}

// TestNetConnFlow: bytes both ways, whatever the messages and Reads are.
func TestNetConnFlow(t *testing.T) {
	for _, k := range everyKind {
		t.Run(k.name, func(t *testing.T) {
			a, b := k.open(t, curlew.Server)
			o := &curlew.Options{MaxMessage: 5000}
			s, c := curlew.NewConn(a, curlew.Server, o), curlew.NewConn(b, curlew.Client, o)
			t.Cleanup(func() { s.Abort(nil); c.Abort(nil) })
			x := curlew.NetConn(context.Background(), s, curlew.Binary)
			y := curlew.NetConn(context.Background(), c, curlew.Binary)
			want := make([]byte, 100_000)
			for i := range want {
				want[i] = byte(i * i >> 3)
			}
			var wg sync.WaitGroup
			for _, pair := range [][2]net.Conn{{x, y}, {y, x}} {
				wg.Go(func() {
					for p := want; len(p) > 0; {
						n := min(len(p), 7777)
						if k, err := pair[0].Write(p[:n]); k != n || err != nil {
							t.Errorf("Write = %d, %v", k, err)
							return
						}
						p = p[n:]
					}
				})
				wg.Go(func() {
					got := make([]byte, len(want))
					if n, err := io.ReadFull(pair[1], got); err != nil || !bytes.Equal(got, want) {
						t.Errorf("%d bytes, %v", n, err)
					}
				})
			}
			wg.Wait()
			closed := make(chan error, 1)
			go func() { closed <- x.Close() }()
			if n, err := y.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("Read after the peer's Close = %d, %v; want EOF", n, err)
			}
			y.Close()
			if err := <-closed; err != nil {
				t.Errorf("Close = %v", err)
			}
			if _, err := x.Write([]byte("late")); err == nil {
				t.Error("Write after Close succeeded")
			}
			if x.LocalAddr() == nil || x.RemoteAddr() == nil {
				t.Error("no addresses")
			}
		})
	}
}

func TestNetConnDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _, p := netConn(t, memory, &curlew.Options{PingInterval: -1, InactivityTimeout: -1})
		start := time.Now()
		n.SetReadDeadline(start.Add(time.Minute))
		_, err := n.Read(make([]byte, 10))
		var timeout net.Error
		if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("Read = %v, want a timeout", err)
		}
		wantTook(t, "timed out", start, time.Minute, time.Minute)
		p.Send(wstest.More(wstest.Binary([]byte("ab"))))
		n.SetReadDeadline(time.Time{})
		b := make([]byte, 10)
		if k, err := n.Read(b); string(b[:k]) != "ab" || err != nil {
			t.Errorf("Read = %q, %v: deadlines are not for ever", b[:k], err)
		}
		n.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := n.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read inside a message = %v, want a timeout", err)
		}
		p.Send(wstest.Cont("cd"))
		n.SetReadDeadline(time.Time{})
		if k, err := n.Read(b); string(b[:k]) != "cd" || err != nil {
			t.Errorf("Read = %q, %v", b[:k], err)
		}
		// A deadline that is set while somebody waits.
		time.AfterFunc(time.Second, func() { n.SetDeadline(time.Now()) })
		if _, err := n.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read = %v, want a timeout", err)
		}
		if _, err := n.Write(b); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write = %v, want a timeout", err)
		}
		n.SetDeadline(time.Time{})
		if _, err := n.Write([]byte("fine")); err != nil {
			t.Error(err)
		}
		p.Want("written", wstest.Binary([]byte("fine")))
	})
}

// TestNetConnEnds: how the other side ends is what Read says.
func TestNetConnEnds(t *testing.T) {
	ends := []struct {
		name string
		end  func(p *wstest.Peer)
		eof  bool
	}{
		{"1000", func(p *wstest.Peer) { p.Send(wstest.Close(1000, "")) }, true},
		{"1001", func(p *wstest.Peer) { p.Send(wstest.Close(1001, "")) }, true},
		{"1011", func(p *wstest.Peer) { p.Send(wstest.Close(1011, "")) }, false},
		{"no Close", func(p *wstest.Peer) { p.Close() }, false},
		{"text", func(p *wstest.Peer) { p.Send(wstest.Text("x")) }, false},
	}
	for _, k := range everyKind {
		for _, end := range ends {
			t.Run(k.name+"/"+end.name, func(t *testing.T) {
				n, c, p := netConn(t, k, nil)
				end.end(p)
				_, err := n.Read(make([]byte, 1))
				if (err == io.EOF) != end.eof || err == nil {
					t.Errorf("Read = %v, EOF wanted: %t", err, end.eof)
				}
				if end.name == "text" {
					p.WantClose("the other type", 1003, wstest.AnyReason)
					p.Send(wstest.Close(1003, ""))
				}
				p.Close()
				wait(t, "the end", c.Done())
			})
		}
	}
}

func TestNetConnContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := wstest.NewLink(nil)
		c := curlew.NewConn(a, curlew.Server, nil)
		ctx, cancel := context.WithCancel(context.Background())
		n := curlew.NetConn(ctx, c, curlew.Binary)
		time.AfterFunc(time.Second, cancel)
		if _, err := n.Read(make([]byte, 1)); err == nil || err == io.EOF {
			t.Errorf("Read = %v", err)
		}
		wait(t, "the end", c.Done())
		if err := c.Err(); !errors.Is(err, context.Canceled) {
			t.Errorf("ended by %v", err)
		}
	})
}
