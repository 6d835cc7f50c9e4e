package conform

import (
	"crypto/tls"
	"fmt"
	"net"
	"time"
)

// The words for the stream below: its ends, and who reads and writes when.

// under returns what a connection runs on in the end.
func under(c net.Conn) net.Conn {
	for {
		outer, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return c
		}
		c = outer.NetConn()
	}
}

// reset ends the TCP connection with a reset.
func reset() Step {
	return do(func(s *session) error {
		s.over = true
		s.note(true, "reset")
		switch c := under(s.conn).(type) {
		case interface{ SetLinger(int) error }:
			c.SetLinger(0)
			c.(net.Conn).Close()
		case interface{ Reset() }:
			c.Reset()
		default:
			return &finding{verdict: Unimplemented, note: "this kind of stream has no reset"}
		}
		return nil
	})
}

// cut ends our half of the TCP connection below TLS, which says nothing of it, as
// an attacker can. RFC 8446, 6.1.
func cut() Step {
	return do(func(s *session) error {
		c := s.conn
		if u, ok := c.(*unread); ok {
			c = u.Conn
		}
		if _, ok := c.(*tls.Conn); !ok {
			s.over = true
			return &finding{verdict: Unimplemented, note: "there is no TLS"}
		}
		s.note(true, "end of stream, below TLS")
		if c, ok := under(c).(interface{ CloseWrite() error }); ok {
			c.CloseWrite()
			return nil
		}
		return &finding{verdict: Unimplemented, note: "this kind of stream has no half-close"}
	})
}

// hold stops reading, so that the peer's writes have to wait at some time. What is
// being read already may come.
func hold() Step {
	return do(func(s *session) error {
		if c, ok := under(s.conn).(interface{ SetReadBuffer(int) error }); ok {
			c.SetReadBuffer(64 << 10)
		}
		s.note(true, "(reads no more)")
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.held == nil {
			s.held = make(chan struct{})
		}
		return nil
	})
}

// release goes on reading.
func release() Step {
	return do(func(s *session) error { s.release(); return nil })
}

func (s *session) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held != nil {
		close(s.held)
		s.held = nil
	}
}

// mayRead waits while reading is held up.
func (s *session) mayRead() {
	s.mu.Lock()
	held := s.held
	s.mu.Unlock()
	if held != nil {
		<-held
	}
}

// meanwhile writes frames in one piece while it plays steps, and waits for both.
func meanwhile(frames []frame, then ...Step) Step {
	return do(func(s *session) error {
		p := s.encode(frames)
		written := make(chan struct{})
		go func() {
			defer close(written)
			s.conn.SetWriteDeadline(time.Now().Add(s.wait()))
			s.conn.Write(p)
		}()
		err := s.play(then)
		<-written
		return err
	})
}

// during writes frames again and again, at most so many times, until the steps are
// done, and then plays what after says.
func during(frames []frame, most int, steps []Step, after func(times int) []Step) Step {
	return do(func(s *session) error {
		p := s.encode(frames)
		stop, written := make(chan struct{}), make(chan int)
		go func() {
			n := 0
			defer func() { written <- n }()
			for ; n < most; n++ {
				select {
				case <-stop:
					if n > 0 {
						return
					}
				default:
				}
				s.conn.SetWriteDeadline(time.Now().Add(s.wait()))
				if _, err := s.conn.Write(p); err != nil {
					return
				}
			}
		}()
		err := s.play(steps)
		close(stop)
		n := <-written
		s.note(true, fmt.Sprintf("(all that %d times)", n))
		if err != nil {
			return err
		}
		return s.play(after(n))
	})
}

// slowly writes each octet by itself, with a pause before it.
func slowly(d time.Duration, f ...frame) Step {
	return do(func(s *session) error {
		for _, b := range s.encode(f) {
			if err := pause(d).run(s); err != nil {
				return err
			}
			s.write([]byte{b})
		}
		return nil
	})
}

// within plays steps that are to take no longer than d; one that does is not
// strict.
func within(d time.Duration, then ...Step) Step {
	return do(func(s *session) error {
		began := time.Now()
		err := s.play(then)
		if took := time.Since(began); took > d*s.o.scale() {
			s.mark(NonStrict, fmt.Sprintf("it took %v", took.Round(time.Millisecond)))
		}
		return err
	})
}

// served checks that others are, where a server is tested.
func served() Step {
	return do(func(s *session) error {
		if !s.client || s.target == nil {
			return nil
		}
		return also(echo(text("others"))).run(s)
	})
}
