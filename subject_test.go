package curlew_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/wstest"
)

// TestMain fails if a goroutine is left over.
func TestMain(m *testing.M) {
	before := goroutines()
	code := m.Run()
	if left := leaked(before); left != "" && code == 0 {
		fmt.Printf("goroutines left over:\n%s\n", left)
		code = 1
	}
	os.Exit(code)
}

// goroutines returns the stacks of this package's own goroutines by their id.
func goroutines() map[string]string {
	buf := make([]byte, 4<<20)
	buf = buf[:runtime.Stack(buf, true)]
	all := map[string]string{}
	for _, g := range strings.Split(string(buf), "\n\n") {
		id, _, _ := strings.Cut(g, " [")
		if strings.Contains(g, "curlew") && !strings.Contains(g, "TestMain") {
			all[id] = g
		}
	}
	return all
}

// leaked waits a while until no goroutine is left besides those of before.
func leaked(before map[string]string) string {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	patience := time.After(time.Minute) // only so that a bug ends
	for {
		var left []string
		for id, g := range goroutines() {
			if before[id] == "" {
				left = append(left, g)
			}
		}
		if len(left) == 0 {
			return ""
		}
		select {
		case <-tick.C:
		case <-patience:
			return strings.Join(left, "\n\n")
		}
	}
}

// A kind of stream, and how to make one: our end and the Peer's.
type kind struct {
	name string
	open func(t testing.TB, role curlew.Role) (ours, peers net.Conn)
}

var (
	memory  = kind{"memory", openMemory}
	chopped = kind{"chopped", openChopped}
	overTCP = kind{"tcp", openTCP}
	overTLS = kind{"tls", openTLS}

	dribbled = kind{"dribbled", openDribbled} // for the engine, which wants TCP
)

// everyKind are the kinds on which a behaviour may differ.
var everyKind = []kind{memory, chopped, overTCP, overTLS}

func openMemory(testing.TB, curlew.Role) (ours, peers net.Conn) {
	a, b := wstest.NewLink(nil)
	return a, b
}

// openChopped gives one byte at a time.
func openChopped(testing.TB, curlew.Role) (ours, peers net.Conn) {
	a, b := wstest.NewLink(nil)
	a.LimitRead(1)
	return a, b
}

func openTCP(t testing.TB, _ curlew.Role) (ours, peers net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		c, _ := l.Accept()
		accepted <- c
	}()
	ours, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if peers = <-accepted; peers == nil {
		t.Fatal("not accepted")
	}
	return ours, peers
}

// openDribbled is TCP with a peer that sends byte by byte.
func openDribbled(t testing.TB, role curlew.Role) (ours, peers net.Conn) {
	ours, peers = openTCP(t, role)
	return ours, dribbling{peers.(*net.TCPConn)}
}

// A dribbling connection sends the beginning of all it is given byte by byte.
type dribbling struct{ *net.TCPConn }

func (d dribbling) Write(p []byte) (n int, err error) {
	for ; n < len(p) && n < 200 && err == nil; n++ {
		_, err = d.TCPConn.Write(p[n : n+1])
	}
	if err != nil || n == len(p) {
		return n, err
	}
	m, err := d.TCPConn.Write(p[n:])
	return n + m, err
}

// ReadFrom is not for io.Copy to pass by Write.
func (d dribbling) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{d}, r)
}

var certificate = sync.OnceValue(func() tls.Certificate { return wstest.Certificate("example.com") })

func openTLS(t testing.TB, role curlew.Role) (ours, peers net.Conn) {
	t.Helper()
	a, b := openTCP(t, role)
	return secure(t, role, a, b)
}

// secure puts TLS on both ends, past its handshake.
func secure(t testing.TB, role curlew.Role, a, b net.Conn) (ours, peers net.Conn) {
	t.Helper()
	server := &tls.Config{Certificates: []tls.Certificate{certificate()}}
	client := &tls.Config{RootCAs: wstest.Roots(certificate()), ServerName: "example.com"}
	var o, p *tls.Conn
	if role == curlew.Server {
		o, p = tls.Server(a, server), tls.Client(b, client)
	} else {
		o, p = tls.Client(a, client), tls.Server(b, server)
	}
	done := make(chan error, 1)
	go func() { done <- o.HandshakeContext(t.Context()) }()
	if err := p.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return o, p
}

