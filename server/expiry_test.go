package server_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"curlew.example/curlew/server"
	"curlew.example/curlew/wstest"
)

// HB6: when a token expires is told by the clock on the wall, which may be put
// forward, or go on while the machine sleeps and no timer does.
func TestHB6ClockPutForward(t *testing.T) {
	inBubble(t, "", `webSockets: { ping: 'never' }, timeouts: { inactivity: 'unlimited' }, routes: [{ handler: 'echo', auth: { jwt: { keys: `+inlineKey+`, leeway: '1 ms' } } }]`, nil, func(t *testing.T, b *bubble) {
		var ahead atomic.Int64
		server.SetExpiryClock(b.server, func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) })
		connect := func(life time.Duration) *wstest.Peer {
			p, _ := wstest.Open(t, b.connect(), "/", http.Header{"Authorization": {"Bearer " + token(t, time.Now().Add(life))}})
			return p
		}
		short, long := connect(time.Hour), connect(3*time.Hour)
		<-time.After(time.Minute)
		ahead.Store(int64(time.Hour))
		began := time.Now()
		wantEnd(t, short, 4401, "token expired")
		if d := time.Since(began); d > time.Second {
			t.Errorf("closed %v behind", d)
		}
		long.Send(wstest.Text("x"))
		long.Want("the echo", wstest.Text("x"))
		// Put back, it takes as much longer.
		ahead.Store(-int64(time.Hour))
		<-time.After(3 * time.Hour)
		long.Send(wstest.Text("y"))
		long.Want("the echo", wstest.Text("y"))
		<-time.After(58 * time.Minute)
		began = time.Now()
		wantEnd(t, long, 4401, "token expired")
		if d := time.Since(began); d > 3*time.Minute {
			t.Errorf("closed %v later", d)
		}
	})
}
