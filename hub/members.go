package hub

import (
	"slices"
	"strings"
	"time"
)

// A roster is who is present in a stream.
type roster struct {
	present map[string]*Member // by connection, those that leave among them
	leaving []leaver           // in the order in which their time is over
}

// A leaver is still listed, for a while.
type leaver struct {
	member *Member
	until  time.Duration
}

func (ro *roster) empty() bool { return len(ro.present) == 0 }

// due returns when the first grace is over.
func (ro *roster) due() time.Duration {
	if len(ro.leaving) == 0 {
		return never
	}
	return ro.leaving[0].until
}

// expired takes out those whose grace is over.
func (ro *roster) expired(now time.Duration) (gone []*Member) {
	for len(ro.leaving) > 0 && ro.leaving[0].until <= now {
		m := ro.leaving[0].member
		ro.leaving = ro.leaving[1:]
		delete(ro.present, m.Connection)
		gone = append(gone, m)
	}
	return gone
}

// returned takes out the one of a user, who has a name, who is leaving, if there is
// one.
func (ro *roster) returned(user string) bool {
	i := slices.IndexFunc(ro.leaving, func(l leaver) bool { return user != "" && l.member.User == user })
	if i < 0 {
		return false
	}
	delete(ro.present, ro.leaving[i].member.Connection)
	ro.leaving = slices.Delete(ro.leaving, i, i+1)
	return true
}

// joinLocked makes m a member. Nobody is told of one who returns.
func (st *stream) joinLocked(m *Member) {
	if st.members == nil {
		st.members = &roster{present: make(map[string]*Member)}
	}
	ro := st.members
	i := slices.IndexFunc(ro.leaving, func(l leaver) bool { return l.member.Connection == m.Connection })
	switch {
	case i >= 0:
		ro.leaving = slices.Delete(ro.leaving, i, i+1)
	case ro.present[m.Connection] == nil && !ro.returned(m.User):
		for _, s := range st.sinks {
			s.Joined(m)
		}
	}
	ro.present[m.Connection] = m
}

// leaveLocked has a member leave after its grace.
func (st *stream) leaveLocked(connection string, now, grace time.Duration) {
	ro := st.members
	if ro == nil {
		return
	}
	m := ro.present[connection]
	if m == nil || slices.ContainsFunc(ro.leaving, func(l leaver) bool { return l.member == m }) {
		return
	}
	if grace <= 0 {
		delete(ro.present, connection)
		st.leftLocked(m)
		return
	}
	until := now + grace
	i := len(ro.leaving)
	for i > 0 && ro.leaving[i-1].until > until {
		i--
	}
	ro.leaving = slices.Insert(ro.leaving, i, leaver{m, until})
}

func (st *stream) leftLocked(m *Member) {
	for _, s := range st.sinks {
		s.Left(m)
	}
}

// membersLocked are all, in the order of their users' names.
func (st *stream) membersLocked() []*Member {
	if st.members == nil {
		return nil
	}
	list := make([]*Member, 0, len(st.members.present))
	for _, m := range st.members.present {
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b *Member) int {
		if c := strings.Compare(a.User, b.User); c != 0 {
			return c
		}
		return strings.Compare(a.Connection, b.Connection)
	})
	return list
}
