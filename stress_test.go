package curlew_test

import (
	"context"
	"errors"
	"flag"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/wstest"
)

var stressSeed = flag.Uint64("seed", 0, "of TestStress; 0 is another one each time")

// TestStress plays at random what applications do, on both ends of a connection,
// and checks it against a model: of what each goroutine sent everything arrives
// that was said to be sent, nothing that was said not to be, whole, once and in
// order. Some connections end in the middle of it: then nothing else is required
// but that everybody returns, in time.
func TestStress(t *testing.T) {
	seed := *stressSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	inMemory := func(t *testing.T, rng *rand.Rand) kind {
		return kind{"memory", func(testing.TB, curlew.Role) (a, b net.Conn) { return openRandom(rng) }}
	}
	kinds := []struct {
		name   string
		packed bool
		kind   func(t *testing.T, rng *rand.Rand) kind
	}{
		{"memory", false, inMemory},
		{"compressed", true, inMemory},
		{"tls in memory", false, func(t *testing.T, rng *rand.Rand) kind {
			return kind{"tls", func(t testing.TB, _ curlew.Role) (net.Conn, net.Conn) {
				a, b := openRandom(rng)
				return secure(t, curlew.Server, a, b)
			}}
		}},
		{"tcp", false, func(*testing.T, *rand.Rand) kind { return overTCP }},
		{"tcp compressed", true, func(*testing.T, *rand.Rand) kind { return overTCP }},
	}
	for i, k := range kinds {
		for round := range uint64(2) {
			t.Run(k.name, func(t *testing.T) {
				t.Logf("-seed=%d", seed)
				rng := rand.New(rand.NewPCG(seed, round<<8|uint64(i)))
				if kind := k.kind(t, rng); kind.name == "tcp" {
					stress(t, rng, kind, k.packed, 0)
				} else {
					synctest.Test(t, func(t *testing.T) { // where pauses cost nothing
						stress(t, rng, kind, k.packed, 400*time.Millisecond)
						pass(time.Minute) // CloseTimeout
					})
				}
			})
		}
	}
}

// openRandom is a link with small faults.
func openRandom(rng *rand.Rand) (net.Conn, net.Conn) {
	a, b := wstest.NewLink(&wstest.LinkOptions{Buffer: 100 + rng.IntN(20000), Seed: rng.Uint64() | 1})
	for _, e := range []*wstest.End{a, b} {
		if rng.IntN(3) == 0 {
			e.LimitRead(1 + rng.IntN(3000))
		}
	}
	return a, b
}

const (
	stressSenders  = 7
	stressMessages = 25
)

// stressed is one end. The sender numbered stressSenders says that all is sent.
type stressed struct {
	t     *testing.T
	c     *curlew.Conn
	pause time.Duration // the longest
	torn  bool          // it may end at any time

	sent [stressSenders + 1][]fate // by the other end; owned by the senders there

	// Owned by who reads.
	arrived [stressSenders + 1][stressMessages]bool
	next    [stressSenders + 1]int // the least number that may come
	over    bool
}

// A fate is what sending a message said.
type fate int

const (
	unsent fate = iota
	maybe       // it was under way when its sender gave up
	sent
)

func stress(t *testing.T, rng *rand.Rand, k kind, packed bool, pause time.Duration) {
	options := func() *curlew.Options {
		o := &curlew.Options{
			MaxFrame:     50 + rng.IntN(5000),
			MaxPacket:    1000,
			MaxFragments: -1,
			SendQueue:    []int{-1, 20000}[rng.IntN(2)],
			WhenFull:     curlew.WhenFullDropNewest,
			PingInterval: time.Second,
			WriteTimeout: time.Minute, // a slow reader takes long over 16 KiB of small messages
		}
		if packed {
			o.Compression = &curlew.Compression{MinSize: rng.IntN(1000), ServerContext: rng.IntN(2) == 0, ClientContext: rng.IntN(2) == 0}
		}
		return o
	}
	open := pairWith
	if packed {
		open = packedPair
	}
	server, client := open(t, k, options(), options())
	torn := rng.IntN(3) == 0
	s := &stressed{t: t, c: server, pause: pause, torn: torn}
	c := &stressed{t: t, c: client, pause: pause, torn: torn}
	var all, pinging sync.WaitGroup
	pings, stop := context.WithCancel(context.Background())
	for _, x := range []struct{ from, to *stressed }{{s, c}, {c, s}} {
		reading := random(rng)
		pinger := random(rng)
		var senders []func()
		for i := range stressSenders {
			own := random(rng)
			x.to.sent[i] = make([]fate, stressMessages)
			senders = append(senders, func() { x.from.send(own, i, x.to.sent[i]) })
		}
		x.to.sent[stressSenders] = []fate{sent}
		all.Go(func() {
			var wg sync.WaitGroup
			for _, f := range senders {
				wg.Go(f)
			}
			wg.Wait()
			if err := x.from.c.Write(context.Background(), curlew.Binary, stamped(stressSenders, 0, 8)); err != nil && !x.from.ended(err) {
				t.Errorf("the last message: %v", err)
			}
		})
		all.Go(func() { x.to.read(reading) })
		pinging.Go(func() {
			for pings.Err() == nil {
				x.from.rest(pinger)
				ctx, cancel := x.from.someTime(pinger, pings)
				x.from.c.Ping(ctx)
				cancel()
			}
		})
	}
	if torn {
		pass(time.Duration(rng.Int64N(int64(max(10*pause, 10*time.Millisecond)))))
		endSomehow(t, rng, server, client)
	}
	all.Wait()
	stop()
	pinging.Wait()
	if !torn {
		s.check()
		c.check()
		endSomehow(t, rng, server, client)
	}
}

