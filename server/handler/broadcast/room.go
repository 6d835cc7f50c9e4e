package broadcast

import (
	"crypto/rand"
	"fmt"
	"net/url"
	"strings"
	"sync"

	"curlew.example/curlew"
)

// A room is everyone on one path.
type room struct {
	place place
	users int // connections that have joined and not left; guarded by Rooms.mu

	// Held while a message is given to all, which never blocks: so all get
	// everything in the same order.
	mu      sync.Mutex // guards the following
	members curlew.Fanout[*member]
}

// add lets m in, and tells the others.
func (r *room) add(m *member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.members.Add(m)
	r.announceLocked("join", m)
}

// remove lets m out, and tells the others if told is set.
func (r *room) remove(m *member, told bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.members.Remove(m)
	if told {
		r.announceLocked("leave", m)
	}
}

// say gives a message to all but one, or with nil to all. p is copied.
func (r *room) say(t curlew.Type, p []byte, except *member) {
	message := curlew.Prepare(t, p) // framed and compressed once for all
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sendLocked(message, except)
}

// announceLocked tells all but m that m comes or goes, if m's route says so.
func (r *room) announceLocked(event string, m *member) {
	if m.id != "" {
		text := fmt.Appendf(nil, `{"event":"%s","id":"%s","count":%d}`, event, m.id, r.members.Len())
		r.sendLocked(curlew.Prepare(curlew.Text, text), m)
	}
}

func (r *room) sendLocked(message *curlew.Prepared, except *member) {
	for m, b := range r.members.All() {
		if m != except {
			// An error is this member's: its connection is ending, or its queue is
			// full and the policy has been applied.
			b.Send(m.conn, message)
		}
	}
}

// newID returns an id that no other connection has.
func newID() string { return rand.Text() }

// canonical returns a path with all escaped alike, segment by segment.
func canonical(u *url.URL) string {
	segments := strings.Split(u.EscapedPath(), "/")
	for i, s := range segments {
		if plain, err := url.PathUnescape(s); err == nil {
			segments[i] = url.PathEscape(plain)
		}
	}
	return strings.Join(segments, "/")
}