// A driver is how an application uses a connection: a loop of Reads, Serve, or
// Handle behind net/http. There is no Handle for clients: Serve stands in.
type driver string

const (
	byRead   driver = "read"
	byEvents driver = "events"
	byHandle driver = "handle"

	byGoroutine driver = "goroutine" // byHandle, with Options.GoroutinePerConn
)

var everyDriver = []driver{byRead, byEvents, byHandle}

// A subject is a connection under test whose application echoes every message,
// and the Peer it talks to.
type subject struct {
	t *testing.T
	c *curlew.Conn
	p *wstest.Peer
	d driver

	offer http.Header   // of the handshake with Handle
	ended chan struct{} // the application has returned

	mu       sync.Mutex // guards the following
	messages []string   // "text hello"
	errs     []error    // what Events.Error was told
	closes   int        // calls of Events.Close
	err      error      // what Read or Serve returned
}

// open returns a subject.
func open(t *testing.T, k kind, d driver, role curlew.Role, o *curlew.Options) *subject {
	t.Helper()
	ours, peers := k.open(t, role)
	return openOn(t, ours, peers, d, role, o)
}

func other(role curlew.Role) curlew.Role {
	if role == curlew.Server {
		return curlew.Client
	}
	return curlew.Server
}

// openOn is open on a stream that is there.
func openOn(t *testing.T, ours, peers net.Conn, d driver, role curlew.Role, o *curlew.Options) *subject {
	t.Helper()
	s := &subject{t: t, d: d, ended: make(chan struct{})}
	t.Cleanup(func() { s.c.Abort(errors.New("the test is over")) })
	if d == byGoroutine {
		with := curlew.Options{}
		if o != nil {
			with = *o
		}
		with.GoroutinePerConn = true
		d, o = byHandle, &with
	}
	if d == byHandle && role == curlew.Server {
		s.handle(ours, peers, o)
		return s
	}
	s.c = curlew.NewConn(ours, role, o)
	s.p = wstest.NewPeer(t, peers, other(role))
	if d == byRead {
		go s.read()
	} else {
		go s.serve()
	}
	return s
}

// handle is a Handle on ours with the events of a subject.
func (s *subject) handle(ours, peers net.Conn, o *curlew.Options) {
	s.t.Helper()
	ev := s.events()
	told := ev.Close
	ev.Close = func(c *curlew.Conn, e *curlew.CloseError) {
		told(c, e)
		close(s.ended)
	}
	s.handleWith(ours, peers, o, ev)
}

// handleWith makes the handshake with a Handle on ours.
func (s *subject) handleWith(ours, peers net.Conn, o *curlew.Options, ev *curlew.Events) {
	s.t.Helper()
	opened := make(chan *curlew.Conn, 1)
	open := ev.Open
	ev.Open = func(c *curlew.Conn) {
		opened <- c
		if open != nil {
			open(c)
		}
	}
	l := &onlyListener{conn: ours, closed: make(chan struct{})}
	srv := &http.Server{Handler: curlew.Handle(o, func(*http.Request) (*curlew.Events, error) { return ev, nil })}
	s.t.Cleanup(func() { srv.Close() })
	go srv.Serve(l)
	s.p, _ = wstest.Open(s.t, peers, "/", s.offer)
	s.c = <-opened
}

// An onlyListener accepts one connection, which is there already.
type onlyListener struct {
	mu     sync.Mutex
	conn   net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *onlyListener) Accept() (net.Conn, error) {
	l.mu.Lock()
	c := l.conn
	l.conn = nil
	l.mu.Unlock()
	if c != nil {
		return c, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *onlyListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *onlyListener) Addr() net.Addr { return wstest.Addr("example.com:80") }

func (s *subject) read() {
	defer close(s.ended)
	ctx := context.Background()
	var buf []byte
	for {
		typ, p, err := s.c.Read(ctx, buf[:0])
		if err != nil {
			s.returned(err)
			return
		}
		s.got(typ, p)
		s.c.Write(ctx, typ, p)
		buf = p
	}
}

func (s *subject) serve() {
	defer close(s.ended)
	s.returned(curlew.Serve(context.Background(), s.c, s.events()))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closes != 1 {
		s.t.Errorf("%d calls of Close, want exactly one", s.closes)
	}
}

func (s *subject) events() *curlew.Events {
	return &curlew.Events{
		Message: func(c *curlew.Conn, typ curlew.Type, p []byte) {
			s.got(typ, p)
			c.Send(typ, p)
		},
		Error: func(_ *curlew.Conn, err error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.errs = append(s.errs, err)
			if s.closes > 0 || len(s.errs) > 1 {
				s.t.Errorf("Error after Close, or not the first one: %v", s.errs)
			}
		},
		Close: func(c *curlew.Conn, e *curlew.CloseError) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.closes++
			if s.closes > 1 {
				s.t.Error("Close was called twice")
			}
			if e == nil || e != c.Err() {
				s.t.Errorf("Close was told %v, Err is %v", e, c.Err())
			}
		},
	}
}

