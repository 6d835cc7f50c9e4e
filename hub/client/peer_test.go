package client_test

import (
	"context"
	"errors"
	"math"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/hub/client"
	"curlew.example/curlew/hub/proto"
)

// say writes what no client has asked for.
func say(c *curlew.Conn, text string) { c.Write(context.Background(), curlew.Text, []byte(text)) }

// TestDrain: the client is back when the server has said, and not later than makes
// sense.
func TestDrain(t *testing.T) {
	for retry, want := range map[int64]time.Duration{
		2500: 2500 * time.Millisecond, 0: time.Millisecond, -7: time.Millisecond,
		1 << 53: 5 * time.Minute, math.MaxInt64: 5 * time.Minute, math.MaxInt64 / 1_000_000: 5 * time.Minute,
	} {
		t.Run(strconv.FormatInt(retry, 10), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				back := make(chan time.Time, 2)
				n := 0
				o, end := stage(t, func(c *curlew.Conn) {
					back <- time.Now()
					if n++; n > 1 {
						<-c.Done()
						return
					}
					answered(t, c, proto.Hello, "hello", object{"connection": "me"})
					say(c, `{"drain":{"retry":`+strconv.FormatInt(retry, 10)+`}}`)
					c.Close(proto.CloseDrain, "")
				})
				defer end()
				c := client.New("ws://hub/", o)
				defer c.Close()
				if first := <-back; (<-back).Sub(first) != want {
					t.Errorf("back in another time than %v", want)
				}
			})
		})
	}
}

// TestDrainWithoutClose: who was sent away goes, also if the close does not come, as
// through a proxy that no longer reaches the server.
func TestDrainWithoutClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		back := make(chan time.Time, 3)
		n := 0
		o, end := stage(t, func(c *curlew.Conn) {
			n++
			first := n == 1
			back <- time.Now()
			answered(t, c, proto.Hello, "hello", object{"connection": "me"})
			if first {
				say(c, `{"drain":{"retry":2500}}`)
			}
			<-c.Done()
		})
		defer end()
		c := client.New("ws://hub/", o)
		defer c.Close()
		first := <-back
		if d := (<-back).Sub(first); d < 2500*time.Millisecond || d > 2501*time.Millisecond {
			t.Errorf("back after %v", d)
		}
		<-time.After(time.Minute)
		if len(back) > 0 {
			t.Error("back once more")
		}
	})
}

// TestClockAhead: a token that has expired by the clock here, and is good by that of the
// server, is renewed ever more seldom.
func TestClockAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		past := time.Now().Add(-time.Hour).UnixMilli()
		var mu sync.Mutex
		tokens := 0
		o, end := stage(t, func(c *curlew.Conn) {
			answered(t, c, proto.Hello, "hello", object{"connection": "me", "expires": past})
			for answered(t, c, proto.Refresh, "refreshed", object{"expires": past}) {
			}
		})
		defer end()
		o.Token = func(context.Context) (string, error) {
			mu.Lock()
			defer mu.Unlock()
			tokens++
			return "x", nil
		}
		c := client.New("ws://hub/", o)
		defer c.Close()
		<-time.After(time.Hour)
		mu.Lock()
		defer mu.Unlock()
		if tokens < 5 || tokens > 20 {
			t.Errorf("%d tokens in an hour", tokens)
		}
	})
}

// TestLongAway: what was sent once is not sent again when the server may have forgotten
// its key; what was never sent is.
func TestLongAway(t *testing.T) {
	for _, away := range []time.Duration{time.Minute, 3 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			asked, gone := make(chan bool), make(chan bool)
			n, again := 0, 0
			o, end := stage(t, func(c *curlew.Conn) {
				if n++; n > 1 {
					for answered(t, c, proto.Publish, "published", object{"epoch": "a", "offset": 1}) {
						again++
					}
					return
				}
				answered(t, c, proto.Hello, "hello", object{"connection": "me"})
				c.Read(context.Background(), nil)
				asked <- true
				<-gone
				say(c, `{"drain":{"retry":`+strconv.FormatInt(away.Milliseconds(), 10)+`}}`)
				c.Abort(nil)
			})
			defer end()
			c := client.New("ws://hub/", o)
			defer c.Close()
			first, second := make(chan error), make(chan error)
			publish := func(done chan error) {
				_, err := c.Publish(context.Background(), "c", []byte("1"), nil)
				done <- err
			}
			go publish(first)
			<-asked
			close(gone)
			synctest.Wait()
			go publish(second)
			var unknown *proto.Error
			if err := <-first; away > 2*time.Minute != errors.As(err, &unknown) {
				t.Errorf("away for %v: %v", away, err)
			}
			if err := <-second; err != nil {
				t.Errorf("away for %v: %v", away, err)
			}
			synctest.Wait()
			if want := map[bool]int{true: 1, false: 2}[away > 2*time.Minute]; again != want {
				t.Errorf("away for %v: %d were published", away, again)
			}
		})
	}
}

// TestFarewellOfAnOldOne: what the server says of a subscription that was ended does not
// end, nor tell, the one that has taken its place.
func TestFarewellOfAnOldOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		subscribed := object{"channel": "c", "position": object{"epoch": "a", "offset": 0}}
		o, end := stage(t, func(c *curlew.Conn) {
			answered(t, c, proto.Subscribe, "subscribed", subscribed)
			_, p, _ := c.Read(context.Background(), nil) // unsubscribe
			say(c, `{"gap":{"channel":"c","from":1,"to":2}}`)
			say(c, `{"join":{"channel":"c","user":"bob","connection":"b"}}`)
			say(c, `{"leave":{"channel":"c","user":"bob","connection":"b"}}`)
			say(c, `{"message":{"channel":"c","epoch":"a","offset":3,"data":1,"time":1}}`)
			say(c, `{"unsubscribed":{"channel":"c","code":"forbidden"}}`)
			proto.Parse(p, func(r *proto.Request) bool {
				say(c, `{"id":`+strconv.FormatInt(r.ID, 10)+`,"error":{"code":"bad_request","message":""}}`)
				return true
			})
			answered(t, c, proto.Subscribe, "subscribed", subscribed)
			<-c.Done()
		})
		defer end()
		c := client.New("ws://hub/", o)
		defer c.Close()
		c.Subscribe("c", nil)
		synctest.Wait()
		var got [][]any
		c.Subscribe("c", recording(&got, nil))
		synctest.Wait()
		if len(got) != 1 || got[0][0] != "subscribed" {
			t.Errorf("%v", got)
		}
	})
}
