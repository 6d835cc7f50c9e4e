package hub

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestRX8_Bound: however many channels somebody publishes in, what is stored stays
// within its bound. A channel that stores something goes on doing so; one that has
// nothing stores nothing, and says so; what is forgotten makes room.
func TestRX8_Bound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewMemory()
		defer b.Close()
		const bound = 100_000
		b.Bound(bound)
		publish := func(channel string, size int, age time.Duration) Position {
			t.Helper()
			at, _, err := b.Publish(t.Context(), channel, &Publication{Data: []byte(strings.Repeat("1", size))}, Keep{Size: 5, Age: age})
			if err != nil {
				t.Fatal(err)
			}
			if used := b.stored.used.Load(); used < 0 || used > bound {
				t.Fatalf("%d bytes are stored, of %d", used, bound)
			}
			return at
		}
		stored := func(channel string, since *Position) (n int, lost bool) {
			t.Helper()
			p, err := b.History(t.Context(), channel, Query{Since: since, Limit: 100})
			if err != nil {
				t.Fatal(err)
			}
			return len(p.Messages), p.Lost
		}
		first := publish("first", 1000, 0)
		for range 4 {
			publish("first", 1000, 0)
		}
		if n, lost := stored("first", &first); n != 4 || lost {
			t.Errorf("within the bound: %d, %v", n, lost)
		}
		few := publish("few", 1000, 0)
		for i := range 1000 { // a flood
			publish(fmt.Sprint("flood:", i), 1000, time.Hour)
		}
		late := publish("late", 1000, 0)
		publish("late", 1000, 0)
		if n, lost := stored("late", &late); n != 0 || !lost {
			t.Errorf("beyond it: %d, %v", n, lost)
		}
		publish("first", 1000, 0)
		if n, lost := stored("first", &first); n != 5 || lost {
			t.Errorf("a channel that had as many as it may: %d, %v", n, lost)
		}
		next := publish("few", 1000, 0)
		publish("few", 1000, 0)
		if n, lost := stored("few", &few); n != 1 || !lost {
			t.Errorf("a channel that had one: %d, %v", n, lost)
		}
		if n, lost := stored("few", &next); n != 1 || lost {
			t.Errorf("its newest: %d, %v", n, lost)
		}
		<-time.After(2 * time.Hour)
		publish("late", 1000, 0)
		if n, _ := stored("late", nil); n != 1 {
			t.Errorf("when there is room again: %d", n)
		}
		b.Bound(0)
		for i := range 200 {
			at, _, err := b.Publish(t.Context(), fmt.Sprint("free:", i), &Publication{Data: make([]byte, 1000)}, Keep{Size: 5, Age: time.Minute})
			if err != nil || at.Offset != 1 {
				t.Fatal(at, err)
			}
		}
		if b.stored.used.Load() <= bound {
			t.Error("a bound of 0 is a limit")
		}
		<-time.After(time.Hour)
		for _, channel := range []string{"first", "few", "late"} { // what has no age
			if _, _, err := b.Publish(t.Context(), channel, &Publication{}, Keep{Size: 1, Age: time.Second}); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(time.Hour)
		if used := b.stored.used.Load(); used != 0 {
			t.Errorf("nothing is stored, and it takes %d bytes", used)
		}
	})
}
