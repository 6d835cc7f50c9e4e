package server_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew/frame"
	"curlew.example/curlew/server"
	"curlew.example/curlew/server/config"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/wstest"
)

// A bubble is a whole server in memory, by the fake clock of testing/synctest.
type bubble struct {
	t       *testing.T
	server  *server.Server
	network *wstest.Network
	last    *wstest.End   // the server's side of the connection that was made last
	over    chan struct{} // closed when Serve has returned
}

// withTLS is a listener with TLS, in the place of that of a bubble, whose folder has a
// pair: see secure.
const withTLS = "listen: 'https://site:443', tls: { certificate: 'site.pem', key: 'site.key' }, "

// inBubble runs f with the site, whose folder is dir, if not empty; its one
// listener is site:80, unless the text says which.
func inBubble(t *testing.T, dir, text string, more map[string]route.Constructor, f func(t *testing.T, b *bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{t: t, over: make(chan struct{})}
		b.network = wstest.NewNetwork(&wstest.NetworkOptions{Dialed: func(_, server *wstest.End) { b.last = server }})
		handlers := basic()
		var names []string
		for name, h := range more {
			handlers[name] = h
			names = append(names, name)
		}
		if !strings.HasPrefix(text, "listen:") {
			text = "listen: 'site:80', " + text
		}
		s, err := config.Parse(filepath.Join(dir, "site.json5"), []byte("{ log: { requests: false }, "+text+" }"), names...)
		if err != nil {
			t.Fatal(err)
		}
		b.server, err = server.New(s, server.Options{
			Handlers: handlers, Listen: func(_, address string) (net.Listener, error) { return b.network.Listen(address), nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.server.Listen(); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		go func() {
			defer close(b.over)
			if err := b.server.Serve(ctx); err != nil {
				t.Error(err)
			}
		}()
		defer func() {
			stop()
			<-b.over
			time.Sleep(time.Hour) // what waits for the end of a connection has seen it
		}()
		f(t, b)
	})
}

// connect opens a connection.
func (b *bubble) connect() *wstest.End {
	b.t.Helper()
	c, err := b.network.DialContext(b.t.Context(), "tcp", "site:80")
	if err != nil {
		b.t.Fatal(err)
	}
	return c.(*wstest.End)
}

// pairIn writes a certificate into a folder for withTLS, and returns what believes it.
func pairIn(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	c := wstest.Certificate("site")
	writePair(t, filepath.Join(dir, "site"), c)
	return wstest.Roots(c)
}

// secure opens a connection with TLS.
func (b *bubble) secure(roots *x509.CertPool) *tls.Conn {
	b.t.Helper()
	c, err := b.network.DialContext(b.t.Context(), "tcp", "site:443")
	if err != nil {
		b.t.Fatal(err)
	}
	s := tls.Client(c, &tls.Config{RootCAs: roots, ServerName: "site"})
	if err := s.HandshakeContext(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	return s
}

// peer opens a WebSocket that the test plays, and returns the answer, too.
func (b *bubble) peer(path string) (*wstest.Peer, http.Header) {
	b.t.Helper()
	p, a := wstest.Open(b.t, b.connect(), path, http.Header{})
	return p, a.Header
}

// pass lets time go by.
func (b *bubble) pass(d time.Duration) { <-time.After(d) }

// onTime checks how long something took that was to take d: never less, and no
// more than a tenth or 100 ms more, whichever is larger.
func onTime(t testing.TB, what string, began time.Time, d time.Duration) {
	t.Helper()
	if took := time.Since(began); took < d || took > d+max(d/10, 100*time.Millisecond) {
		t.Errorf("%s after %v, want %v", what, took, d)
	}
}

// nextBut returns the next frame that has none of these opcodes.
func nextBut(p *wstest.Peer, why string, not ...frame.Opcode) wstest.Frame {
	for {
		if f := p.Next(why); !slices.Contains(not, f.Opcode) {
			return f
		}
	}
}

// wantEnd waits for a Close, and checks its code and reason.
func wantEnd(t testing.TB, p *wstest.Peer, code frame.Code, reason string) {
	t.Helper()
	f := nextBut(p, "the end", frame.Ping, frame.Text, frame.Binary, frame.Continuation)
	if got, why, _ := frame.ParseClose(f.Payload); f.Opcode != frame.Close || got != code || reason != wstest.AnyReason && why != reason {
		t.Errorf("%v, want a Close with %d %q", f, code, reason)
	}
}
