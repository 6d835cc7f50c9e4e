package server

import (
	"container/list"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
)

// A rate limits how often clients may come. Each has a bucket of requests to which
// one is added every interval; what is remembered of it is the instant at which it
// will be full. A bucket that is full need not be remembered.
type rate struct {
	interval time.Duration
	burst    time.Duration // what the bucket holds, less one
	each     bool          // client has a bucket of its own

	mu      sync.Mutex
	buckets map[netip.Prefix]*list.Element
	order   list.List // of *bucket; the one that was used last is in front
}

type bucket struct {
	client netip.Prefix
	full   time.Time
}

// maxBuckets bounds the memory for clients, to some megabytes. Beyond it the one
// that has not come for longest is forgotten: it may come as if for the first time.
const maxBuckets = 1 << 14

// newRate returns nil if there is no limit.
func newRate(r *site.Rate) *rate {
	f := r.Requests.Value
	if f.Times == 0 {
		return nil
	}
	l := &rate{interval: f.In / time.Duration(f.Times), each: r.Per.Value != "route", buckets: make(map[netip.Prefix]*list.Element)}
	const most = math.MaxInt64 / 2
	l.burst = time.Duration(min(int64(r.Most()-1), most/int64(l.interval))) * l.interval
	return l
}

// rateOf returns the rate of the route of a key, or of what no route answers. If the
// generation before has the same one there, what clients have used up stays so.
func (g *generation) rateOf(key string, r *site.Rate) *rate {
	l := newRate(r)
	if l == nil || g.rates[key] != nil { // of two routes that look the same each has its own
		return l
	}
	if before := g.server.before(); before != nil {
		if b := before.rates[key]; b != nil && b.interval == l.interval && b.burst == l.burst && b.each == l.each {
			l = b
		}
	}
	g.rates[key] = l
	return l
}

// admit reports whether a request may come now; if not, it has answered.
func (l *rate) admit(w http.ResponseWriter, r *http.Request) bool {
	if l == nil {
		return true
	}
	var client netip.Prefix
	if l.each {
		client = route.Client(r)
	}
	wait := l.take(client, time.Now())
	if wait == 0 {
		return true
	}
	w.Header().Set("Retry-After", strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10))
	http.Error(w, http.StatusText(http.StatusTooManyRequests), http.StatusTooManyRequests)
	return false
}

// take takes a request out of a client's bucket, or returns how long it will be
// until there is one.
func (l *rate) take(client netip.Prefix, now time.Time) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(now)
	e := l.buckets[client]
	if e == nil {
		e = l.order.PushFront(&bucket{client: client, full: now})
		l.buckets[client] = e
	} else {
		l.order.MoveToFront(e)
	}
	b := e.Value.(*bucket)
	if b.full.Before(now) {
		b.full = now
	}
	if wait = b.full.Sub(now) - l.burst; wait > 0 {
		return wait
	}
	b.full = b.full.Add(l.interval)
	return 0
}

// forget forgets what need not be remembered, a little each time, and whoever
// there is no memory for.
func (l *rate) forget(now time.Time) {
	for range 2 {
		e := l.order.Back()
		if e == nil || len(l.buckets) < maxBuckets && e.Value.(*bucket).full.After(now) {
			return
		}
		l.order.Remove(e)
		delete(l.buckets, e.Value.(*bucket).client)
	}
}
