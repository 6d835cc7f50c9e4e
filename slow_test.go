package curlew_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/wstest"
)

// TestSL2_ByteBySecond: who takes a byte a second takes too little, and who takes
// 2 KiB a second enough, for as long as it wants.
func TestSL2_ByteBySecond(t *testing.T) {
	for _, rate := range []int{1, 2 << 10} {
		inBubbles(t, func(t *testing.T, d driver) {
			o := still
			s, _ := openWatched(t, d, curlew.Server, &o, &wstest.LinkOptions{Buffer: 32 << 10})
			payload := bytes.Repeat([]byte("x"), 400<<10)
			done := make(chan error, 1)
			start := time.Now()
			go func() { done <- s.c.Write(context.Background(), curlew.Binary, payload) }()
			got := 0
			for buf := make([]byte, rate); got < len(payload); pass(time.Second) {
				n, err := s.p.Conn().Read(buf)
				got += n
				if err != nil || s.c.Err() != nil {
					break
				}
			}
			err := <-done
			switch took := time.Since(start); {
			case rate == 1 && (!errors.Is(err, net.ErrClosed) || took < 10*time.Second || took > time.Minute):
				t.Errorf("1 B/s: %v after %v and %d bytes", err, took, got)
			case rate > 1 && (err != nil || got < len(payload)):
				t.Errorf("%d B/s: %v after %v and %d bytes", rate, err, took, got)
			}
		})
	}
}

// TestSL10_Race: many write, and Close, and Abort, at the instant when the peer has
// taken nothing for too long. One of them ends the connection; what the peer finds
// is the beginning of one frame, and no other behind it.
func TestSL10_Race(t *testing.T) {
	for _, d := range everyDriver {
		for _, also := range []string{"", "Close", "Abort", "Send"} {
			synctest.Test(t, func(t *testing.T) {
				o := still
				s, w := openWatched(t, d, curlew.Server, &o, &wstest.LinkOptions{Buffer: 1000})
				var failed atomic.Int32
				var all sync.WaitGroup
				payload := bytes.Repeat([]byte("x"), 5000)
				for range 8 {
					all.Go(func() {
						if err := s.c.Write(context.Background(), curlew.Binary, payload); errors.Is(err, net.ErrClosed) {
							failed.Add(1)
						}
					})
				}
				all.Go(func() {
					pass(10*time.Second - time.Nanosecond)
					switch also {
					case "Close":
						s.c.Close(1000, "")
					case "Abort":
						s.c.Abort(nil)
					case "Send":
						s.c.Send(curlew.Text, []byte("more"))
					}
				})
				all.Wait()
				s.end()
				wait(t, "the stream's end", w.closed)
				if n := failed.Load(); n != 8 {
					t.Errorf("%s: %d of 8 writers were told", also, n)
				}
				got, _ := io.ReadAll(s.p.Conn())
				head := []byte{0x82, 126, 5000 >> 8, 5000 & 255}
				if len(got) >= 5000 || !bytes.Equal(got, append(head, payload...)[:len(got)]) {
					t.Errorf("%s: the peer got %d bytes, %.20x…", also, len(got), got)
				}
				if d != byRead && len(s.errs) > 1 {
					t.Errorf("%s: %d calls of Error", also, len(s.errs))
				}
			})
		}
	}
}

// TestRX15_Jitter: connections that began at the same instant are pinged at many,
// within a tenth of the interval.
func TestRX15_Jitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 300
		start := time.Now()
		var mu sync.Mutex
		at := make(map[time.Duration]int)
		var all sync.WaitGroup
		var conns []*curlew.Conn
		for range n {
			a, b := wstest.NewLink(nil)
			c := curlew.NewConn(a, curlew.Server, nil)
			conns = append(conns, c)
			go c.Read(context.Background(), nil)
			p := wstest.NewPeer(t, b, curlew.Client)
			all.Go(func() {
				pongTo(t, p.Next("a ping"))
				mu.Lock()
				defer mu.Unlock()
				at[time.Since(start)]++
			})
		}
		all.Wait()
		most := 0
		for d, k := range at {
			most = max(most, k)
			if d < 22500*time.Millisecond || d > 28*time.Second {
				t.Errorf("pinged after %v", d)
			}
		}
		if len(at) < 8 || most > n/4 {
			t.Errorf("%d pings at %d instants, up to %d at one", n, len(at), most)
		}
		for _, c := range conns {
			c.Abort(nil)
		}
	})
}
