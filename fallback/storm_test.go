package fallback

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Whatever is asked of a session at once, by whoever, it neither stands still nor
// holds more than its windows, and it ends.
func TestStorm(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			h := &house{t: t, sessions: new(Sessions), base: "http://example.com/echo", conns: make(chan net.Conn, 1)}
			h.client = &http.Client{Transport: direct{Handler(http.HandlerFunc(h.accept), &Options{Window: 100, Sessions: h.sessions})}}
			v := h.open()
			s := h.sessions.find(v.id)
			var wg sync.WaitGroup
			for i := range uint64(12) {
				rng := rand.New(rand.NewPCG(seed, i))
				wg.Go(func() {
					for range 60 {
						v.storm(s, rng)
					}
				})
			}
			go io.Copy(onlyWriter{v.conn}, onlyReader{v.conn})
			wg.Wait()
			h.pass(5 * time.Minute)
			if n := h.sessions.Len(); n != 0 || len(s.in)+len(s.out) > 200 {
				t.Errorf("seed %d: %d sessions, %d and %d bytes", seed, n, len(s.in), len(s.out))
			}
			if _, err := v.conn.Write([]byte("x")); err == nil {
				t.Errorf("seed %d: it has not ended", seed)
			}
		})
	}
}

// storm makes one request, or does something to the handler's connection.
func (v *visit) storm(s *session, rng *rand.Rand) {
	s.mu.Lock()
	acked, sent, received := s.acked, s.endLocked(), s.received
	s.mu.Unlock()
	near := func(at int64) int64 { return max(0, at+rng.Int64N(5)-2) }
	between := acked + rng.Int64N(sent-acked+1)
	switch rng.IntN(9) {
	case 0:
		v.get(fmt.Sprintf("at=%d&mode=poll&wait=%d", between, rng.IntN(200)))
	case 1:
		v.get(fmt.Sprintf("at=%d&mode=poll&wait=0", near(acked)))
	case 2, 3:
		r, err := v.start("GET", fmt.Sprintf("%s?curlew=%s&at=%d&mode=%s", v.base, v.id, between, []string{"stream", "sse"}[rng.IntN(2)]), nil)
		if err == nil {
			<-time.After(time.Duration(rng.IntN(300)) * time.Millisecond)
			r.Body.Close()
		}
	case 4, 5:
		v.post(fmt.Sprintf("at=%d&ack=%d", near(received), near(between)), strings.Repeat("x", rng.IntN(120)))
	case 6:
		body, w := io.Pipe()
		n := rng.IntN(4)
		go func() {
			for range n {
				io.WriteString(w, "slow")
				<-time.After(time.Second)
			}
			w.Close()
		}()
		read(v.start("POST", fmt.Sprintf("%s?curlew=%s&at=%d", v.base, v.id, received), body))
		body.Close()
	case 7:
		v.conn.SetDeadline(time.Now().Add(time.Duration(rng.IntN(100)-10) * time.Millisecond))
		v.conn.SetDeadline(time.Time{})
	case 8:
		switch rng.IntN(100) {
		case 0:
			v.delete()
		case 1:
			v.conn.Close()
		case 2:
			s.CloseWrite()
		}
	}
}
