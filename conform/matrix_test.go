package conform

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/wstest"
)

// A subject is one way to use the library: its settings, and how the application
// returns what it is sent. Exactly one of events and loop is set.
type subject struct {
	name    string
	options curlew.Options
	events  func() *curlew.Events                     // for one connection
	loop    func(ctx context.Context, c *curlew.Conn) // until the connection ends
	loads   bool                                      // it also meets the loadCases
}

// large is a limit that no case reaches.
const large = 64 << 20

// countless is the same for the frames of a message.
const countless = 1 << 20

// takeover is compression with both contexts kept.
func takeover() *curlew.Compression {
	return &curlew.Compression{MinSize: -1, ServerContext: true, ClientContext: true}
}

// subjects are all settings that change bytes, and all ways to read and write.
var subjects = []subject{
	{name: "plain", events: byMessage},
	{name: "compressed", options: curlew.Options{Compression: &curlew.Compression{MinSize: -1}}, events: byMessage},
	{name: "takeover", options: curlew.Options{Compression: takeover()}, events: byMessage, loads: true},
	{name: "level 9", options: curlew.Options{Compression: &curlew.Compression{Level: 9, ServerContext: true, ClientContext: true}}, events: byMessage},
	{name: "window of 9 bits", options: curlew.Options{Compression: &curlew.Compression{MinSize: -1, WindowBits: 9, ServerContext: true, ClientContext: true}}, events: byMessage},
	{name: "window of 10 bits", options: curlew.Options{Compression: &curlew.Compression{WindowBits: 10, ClientContext: true, MinSize: -1, Level: 6}}, events: byMessage},
	{name: "takeover server", options: curlew.Options{Compression: &curlew.Compression{ServerContext: true, MinSize: 1}}, events: byMessage},
	{name: "frames of 100", options: curlew.Options{MaxFrame: 100, Compression: takeover()}, events: byMessage},
	{name: "frames of 1", options: curlew.Options{MaxFrame: 1}, events: byMessage},
	{name: "packets of 100", options: curlew.Options{MaxPacket: 100, Compression: takeover()}, events: byPart},
	{name: "preserved frames", options: curlew.Options{PreserveFrames: true}, events: byFrame},
	{name: "read and write", options: curlew.Options{Compression: takeover()}, loop: readWrite},
	{name: "reader and writer", options: curlew.Options{Compression: takeover()}, loop: stream},
}

// allCases is Cases, made once.
var allCases = sync.OnceValue(Cases)

// cases are those that the i-th subject meets: not those that move megabytes, and
// only some, other ones for each subject, unless it is to meet them all.
func (sub *subject) cases(i int, whole bool) []*Case {
	var all []*Case
	for _, c := range light(allCases()) {
		if sub.loads && whole || !loadIDs()[c.ID] {
			if i++; whole || i%(2*len(subjects)) == 0 {
				all = append(all, c)
			}
		}
	}
	return all
}

// loadIDs are the IDs of the loadCases.
var loadIDs = sync.OnceValue(func() map[string]bool {
	ids := make(map[string]bool)
	for _, c := range allCases() {
		ids[c.ID] = selected(loadCases, c.ID)
	}
	return ids
})

// loadCases return many compressed messages each.
const loadCases = "12.1 12.2 12.3 12.4 12.5 12.6 13.1 13.2 13.3 13.4 13.5 13.6 13.7 13.8 13.9 13.10 13.11 13.12 13.13"

// light leaves out what moves megabytes.
func light(cases []*Case) []*Case {
	var all []*Case
	for _, c := range cases {
		if !c.Heavy {
			all = append(all, c)
		}
	}
	return all
}

// byMessage answers from the callback and waits where the queue is full, so that
// the peer has to wait too.
func byMessage() *curlew.Events {
	return &curlew.Events{Message: func(c *curlew.Conn, t curlew.Type, p []byte) {
		if c.Send(t, p) == curlew.ErrQueueFull {
			c.Write(context.Background(), t, p)
		}
	}}
}

// byPart sends each piece on as it comes.
func byPart() *curlew.Events {
	var w *curlew.Writer
	return &curlew.Events{Part: func(c *curlew.Conn, t curlew.Type, p []byte, last bool) {
		if w == nil {
			w, _ = c.Writer(context.Background(), t)
		}
		switch {
		case w == nil: // the connection has ended
		case last:
			w.Finish(p)
			w = nil
		default:
			w.Write(p)
		}
	}}
}