func (s *subject) got(typ curlew.Type, p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = append(s.messages, typ.String()+" "+string(p))
}

func (s *subject) returned(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// received returns the messages that the application was given.
func (s *subject) received() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.messages
}

// end waits until the connection and the application have ended and returns what
// ended it. Everything that is told about it must agree.
func (s *subject) end() *curlew.CloseError {
	s.t.Helper()
	wait(s.t, "the connection's end", s.c.Done())
	wait(s.t, "the application's end", s.ended)
	err := s.c.Err()
	var e *curlew.CloseError
	if !errors.As(err, &e) || !errors.Is(err, net.ErrClosed) {
		s.t.Fatalf("Err = %v, want a *CloseError that is net.ErrClosed", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	want := err
	if s.d != byRead {
		want = nil // Events.Close was told
	}
	if s.err != want {
		s.t.Errorf("Read or Serve returned %v, want %v", s.err, want)
	}
	return e
}

// wantEnd is end and compares. A failure of ours or a lost stream is an Error,
// an orderly end is none.
func (s *subject) wantEnd(code curlew.Code, remote, orderly bool) *curlew.CloseError {
	s.t.Helper()
	e := s.end()
	if e.Code != code || e.Remote != remote || e.Orderly() != orderly {
		s.t.Errorf("ended with code %d, remote %t, orderly %t (%v); want %d, %t, %t",
			e.Code, e.Remote, e.Orderly(), e, code, remote, orderly)
	}
	return e
}

// wantMessages compares what the application was given so far.
func (s *subject) wantMessages(want ...string) {
	s.t.Helper()
	got := s.received()
	if len(got) != len(want) {
		s.t.Fatalf("%d messages %.200q, want %d: %.200q", len(got), got, len(want), want)
	}
	for i := range got {
		if got[i] != want[i] {
			s.t.Fatalf("message %d is %.200q, want %.200q", i, got[i], want[i])
		}
	}
}

// wait waits for a channel to be closed, but not for ever.
func wait(t testing.TB, what string, ch <-chan struct{}) {
	t.Helper()
	patience := time.Minute
	if inBubble() {
		patience = 24 * time.Hour
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-ch:
	case <-timer.C:
		t.Fatalf("waited in vain for %s", what)
	}
}

// inBubble reports whether the time is that of testing/synctest.
func inBubble() bool { return time.Now().Year() < 2010 }

// until waits for something that makes no sound.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for patience := time.Now().Add(time.Minute); !ok(); <-tick.C {
		if time.Now().After(patience) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// each runs a test on every kind of stream with every driver.
func each(t *testing.T, kinds []kind, f func(t *testing.T, k kind, d driver)) {
	run := func(k kind, d driver) {
		t.Run(k.name+"/"+string(d), func(t *testing.T) { f(t, k, d) })
	}
	for _, k := range kinds {
		for _, d := range everyDriver {
			run(k, d)
		}
		if k.name == overTCP.name {
			run(k, byGoroutine)
			run(dribbled, byHandle)
		}
	}
}

// wire returns frames as the Peer of a Conn in that role sends them.
func wire(role curlew.Role, frames ...wstest.Frame) []byte {
	var b []byte
	for i, f := range frames {
		b = f.Append(b, role == curlew.Server, [4]byte{7, 1, byte(i), 9})
	}
	return b
}

// pass lets time go by, in a bubble of synctest.
func pass(d time.Duration) { <-time.After(d) }
