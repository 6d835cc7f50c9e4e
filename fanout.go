package curlew

import "iter"

// A Fanout is those who get the same messages: the members of a room, the subscribers
// of a channel. S is a pointer to a struct in which a Seat is embedded. The zero value
// is ready for use. It is not for several goroutines at once: the lock under which
// they use it is what gives all members everything in one and the same order. Nothing
// in it blocks.
//
//	type member struct {
//		curlew.Seat
//		conn *curlew.Conn
//	}
//
//	func (r *room) say(t curlew.Type, p []byte) {
//		m := curlew.Prepare(t, p)
//		r.mu.Lock()
//		defer r.mu.Unlock()
//		for to, b := range r.members.All() {
//			b.Send(to.conn, m)
//		}
//	}
type Fanout[S seated] struct{ all []S }

// A Seat is a member's place in a Fanout, of one at a time.
type Seat struct{ number int } // from 1

// Taken reports whether there is one: it is a member.
func (s *Seat) Taken() bool { return s.number > 0 }

func (s *Seat) seat() *Seat { return s }

type seated interface {
	comparable
	seat() *Seat
}

// spare is how many seats a Fanout may keep without need.
const spare = 64

// Len is how many members there are.
func (f *Fanout[S]) Len() int { return len(f.all) }

// Add makes s, who is in no Fanout, a member.
func (f *Fanout[S]) Add(s S) {
	f.all = append(f.all, s)
	s.seat().number = len(f.all)
}

// Remove ends that. Who is no member is passed over.
func (f *Fanout[S]) Remove(s S) {
	seat, last := s.seat(), len(f.all)-1
	if !seat.Taken() {
		return
	}
	moved := f.all[last]
	f.all[seat.number-1], moved.seat().number = moved, seat.number
	f.all[last], seat.number = *new(S), 0
	f.all = f.all[:last]
	if n := cap(f.all); n > spare && last < n/4 {
		f.all = append(make([]S, 0, n/2), f.all...)
	}
}

// All ranges over the members, each with the Batch by which it is to be sent what it
// gets. That leaves behind the last member, or a break, from as many goroutines as
// there are processors, while the caller goes on. Members must not come or go
// meanwhile, and the Batch is not for later.
func (f *Fanout[S]) All() iter.Seq2[S, *Batch] {
	return func(yield func(S, *Batch) bool) {
		b := batchPool.Get().(*Batch)
		defer b.flush()
		for _, s := range f.all {
			if !yield(s, b) {
				return
			}
		}
	}
}
