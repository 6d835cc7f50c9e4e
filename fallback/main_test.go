package fallback

import (
	"context"
	"log"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/wstest"
)

// A house is a server in memory.
type house struct {
	t        *testing.T
	srv      *http.Server
	network  *wstest.Network
	sessions *Sessions
	client   *http.Client
	logged   *strings.Builder
}

// in runs f in a bubble with a server of next's WebSockets.
func in(t *testing.T, next http.Handler, o *Options, f func(h *house)) {
	synctest.Test(t, func(t *testing.T) {
		h := &house{t: t, network: wstest.NewNetwork(nil), sessions: new(Sessions), logged: new(strings.Builder)}
		with := Options{}
		if o != nil {
			with = *o
		}
		with.Sessions = h.sessions
		h.srv = &http.Server{Handler: Handler(next, &with), ErrorLog: log.New(h.logged, "", 0)}
		go h.srv.Serve(h.network.Listen("example.com:80"))
		tr := &http.Transport{DialContext: h.network.DialContext, DisableCompression: true}
		h.client = &http.Client{Transport: tr}
		defer func() {
			tr.CloseIdleConnections()
			h.srv.Close()
			<-time.After(time.Minute) // of the bubble: all that is late
			if n := h.sessions.Len(); n != 0 || len(h.sessions.each) != 0 {
				t.Errorf("%d sessions are left, %d clients", n, len(h.sessions.each))
			}
		}()
		f(h)
	})
}

// dial opens a session in one mode.
func (h *house) dial(mode string, o *DialOptions) (*curlew.Conn, error) {
	if o == nil {
		o = &DialOptions{}
	}
	o.DialContext = h.network.DialContext
	if mode != "" {
		o.Modes = []string{mode}
	}
	return Dial(context.Background(), "ws://example.com/echo", o)
}

func echo() *curlew.Events {
	return &curlew.Events{Message: func(c *curlew.Conn, t curlew.Type, p []byte) { c.Send(t, p) }}
}

func echoes(o *curlew.Options) http.Handler {
	ev := echo()
	return curlew.Handle(o, func(*http.Request) (*curlew.Events, error) { return ev, nil })
}