// byFrame sends each frame on as it came.
func byFrame() *curlew.Events {
	var w *curlew.Writer
	return &curlew.Events{Part: func(c *curlew.Conn, t curlew.Type, p []byte, last bool) {
		if w == nil {
			w, _ = c.Writer(context.Background(), t)
		}
		switch {
		case w == nil:
		case last:
			w.Finish(p)
			w = nil
		default:
			w.WriteFrame(p)
		}
	}}
}

func readWrite(ctx context.Context, c *curlew.Conn) {
	var p []byte
	for {
		t, q, err := c.Read(ctx, p[:0])
		if err != nil || c.Write(ctx, t, q) != nil {
			return
		}
		p = q
	}
}

func stream(ctx context.Context, c *curlew.Conn) {
	for {
		t, r, err := c.Reader(ctx)
		if err != nil {
			return
		}
		w, err := c.Writer(ctx, t)
		if err != nil {
			return
		}
		if _, err = io.CopyBuffer(struct{ io.Writer }{w}, r, make([]byte, 1000)); err != nil {
			return
		}
		w.Close()
	}
}

// play returns what comes until the connection has ended.
func (sub *subject) play(ctx context.Context, c *curlew.Conn) {
	if sub.loop != nil {
		sub.loop(ctx, c)
	} else {
		curlew.Serve(ctx, c, sub.events())
	}
	select {
	case <-c.Done():
	case <-ctx.Done():
		c.Abort(ctx.Err())
	}
}

// settings are the subject's options, with limits that no case reaches. Send tells
// of a full queue instead of closing, so that an echo can wait.
func (sub *subject) settings() *curlew.Options {
	o := sub.options
	o.MaxMessage, o.MaxFragments = cmp.Or(o.MaxMessage, large), cmp.Or(o.MaxFragments, countless)
	o.WhenFull = curlew.WhenFullDropNewest
	return &o
}

// ServeHTTP makes the subject a server.
func (sub *subject) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if sub.loop == nil {
		curlew.Handle(sub.settings(), func(*http.Request) (*curlew.Events, error) { return sub.events(), nil }).ServeHTTP(w, r)
		return
	}
	if c, err := curlew.Accept(w, r, sub.settings()); err == nil {
		sub.play(context.Background(), c)
	}
}

// A place is where both sides meet: memory, TCP, TLS.
type place struct {
	listener net.Listener
	scheme   string
	host     string
	dial     func(ctx context.Context, network, address string) (net.Conn, error)
	tls      *tls.Config // of clients

	wrap func(net.Conn) net.Conn // our side of each connection, above TLS; may be nil
}

// inMemory works in bubbles.
func inMemory() place {
	n := wstest.NewNetwork(nil)
	return place{n.Listen("example.com:80"), "ws", "example.com:80", n.DialContext, nil, nil}
}

func overTCP(t *testing.T) place {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return place{l, "ws", l.Addr().String(), new(net.Dialer).DialContext, nil, nil}
}

// secured puts TLS on a place.
func secured(p place) place {
	cert := wstest.Certificate("example.com", "127.0.0.1")
	p.listener = tls.NewListener(p.listener, &tls.Config{Certificates: []tls.Certificate{cert}})
	p.scheme, p.tls = "wss", &tls.Config{RootCAs: wstest.Roots(cert), ServerName: "example.com"}
	return p
}

// target starts a server of the subject's; stop ends it.
func (sub *subject) target(p place) (t *Target, stop func()) {
	s := &http.Server{Handler: sub}
	if p.wrap != nil {
		p.listener = wrapped{p.listener, p.wrap}
	}
	var wg sync.WaitGroup
	wg.Go(func() { s.Serve(p.listener) })
	dial := func(ctx context.Context) (net.Conn, error) {
		c, err := p.dial(ctx, "tcp", p.host)
		if err != nil || p.tls == nil {
			return c, err
		}
		secure := tls.Client(c, p.tls)
		return secure, secure.HandshakeContext(ctx)
	}
	return &Target{Host: "example.com", Path: "/echo", Dial: dial}, func() { s.Close(); wg.Wait() }
}

