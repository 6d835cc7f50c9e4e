package server

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"curlew.example/curlew/server/route"
)

// A body is that of a request. A client that sends nothing of it for the time of
// timeouts.inactivity, or not all of it within timeouts.request, or within
// timeouts.close once the answer begins, is not waited for any longer. What the
// handler leaves of it net/http throws away when the answer begins and when it has
// ended, without a limit of its own: timeouts.close is that, too.
//
// There must be no deadline while nobody reads: net/http watches the connection then,
// and takes one for the client's end.
type body struct {
	io.ReadCloser
	rc *http.ResponseController

	mu      sync.Mutex    // guards the following, and the deadline; a handler may read in another goroutine
	idle    time.Duration // timeouts.inactivity, 0 for no limit
	rest    time.Duration // timeouts.close, 0 for no limit
	limit   time.Time     // when all has to be here, or zero
	reading bool          // Read is under way
	silence time.Time     // when it ends for timeouts.inactivity, or zero
	stalled bool          // it has
	ended   bool          // there is no more
	begun   bool          // the answer has, and net/http has thrown away what it does
	duplex  bool          // it goes on beside the answer: in HTTP/2, or as the handler wishes
	over    bool          // the handler has returned: the deadline is net/http's
}

func (b *body) use(idle, rest time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.idle, b.rest = idle, rest
}

// until sets when all has to be here, if that is not set to an earlier time.
func (b *body) until(t time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.limit.IsZero() || t.Before(b.limit) {
		b.limit = t
	}
	if b.reading {
		b.expectLocked()
	}
}

// answered is called when the answer begins. b may be nil.
func (b *body) answered() {
	if b != nil && b.rest > 0 && !b.duplex {
		b.until(time.Now().Add(b.rest))
	}
}

// maxRead is how much is read at once. Of a chunk net/http reads as much before it
// returns: so the time is for that.
const maxRead = 16 << 10

func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	b.reading = true
	b.expectLocked()
	b.mu.Unlock()
	n, err := b.ReadCloser.Read(p[:min(len(p), maxRead)])
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reading = false
	b.ended = b.ended || err == io.EOF
	if !b.silence.IsZero() && errors.Is(err, os.ErrDeadlineExceeded) {
		b.stalled, err = true, route.ErrStalled
	}
	b.expectLocked()
	return n, err
}

// expectLocked sets the deadline for what a Read waits for, none if there is no Read.
func (b *body) expectLocked() {
	if b.over {
		return
	}
	var t time.Time
	b.silence = t
	if b.reading {
		if t = b.limit; b.idle > 0 {
			if at := time.Now().Add(b.idle); t.IsZero() || at.Before(t) {
				t, b.silence = at, at
			}
		}
	}
	b.rc.SetReadDeadline(t)
}

// Stalled is asked by route.Stalled.
func (b *body) Stalled() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stalled || !b.silence.IsZero() && !time.Now().Before(b.silence)
}

// discard is called when net/http may throw the rest away, and discarded when it has
// not or is done; forGood says that it will not again before the answer has ended. b
// may be nil.
func (b *body) discard() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ended && !b.begun && !b.duplex && b.rest > 0 {
		b.rc.SetReadDeadline(time.Now().Add(b.rest))
	}
}

func (b *body) discarded(forGood bool) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ended && !b.begun && !b.duplex {
		b.expectLocked()
		b.begun = forGood
	}
}

// left is called when the handler has returned: what it has left is thrown away,
// unless it has taken the connection. b may be nil.
func (b *body) left(taken bool) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
	if !b.ended && b.rest > 0 && !taken {
		b.rc.SetReadDeadline(time.Now().Add(b.rest))
	}
}
