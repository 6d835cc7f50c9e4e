package exec

import (
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew/server/site"
)

// What the client said last is given to the program also if that takes us long: only a
// program that does not read is not waited for, and none for longer than killAfter.
func TestHearOut(t *testing.T) {
	for _, c := range []struct {
		name               string
		giving             bool
		left, takes, after time.Duration // of the event Close; of a program that reads; the end
	}{
		{"our turn", false, 3 * time.Second, 0, 3 * time.Second},
		{"our turn, for ever", false, 2 * time.Minute, 0, time.Minute},
		{"does not read", true, 2 * time.Minute, 0, farewell},
		{"reads", true, 3 * time.Second, farewell / 2, 3 * time.Second},
		{"reads for ever", true, 2 * time.Minute, farewell / 2, time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := &process{h: &handler{settings: &site.Exec{}}, left: make(chan struct{})}
			p.h.settings.KillAfter.Value = time.Minute
			p.giving.Store(c.giving)
			began := time.Now()
			time.AfterFunc(c.left, func() { close(p.left) })
			go func() {
				for c.takes > 0 && time.Since(began) < c.left {
					time.Sleep(c.takes)
					p.given.Add(1)
				}
			}()
			p.hearOut()
			if took := time.Since(began); took != c.after {
				t.Errorf("%s: waited %v, want %v", c.name, took, c.after)
			}
			<-p.left
			time.Sleep(farewell) // for the others to end
		})
	}
}