// pairWith is pair with options for each.
func pairWith(t testing.TB, k kind, server, client *curlew.Options) (s, c *curlew.Conn) {
	a, b := k.open(t, curlew.Server)
	return curlew.NewConn(a, curlew.Server, server), curlew.NewConn(b, curlew.Client, client)
}

// ended reports whether err is how the connection may end.
func (x *stressed) ended(err error) bool {
	return x.torn && (errors.Is(err, net.ErrClosed) || err == curlew.ErrWriterClosed || err == curlew.ErrBusy)
}

func random(rng *rand.Rand) *rand.Rand { return rand.New(rand.NewPCG(rng.Uint64(), rng.Uint64())) }

// rest pauses, often not at all.
func (x *stressed) rest(rng *rand.Rand) {
	if x.pause > 0 && rng.IntN(4) == 0 {
		pass(time.Duration(rng.Int64N(int64(x.pause))))
	}
}

// someTime is a context that may end soon.
func (x *stressed) someTime(rng *rand.Rand, parent context.Context) (context.Context, context.CancelFunc) {
	if rng.IntN(3) == 0 {
		return context.WithTimeout(parent, time.Duration(rng.Int64N(int64(max(x.pause, 200*time.Microsecond)))))
	}
	return context.WithCancel(parent)
}

// send sends messages in all ways and notes their fates.
func (x *stressed) send(rng *rand.Rand, sender int, fates []fate) {
	for n := range fates {
		x.rest(rng)
		size := 8 + rng.IntN(3000)
		if rng.IntN(20) == 0 {
			size = 100000
		}
		p := stamped(sender, n, size)
		ctx, cancel := x.someTime(rng, context.Background())
		var err error
		switch way := rng.IntN(6); way {
		case 0, 1:
			err = x.c.Send(curlew.Binary, p)
		case 2:
			err = x.c.SendPrepared(curlew.Prepare(curlew.Binary, p))
		case 3, 4:
			err = x.c.Write(ctx, curlew.Binary, p)
		case 5:
			err = x.stream(ctx, rng, p)
		}
		cancel()
		clear(p) // ours again
		switch {
		case err == nil:
			fates[n] = sent
		case errors.Is(err, curlew.ErrSending):
			fates[n] = maybe
		case x.ended(err):
			return
		case err != curlew.ErrQueueFull && err != context.DeadlineExceeded:
			x.t.Errorf("sender %d, message %d: %v", sender, n, err)
			return
		}
	}
}

// stream sends p by a Writer. Once that has its turn, the message is sent.
func (x *stressed) stream(ctx context.Context, rng *rand.Rand, p []byte) error {
	w, err := x.c.Writer(ctx, curlew.Binary)
	if err != nil {
		return err
	}
	for len(p) > 0 {
		n := 1 + rng.IntN(len(p))
		switch rng.IntN(3) {
		case 0:
			n, err = w.Write(p[:n])
		case 1:
			err = w.WriteFrame(p[:n])
		case 2:
			n, err = w.TryWrite(p[:n])
		}
		if err != nil && !errors.Is(err, curlew.ErrSending) {
			return err
		}
		p = p[n:]
		if rng.IntN(4) == 0 {
			break
		}
	}
	return w.Finish(p)
}