// wrapped is a listener whose connections are wrapped.
type wrapped struct {
	net.Listener
	wrap func(net.Conn) net.Conn
}

func (l wrapped) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.wrap(c), nil
}

// testServer runs the cases against a subject.
func (sub *subject) testServer(t *testing.T, p place, cases []*Case, o *Options) []Result {
	target, stop := sub.target(p)
	defer stop()
	return TestServer(t.Context(), cases, target, o)
}

// testClient lets a subject go through all cases, several at once.
func (sub *subject) testClient(t *testing.T, p place, cases []*Case, o *Options) []Result {
	n := len(For(cases, ForClients))
	options := o.filled()
	left := n
	all := make(chan struct{})
	options.Progress = func(Result) { // never two at once
		if left--; left == 0 {
			close(all)
		}
	}
	clients := &Clients{Cases: cases, Options: options}
	ctx, cancel := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	serving.Go(func() { clients.Serve(ctx, p.listener) })

	d := &curlew.DialOptions{Options: *sub.settings(), DialContext: p.dial, TLS: p.tls, WrapConn: p.wrap}
	var visiting sync.WaitGroup
	next := make(chan int)
	for range options.Parallel {
		visiting.Go(func() {
			for i := range next {
				if c, err := curlew.Dial(ctx, p.caseURL(i, "us"), d); err == nil {
					sub.play(ctx, c)
				}
			}
		})
	}
	for i := range n {
		next <- i + 1
	}
	close(next)
	visiting.Wait()
	select {
	case <-all: // the last client is gone before its case is judged
	case <-time.After(time.Minute):
	}
	cancel()
	serving.Wait()
	return clients.Results("us")
}

func (p place) caseURL(number int, agent string) string {
	return fmt.Sprintf("%s://%s/runCase?case=%d&agent=%s", p.scheme, p.host, number, agent)
}

// judge fails for every result that is not OK and not allowed.
func judge(t *testing.T, sub string, role Roles, cases []*Case, results []Result) {
	t.Helper()
	cases = For(cases, role)
	if len(results) != len(cases) {
		t.Errorf("%d results of %d cases", len(results), len(cases))
	}
	for i := range results {
		r := &results[i]
		if r.Verdict() == OK || allowed(sub, role, r) {
			continue
		}
		t.Error(account(r))
	}
}

// account is all that a result says, without the middle of a long trace.
func account(r *Result) string {
	const most = 30
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v, close %v: %s\n%s", r.ID, r.Behavior, r.Close, r.Note, r.Rule)
	for i, l := range r.Trace {
		if left := len(r.Trace) - i; i < most/2 || left <= most/2 {
			fmt.Fprintf(&b, "\n%v", l)
		} else if left == most/2+1 {
			b.WriteString("\n...")
		}
	}
	return b.String()
}

// An allowance is for a result that is not OK and nevertheless right.
type allowance struct {
	verdict  Verdict // Informational or Unimplemented
	subjects string  // patterns of names, as of path.Match, separated by commas
	roles    Roles
	cases    string // as for selected
	why      string
}

// droppedEchoes are notes on what is right and, where a Close goes before what waits,
// up to chance: RFC 6455, 5.5.1 and 7.1.7.
var droppedEchoes = []string{
	"it fails the connection at once and does not answer what came before the wrong frame",
	"it answers a Close at once, and not what came before it",
}

func allowed(sub string, role Roles, r *Result) bool {
	if r.Verdict() == Informational && slices.Contains(droppedEchoes, r.Note) {
		return true
	}
	return slices.ContainsFunc(rightly, func(a allowance) bool {
		return a.verdict == r.Verdict() && a.roles&role != 0 && named(a.subjects, sub) && selected(a.cases, r.ID)
	})
}

func named(patterns, name string) bool {
	for p := range strings.SplitSeq(patterns, ",") {
		if ok, _ := path.Match(p, name); ok {
			return true
		}
	}
	return false
}

// selected is Select for one ID and patterns in one line; of none there is none.
func selected(patterns, id string) bool {
	c := []*Case{{ID: id}}
	chosen := false
	for p := range strings.FieldsSeq(patterns) {
		if _, err := Select(c, []string{strings.TrimPrefix(p, "-")}); err == nil {
			chosen = !strings.HasPrefix(p, "-")
		}
	}
	return chosen
}
