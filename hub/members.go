package hub

import (
	"container/list"
	"slices"
	"time"
)

// A roster is who is present in a stream.
type roster struct {
	present map[string]*attendee   // by connection, those that leave among them
	leaving list.List              // of *attendee, in the order in which their time is over
	users   map[string][]*attendee // that leave, by their names
}

// An attendee is a member, who is still listed for a while when he leaves.
type attendee struct {
	*Member
	place *list.Element // among those that leave; nil if he stays
	until time.Duration
}

func (ro *roster) empty() bool { return len(ro.present) == 0 }

// first returns who is to go next, or nil.
func (ro *roster) first() *attendee {
	if e := ro.leaving.Front(); e != nil {
		return e.Value.(*attendee)
	}
	return nil
}

// due returns when the first grace is over.
func (ro *roster) due() time.Duration {
	if a := ro.first(); a != nil {
		return a.until
	}
	return never
}

// expired takes out those whose grace is over.
func (ro *roster) expired(now time.Duration) (gone []*Member) {
	for a := ro.first(); a != nil && a.until <= now; a = ro.first() {
		ro.stay(a)
		delete(ro.present, a.Connection)
		gone = append(gone, a.Member)
	}
	return gone
}

// leave notes that one is leaving. Usually he is the last.
func (ro *roster) leave(a *attendee, until time.Duration) {
	e := ro.leaving.Back()
	for e != nil && e.Value.(*attendee).until > until {
		e = e.Prev()
	}
	if a.until = until; e == nil {
		a.place = ro.leaving.PushFront(a)
	} else {
		a.place = ro.leaving.InsertAfter(a, e)
	}
	if a.User != "" {
		if ro.users == nil {
			ro.users = make(map[string][]*attendee)
		}
		ro.users[a.User] = append(ro.users[a.User], a)
	}
}

// stay notes that one does not leave, or has left.
func (ro *roster) stay(a *attendee) {
	ro.leaving.Remove(a.place)
	a.place = nil
	same := ro.users[a.User]
	if i := slices.Index(same, a); i >= 0 && len(same) > 1 {
		ro.users[a.User] = slices.Delete(same, i, i+1)
	} else {
		delete(ro.users, a.User)
	}
}

// returned takes out the one of a user, who has a name, who is leaving, if there is
// one.
func (ro *roster) returned(user string) bool {
	same := ro.users[user]
	if len(same) == 0 {
		return false
	}
	a := same[0]
	ro.stay(a)
	delete(ro.present, a.Connection)
	return true
}

// joinLocked makes m a member. Nobody is told of one who returns.
func (st *stream) joinLocked(m *Member) {
	if st.members == nil {
		st.members = &roster{present: make(map[string]*attendee)}
	}
	ro := st.members
	switch a := ro.present[m.Connection]; {
	case a != nil && a.place != nil:
		ro.stay(a)
	case a == nil && !ro.returned(m.User):
		for _, s := range st.sinks {
			s.Joined(m)
		}
	}
	ro.present[m.Connection] = &attendee{Member: m}
}

// leaveLocked has a member leave after its grace.
func (st *stream) leaveLocked(connection string, now, grace time.Duration) {
	ro := st.members
	if ro == nil {
		return
	}
	a := ro.present[connection]
	switch {
	case a == nil || a.place != nil:
	case grace <= 0:
		delete(ro.present, connection)
		st.leftLocked(a.Member)
	default:
		ro.leave(a, now+grace)
	}
}

func (st *stream) leftLocked(m *Member) {
	for _, s := range st.sinks {
		s.Left(m)
	}
}

// membersLocked are all, in any order.
func (st *stream) membersLocked() []*Member {
	if st.members == nil {
		return nil
	}
	list := make([]*Member, 0, len(st.members.present))
	for _, a := range st.members.present {
		list = append(list, a.Member)
	}
	return list
}
