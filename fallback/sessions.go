package fallback

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
)

// Sessions are those of one or more handlers. The zero value is ready for use.
type Sessions struct {
	mu   sync.Mutex // of a session is taken before this one
	byID map[string]*session
	each map[string]*share // by client; none is empty
}

// A share is what a client has.
type share struct{ fresh, ended int }

// Len returns how many there are, those among them that have ended and of which
// the client has not taken everything.
func (ss *Sessions) Len() int {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return len(ss.byID)
}

// Handler returns the handler that opened the session that a request belongs to, or
// nil if there is none: for servers whose handlers come and go while sessions stay.
// Other handlers with the same Sessions leave a session to it, too.
func (ss *Sessions) Handler(r *http.Request) http.Handler {
	if s := ss.of(r); s != nil {
		return s.by
	}
	return nil
}

// of returns the session that a request belongs to, or nil.
func (ss *Sessions) of(r *http.Request) *session {
	_, ours, _ := split(r.URL.RawQuery)
	first, _, _ := strings.Cut(ours, "&")
	s := ss.find(strings.TrimPrefix(first, Param+"="))
	if s == nil || s.path != r.URL.EscapedPath() {
		return nil
	}
	return s
}

// newID returns 128 random bits. There is no going on without them: rand.Read
// ends the program if there are none.
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func (ss *Sessions) find(id string) *session {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.byID[id]
}

// add makes s known as one that no GET has asked for, or reports that its client
// has too many of them.
func (ss *Sessions) add(s *session) bool {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.byID == nil {
		ss.byID, ss.each = make(map[string]*session), make(map[string]*share)
	}
	if !ss.countLocked(s, countedFresh) {
		return false
	}
	ss.byID[s.id] = s
	return true
}

// forget takes s out of everything. s is locked.
func (ss *Sessions) forget(s *session) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.countLocked(s, notCounted)
	delete(ss.byID, s.id)
}

// count counts s, which is locked, among others than before, or reports that its
// client has too many of those.
func (ss *Sessions) count(s *session, as counted) bool {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.countLocked(s, as)
}

func (ss *Sessions) countLocked(s *session, as counted) bool {
	c := ss.each[s.client]
	if c == nil {
		c = new(share)
	}
	switch {
	case as == s.counted:
		return true
	case as == countedFresh && c.fresh >= maxFresh, as == countedEnded && c.ended >= maxEnded:
		return false
	}
	c.add(s.counted, -1)
	c.add(as, 1)
	s.counted = as
	if *c == (share{}) {
		delete(ss.each, s.client)
	} else {
		ss.each[s.client] = c
	}
	return true
}

func (c *share) add(as counted, n int) {
	switch as {
	case countedFresh:
		c.fresh += n
	case countedEnded:
		c.ended += n
	}
}

// asked reports whether a GET has come for s, which is locked.
func (ss *Sessions) asked(s *session) bool {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return s.counted != countedFresh
}
