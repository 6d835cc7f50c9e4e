package main

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A crowd is a board that somebody looks at, or not.
type crowd struct {
	looks  atomic.Bool
	prices map[string]int
	t      *testing.T
}

func (c *crowd) Subscribed(channel string) bool { return c.looks.Load() && channel == tickerChannel }

func (c *crowd) Publish(_ context.Context, channel, key string, data []byte) error {
	var m struct{ Price float64 }
	if err := json.Unmarshal(data, &m); err != nil || m.Price < 1 || channel != tickerChannel {
		c.t.Errorf("%s in %s: %v", data, channel, err)
	}
	c.prices[key]++
	return nil
}

func TestTicker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c := &crowd{prices: make(map[string]int), t: t}
		ended := make(chan struct{})
		go func() { defer close(ended); tick(ctx, c) }()
		time.Sleep(time.Minute + time.Millisecond)
		synctest.Wait()
		if len(c.prices) > 0 {
			t.Errorf("%v while nobody looks", c.prices)
		}
		c.looks.Store(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(c.prices) != 4 || c.prices["CURL"] != int(time.Minute/tickerPace) {
			t.Errorf("%v in a minute", c.prices)
		}
		cancel()
		<-ended
	})
}