// read reads in all ways until the last message has come.
func (x *stressed) read(rng *rand.Rand) {
	for !x.over && !x.t.Failed() && x.c.Err() == nil {
		x.rest(rng)
		ctx, cancel := x.someTime(rng, context.Background())
		var err error
		switch rng.IntN(4) {
		case 0:
			var p []byte
			if _, p, err = x.c.Read(ctx, nil); err == nil {
				x.got(p, true)
			}
		case 1:
			err = x.readSome(ctx, rng)
		case 2:
			err = x.serve(ctx, cancel, rng, false)
		case 3:
			err = x.serve(ctx, cancel, rng, true)
		}
		cancel()
		if err != nil && err != context.DeadlineExceeded && err != context.Canceled && !x.ended(err) {
			x.t.Errorf("reading: %v", err)
			return
		}
	}
}

// readSome reads a part of a message, or all of it.
func (x *stressed) readSome(ctx context.Context, rng *rand.Rand) error {
	_, r, err := x.c.Reader(context.WithoutCancel(ctx)) // the start of a message is not given up
	if err != nil {
		return err
	}
	head := make([]byte, 8)
	if _, err := io.ReadFull(r, head); err != nil {
		return err
	}
	if rng.IntN(2) == 0 {
		x.got(head, false)
		return nil
	}
	rest, err := io.ReadAll(r)
	if err == nil {
		x.got(append(head, rest...), true)
	}
	return err
}

// serve has a few messages handled, by whole ones or by parts.
func (x *stressed) serve(ctx context.Context, cancel func(), rng *rand.Rand, byParts bool) error {
	left := 1 + rng.IntN(10)
	whole := func(p []byte) {
		x.got(p, true)
		x.rest(rng)
		if left--; left == 0 || x.over {
			cancel()
		}
	}
	var ev curlew.Events
	var parts []byte
	if byParts {
		ev.Part = func(_ *curlew.Conn, _ curlew.Type, p []byte, last bool) {
			if parts = append(parts, p...); last {
				whole(parts)
				parts = nil
			}
		}
	} else {
		ev.Message = func(_ *curlew.Conn, _ curlew.Type, p []byte) { whole(p) }
	}
	err := curlew.Serve(ctx, x.c, &ev)
	if len(parts) > 0 {
		x.got(parts, false) // torn, and skipped
	}
	return err
}

// got takes a message, or the beginning of one, into account.
func (x *stressed) got(p []byte, whole bool) {
	if !whole {
		p = p[:8]
	}
	sender, n, ok := stamp(p)
	if !ok || sender > stressSenders || n >= stressMessages {
		x.t.Errorf("a message is not intact: %d bytes, sender %d, number %d", len(p), sender, n)
		return
	}
	if n < x.next[sender] {
		x.t.Errorf("message %d of sender %d came twice or late: %d was next", n, sender, x.next[sender])
	}
	x.arrived[sender][n] = true
	x.next[sender] = n + 1
	x.over = x.over || sender == stressSenders
}

// check compares what has arrived with what its senders were told.
func (x *stressed) check() {
	for i, fates := range x.sent {
		for n, f := range fates {
			switch arrived := x.arrived[i][n]; {
			case f == sent && !arrived:
				x.t.Errorf("message %d of sender %d was sent and is lost", n, i)
			case f == unsent && arrived:
				x.t.Errorf("message %d of sender %d has come although it was not sent", n, i)
			}
		}
	}
}

// endSomehow ends the connection in one of the ways there are.
func endSomehow(t *testing.T, rng *rand.Rand, s, c *curlew.Conn) {
	var wg sync.WaitGroup
	for range 1 + rng.IntN(3) {
		x := []*curlew.Conn{s, c}[rng.IntN(2)]
		switch rng.IntN(6) {
		case 0, 1, 2:
			wg.Go(func() { x.Close(curlew.GoingAway, "") })
		case 3:
			wg.Go(func() { x.Abort(nil) })
		case 4:
			wg.Go(func() { x.Read(context.Background(), nil) })
			wg.Go(func() { x.Close(curlew.NormalClosure, "") })
		case 5:
			wg.Go(func() { curlew.Serve(context.Background(), x, nil) })
			wg.Go(func() { x.Close(curlew.NormalClosure, "") })
		}
	}
	start := time.Now()
	wait(t, "the server's end", s.Done())
	wait(t, "the client's end", c.Done())
	if inBubble() {
		// One may see the other's Close late, behind all that was sent before.
		wantTook(t, "both have ended", start, 0, 2*5*time.Second+time.Millisecond)
	}
	wg.Wait()
	for _, x := range []*curlew.Conn{s, c} {
		if err := x.Err(); !errors.Is(err, net.ErrClosed) || x.Send(curlew.Text, nil) != err {
			t.Errorf("ended by %v", err)
		}
	}
}
