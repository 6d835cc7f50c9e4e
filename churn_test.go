package curlew_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"curlew.example/curlew"
)

// TestHandleChurn: connections of a Handle end at any moment, by either end, by
// their clock, with all kinds of work under way. Callbacks come one at a time and in
// order, what arrives is whole, and every Close is called.
func TestHandleChurn(t *testing.T) {
	seed := *stressSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-seed=%d", seed)
	var opened, closed atomic.Int64
	o := &curlew.Options{PingInterval: time.Millisecond, RequestTimeout: 20 * time.Millisecond, CloseTimeout: 20 * time.Millisecond,
		Compression: &curlew.Compression{MinSize: -1}}
	h := curlew.Handle(o, func(*http.Request) (*curlew.Events, error) {
		opened.Add(1)
		var state atomic.Int32 // 1: open; 2: closed
		var in atomic.Int32
		enter := func() func() {
			if in.Add(1) != 1 {
				t.Error("two callbacks at once")
			}
			return func() { in.Add(-1) }
		}
		return &curlew.Events{
			Open: func(c *curlew.Conn) {
				defer enter()()
				if !state.CompareAndSwap(0, 1) {
					t.Error("Open is called again")
				}
			},
			Message: func(c *curlew.Conn, typ curlew.Type, p []byte) {
				defer enter()()
				if state.Load() != 1 {
					t.Error("Message is called, and it is not open")
				}
				switch len(p) % 7 {
				case 0:
					go c.Abort(nil)
				case 1:
					go c.Close(1000, "")
				case 2:
					go c.Ping(context.Background())
				case 3:
					w, err := c.Writer(context.Background(), typ)
					if err == nil {
						w.TryWrite(p)
						w.Finish(p)
					}
				case 4:
					<-time.After(time.Millisecond)
				case 5:
					c.Extend(time.Duration(len(p)) * 100 * time.Microsecond)
				}
				c.Send(typ, p)
			},
			Close: func(c *curlew.Conn, e *curlew.CloseError) {
				defer enter()()
				if state.Swap(2) != 1 {
					t.Error("Close is called, and it is not open")
				}
				closed.Add(1)
			},
		}, nil
	})
	b := build(t, tcpHouse, h, nil)
	var wg sync.WaitGroup
	for i := range uint64(8) {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, i))
			for range 15 {
				do := &curlew.DialOptions{}
				if rng.IntN(2) == 0 {
					do.Compression = &curlew.Compression{MinSize: -1, ServerContext: true, ClientContext: true}
				}
				do.CloseTimeout = 50 * time.Millisecond
				c, err := curlew.Dial(context.Background(), "ws://"+b.addr+"/", do)
				if err != nil {
					t.Error(err)
					return
				}
				var inner sync.WaitGroup
				rs := rng.Uint64()
				inner.Go(func() {
					rng := rand.New(rand.NewPCG(rs, 2))
					for {
						ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rng.IntN(3000))*time.Microsecond)
						_, p, err := c.Read(ctx, nil)
						cancel()
						for j, x := range p {
							if x != byte(len(p)) && x != byte(len(p)/2) {
								t.Errorf("byte %d of %d is %d", j, len(p), x)
								break
							}
						}
						if err != nil && c.Err() != nil {
							return
						}
					}
				})
				for range 2 {
					s := rng.Uint64()
					inner.Go(func() {
						rng := rand.New(rand.NewPCG(s, 1))
						for range 20 {
							p := make([]byte, rng.IntN(250))
							for j := range p {
								p[j] = byte(len(p))
							}
							ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rng.IntN(3000))*time.Microsecond)
							c.Write(ctx, curlew.Binary, p)
							cancel()
						}
						c.Close(1000, "")
					})
				}
				inner.Wait()
				<-c.Done()
			}
		})
	}
	wg.Wait()
	end := time.Now().Add(time.Minute) // a test that hangs fails
	for opened.Load() != closed.Load() && time.Now().Before(end) {
		runtime.Gosched()
	}
	if opened.Load() != closed.Load() {
		t.Errorf("%d opened, %d closed", opened.Load(), closed.Load())
	}
}
