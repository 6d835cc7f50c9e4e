package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// tickerChannel is where the demo's page looks for prices.
const tickerChannel = "ticker:birds"

// tickerPace is the time between two prices of a paper.
const tickerPace = 250 * time.Millisecond

// A board is where prices are published: *hub.Hub is one.
type board interface {
	Publish(ctx context.Context, channel, key string, data []byte) error
	Subscribed(channel string) bool
}

// tick publishes invented prices for the demo, while somebody looks, until ctx is
// done.
func tick(ctx context.Context, to board) {
	papers := []struct {
		name  string
		price float64
	}{{"CURL", 100}, {"GODW", 64}, {"KNOT", 18}, {"WHIM", 42}}
	pace := time.NewTicker(tickerPace)
	defer pace.Stop()
	for {
		select {
		case <-pace.C:
		case <-ctx.Done():
			return
		}
		if !to.Subscribed(tickerChannel) {
			continue
		}
		for i := range papers {
			p := &papers[i]
			p.price *= 1 + (rand.Float64()-0.5)/100
			p.price = min(max(p.price, 1), 1000)
			if to.Publish(ctx, tickerChannel, p.name, fmt.Appendf(nil, `{"price":%.2f}`, p.price)) != nil {
				return // the hub has ended
			}
		}
	}
}
