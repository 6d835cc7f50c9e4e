package hub

import (
	"crypto/sha256"
	"sync"
	"time"
)

// maxAnswers is how many answers of the webhook are remembered.
const maxAnswers = 10_000

// answers are those of the webhook, for a while.
type answers struct {
	keep time.Duration // 0: none are remembered

	mu      sync.Mutex // guards the following
	known   map[[sha256.Size]byte]remembered
	cleared int // times
}

type remembered struct {
	*verdict
	until time.Time
}

func newAnswers(keep time.Duration) *answers { return &answers{keep: keep} }

// find returns an answer, or nil and what add is to be told of when it was asked for.
func (a *answers) find(key [sha256.Size]byte, now time.Time) (v *verdict, asked int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r, ok := a.known[key]; ok && now.Before(r.until) {
		v = r.verdict
	}
	return v, a.cleared
}

// add remembers an answer, unless clear was called since it was asked for.
func (a *answers) add(key [sha256.Size]byte, v *verdict, asked int, now time.Time) {
	if a.keep <= 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if asked != a.cleared {
		return
	}
	if a.known == nil {
		a.known = make(map[[sha256.Size]byte]remembered)
	}
	if len(a.known) >= maxAnswers {
		a.makeRoomLocked(now)
	}
	a.known[key] = remembered{v, now.Add(a.keep)}
}

// makeRoomLocked forgets those whose time is over, and if they are few a tenth of the
// others, whichever.
func (a *answers) makeRoomLocked(now time.Time) {
	for key, r := range a.known {
		if !now.Before(r.until) {
			delete(a.known, key)
		}
	}
	for key := range a.known {
		if len(a.known) < maxAnswers*9/10 {
			return
		}
		delete(a.known, key)
	}
}

func (a *answers) clear() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known = nil
	a.cleared++
}
