package hub

import (
	"cmp"
	"container/heap"
	"math"
	"slices"
	"sync"
	"time"

	"curlew.example/curlew/hub/proto"
)

// never is an instant that does not come.
const never = time.Duration(math.MaxInt64)

// A stream is a channel in memory. Its instants are those of the broker.
type stream struct {
	name   string
	epoch  string
	stored *budget // of all

	// The shard's lock guards these.
	users int           // who are about to lock it
	due   time.Duration // when it is to be looked at, or never
	at    int           // in the agenda, -1 if it is not there
	idle  bool          // counted as such

	mu      sync.Mutex    // guards the following
	top     int64         // offset of the last message
	known   bool          // somebody may have a position
	last    time.Duration // when a message was published, history asked for, or the last sink left
	kept    []*Message    // the oldest first; cut off in front, appended to behind
	age     time.Duration
	sinks   []Sink
	members *roster // nil: nobody was ever here
}

func (st *stream) topLocked() Position { return Position{Epoch: st.epoch, Offset: st.top} }

// publishLocked stores a message and delivers it.
func (st *stream) publishLocked(p *Publication, k Keep, now time.Duration) *Message {
	m := &Message{Prev: st.top, stored: now, Message: proto.Message{
		Channel: st.name, Position: Position{Epoch: st.epoch, Offset: st.top + 1},
		Data: p.Data, Binary: p.Binary, User: p.User, Key: p.Key, Time: time.Now().UnixMilli(),
	}}
	st.top, st.last, st.age, st.known = m.Offset, now, k.Age, true
	if k.Size > 0 {
		if len(st.kept) == 0 {
			st.stored.used.Add(channelCost)
		}
		st.kept = append(st.kept, m)
		st.stored.used.Add(costOf(m))
	}
	if extra := len(st.kept) - k.Size; extra > 0 {
		st.dropLocked(extra)
	}
	st.trimLocked(now)
	for len(st.kept) > 0 && st.stored.spent() {
		st.dropLocked(1)
	}
	for _, s := range st.sinks {
		s.Deliver(m)
	}
	return m
}

// dropLocked forgets the oldest n messages.
func (st *stream) dropLocked(n int) {
	for i, m := range st.kept[:n] {
		st.stored.used.Add(-costOf(m))
		st.kept[i] = nil
	}
	if st.kept = st.kept[n:]; len(st.kept) == 0 {
		st.kept = nil
		st.stored.used.Add(-channelCost)
	} else if c := cap(st.kept); c > 64 && len(st.kept) < c/4 {
		st.kept = slices.Clone(st.kept)
	}
}

// trimLocked forgets what is too old.
func (st *stream) trimLocked(now time.Duration) {
	if st.age <= 0 {
		return
	}
	n, _ := slices.BinarySearchFunc(st.kept, now-st.age, func(m *Message, t time.Duration) int { return cmp.Compare(m.stored, t+1) })
	if n > 0 {
		st.dropLocked(n)
	}
}

// expireLocked does what is due.
func (st *stream) expireLocked(now time.Duration) {
	st.trimLocked(now)
	if st.members != nil {
		for _, m := range st.members.expired(now) {
			st.leftLocked(m)
		}
	}
}

// dueLocked returns when the stream is to be looked at: always, that is at 0, if
// nothing is left of it. idle says that only its position is.
func (st *stream) dueLocked(now time.Duration) (due time.Duration, idle bool) {
	due = never
	if len(st.kept) > 0 && st.age > 0 {
		due = st.kept[0].stored + st.age
	}
	if st.members != nil {
		due = min(due, st.members.due())
		if st.members.empty() {
			st.members = nil
		}
	}
	if len(st.kept) == 0 && len(st.sinks) == 0 && st.members == nil {
		if !st.known || st.last+linger <= now {
			return 0, true
		}
		return st.last + linger, true
	}
	return due, false
}

func (st *stream) historyLocked(q Query, now time.Duration) *Page {
	st.trimLocked(now)
	p := &Page{Position: st.topLocked()}
	oldest := st.top + 1
	if len(st.kept) > 0 {
		oldest = st.kept[0].Offset
	}
	from, to := 0, len(st.kept) // of kept
	if q.Since != nil {
		since := q.Since.Offset
		switch {
		case q.Since.Epoch != st.epoch || since > st.top:
			p.Lost = true
		case q.Reverse:
			to = int(min(max(since-oldest, 0), int64(to)))
		default:
			p.Lost = since < oldest-1
			from = int(min(max(since+1-oldest, 0), int64(to)))
		}
	}
	if n := max(q.Limit, 0); q.Reverse {
		p.Messages = slices.Clone(st.kept[max(from, to-n):to])
		slices.Reverse(p.Messages)
	} else {
		p.Messages = slices.Clone(st.kept[from:min(to, from+n)])
	}
	return p
}

// An agenda is the streams of which something is due, for package heap.
type agenda []*stream

// set puts a stream where it belongs, and reports whether another one is the first
// now.
func (a *agenda) set(st *stream, due time.Duration) (changed bool) {
	if due == st.due {
		return false
	}
	first := a.first()
	st.due = due
	switch {
	case due == never && st.at >= 0:
		heap.Remove(a, st.at)
	case due == never:
	case st.at >= 0:
		heap.Fix(a, st.at)
	default:
		heap.Push(a, st)
	}
	return a.first() != first
}

// first returns when the first one is due.
func (a agenda) first() time.Duration {
	if len(a) == 0 {
		return never
	}
	return a[0].due
}

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].due < a[j].due }

func (a agenda) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].at, a[j].at = i, j
}

func (a *agenda) Push(v any) {
	st := v.(*stream)
	st.at = len(*a)
	*a = append(*a, st)
}

func (a *agenda) Pop() any {
	n := len(*a) - 1
	st := (*a)[n]
	(*a)[n] = nil
	*a = (*a)[:n]
	st.at = -1
	return st
}
