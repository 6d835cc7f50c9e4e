package curlew

import (
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// scheduled returns a connection that is armed for at, in an agenda, by hand.
func scheduled(a *agenda) *Conn {
	c := newBare(a)
	c.clock.wake.Store(int64(noInstant))
	return c
}

// TestAgendaOrder: whatever is armed and stopped, the first entry is the earliest
// one and every connection knows its place.
func TestAgendaOrder(t *testing.T) {
	a := newAgenda()
	conns := make([]*Conn, 300)
	for i := range conns {
		conns[i] = scheduled(a)
	}
	want := map[*Conn]time.Duration{}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		c := conns[random.IntN(len(conns))]
		switch random.IntN(4) {
		case 0:
			a.stop(c)
			delete(want, c)
			c.clock.wake.Store(int64(noInstant)) // begin anew
		default:
			at := time.Hour + time.Duration(random.Int64N(1e12))
			c.arm(at)
			if old, ok := want[c]; !ok || at < old {
				want[c] = at
			}
		}
		if len(a.entries) != len(want) {
			t.Fatalf("%d entries, want %d", len(a.entries), len(want))
		}
		for i, e := range a.entries {
			if e.at != want[e.c] || e.c.clock.place != int32(i+1) || e.at < a.entries[(max(i, 1)-1)/branches].at {
				t.Fatalf("entry %d is for %v, want %v; its place is %d", i, e.at, want[e.c], e.c.clock.place)
			}
		}
		if len(want) > 0 && a.due > a.entries[0].at {
			t.Fatalf("the timer is set for %v, the first is due at %v", a.due, a.entries[0].at)
		}
	}
	for _, c := range conns {
		a.stop(c)
	}
	if a.timer != nil || a.entries != nil || !a.empty() {
		t.Error("an empty agenda holds something")
	}
}

// TestAgendaRings: each connection is looked at at its instant, not before and not
// after, the one that was put off not at all, and nothing is left at the end.
func TestAgendaRings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 50
		a, set := newAgenda(), newSettings(&Options{PingInterval: -1, InactivityTimeout: -1})
		var conns [n]*Conn
		var closed [n]time.Duration
		for i := range conns {
			near, far := net.Pipe()
			c := newConn(near, newTerms(Server, set, &established{}), a, nil)
			c.startClock(never)
			c.Extend(time.Duration(1+i*37%n) * time.Second)
			conns[i] = c
			go func() {
				far.Read(make([]byte, 1)) // the Close frame
				closed[i] = a.now()
				far.Close()
			}()
		}
		conns[7].Extend(-1)
		time.Sleep(n * time.Second)
		synctest.Wait()
		for i, at := range closed {
			want := time.Duration(1+i*37%n) * time.Second
			if i == 7 {
				want = 0
			}
			if at != want {
				t.Errorf("connection %d was closed at %v, want %v", i, at, want)
			}
		}
		conns[7].Abort(nil)
		synctest.Wait()
		if a.timer != nil || a.entries != nil {
			t.Error("all have ended, and the agenda holds something")
		}
	})
}

// TestAgendaGrain: connections that share an agenda are looked at together, each after
// its instant and no more than a grain later.
func TestAgendaGrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 200
		a, set := &newCalendar().agendas[0], newSettings(&Options{PingInterval: -1, InactivityTimeout: -1})
		var closed [n]time.Duration
		for i := range n {
			near, far := net.Pipe()
			c := newConn(near, newTerms(Server, set, &established{}), a, nil)
			c.startClock(never)
			c.Extend(time.Second + time.Duration(i)*time.Millisecond)
			go func() {
				far.Read(make([]byte, 1)) // the Close frame
				closed[i] = a.now()
				far.Close()
			}()
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		together := map[time.Duration]int{}
		for i, at := range closed {
			if late := at - time.Second - time.Duration(i)*time.Millisecond; late < 0 || late >= grain {
				t.Errorf("connection %d was closed %v late", i, late)
			}
			together[at]++
		}
		if len(together) > n/int(grain/time.Millisecond)+1 {
			t.Errorf("%d were closed at %d instants", n, len(together))
		}
		if !a.empty() || a.timer != nil {
			t.Error("all have ended, and the agenda holds something")
		}
	})
}

// TestCalendars: one handler may serve several servers, and one bubble after
// another; each has timers of its own, and none is left over.
func TestCalendars(t *testing.T) {
	h := Handle(nil, func(*http.Request) (*Events, error) { return nil, nil }).(*eventHandler)
	var agendas []*agenda
	for range 2 {
		synctest.Test(t, func(t *testing.T) {
			first, second := new(http.Server), new(http.Server)
			for _, s := range []*http.Server{first, second, nil, first} {
				a := h.calendars.agenda(s)
				near, far := net.Pipe()
				c := newConn(near, h.upgrader.terms(&established{}), a, nil)
				c.start()
				start := time.Now()
				far.Read(make([]byte, 1)) // the first ping
				if d := time.Since(start); d < 22*time.Second || d > 28*time.Second {
					t.Errorf("pinged after %v", d)
				}
				far.Close()
				agendas = append(agendas, a)
			}
		})
	}
	for _, a := range agendas {
		if !a.empty() || a.timer != nil {
			t.Error("something is left in an agenda")
		}
	}
	if h.calendars.agenda(new(http.Server)); len(h.calendars.of) != 1 {
		t.Errorf("%d calendars, want that of the newest server", len(h.calendars.of))
	}
}

// TestAgendaExtends: many connections of one agenda put off their end again and again.
func TestAgendaExtends(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	synctest.Test(t, func(t *testing.T) {
		a, set := newAgenda(), newSettings(&Options{PingInterval: -1, InactivityTimeout: -1, CloseTimeout: time.Second, WriteTimeout: -1})
		var wg sync.WaitGroup
		for i := range uint64(200) {
			rng := rand.New(rand.NewPCG(seed, i))
			near, far := net.Pipe()
			c := newConn(near, newTerms(Server, set, &established{}), a, nil)
			c.startClock(never)
			wg.Go(func() {
				var want time.Duration
				abort := rng.IntN(4) == 0
				for range 50 {
					d := time.Duration(1+rng.IntN(1000)) * time.Millisecond
					want = a.now() + d
					c.Extend(d)
					if rng.IntN(3) == 0 {
						c.sendPing(nil)
					}
					time.Sleep(time.Duration(rng.Int64N(int64(d))))
				}
				if abort {
					c.Abort(nil)
				}
				closed := make(chan time.Duration, 1)
				go func() {
					var b [1]byte
					for {
						_, err := far.Read(b[:])
						if err != nil || b[0] == 0x88 {
							closed <- a.now()
							far.Close()
							return
						}
					}
				}()
				if at := <-closed; !abort && at != want {
					t.Errorf("connection %d was closed at %v, want %v", i, at, want)
				}
				<-c.Done()
			})
		}
		wg.Wait()
		synctest.Wait()
		if a.timer != nil || a.entries != nil {
			t.Error("all have ended, and the agenda holds something")
		}
	})
}
