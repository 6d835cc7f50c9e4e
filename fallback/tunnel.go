package fallback

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// A tunnel is the client's side of a session as a net.Conn. It begins with the
// handshake of HTTP/1.1 that is written to it, for which it opens the session; in
// goes what a server would have answered.
type tunnel struct {
	ends
	base   *url.URL
	http   http.RoundTripper
	ctx    context.Context // of all requests
	cancel func()

	getting context.Context // of GETs: nobody wants what comes when it has ended
	stop    func()

	// mu guards the following too.
	head  []byte // of the handshake, until it is whole
	asks  bool   // the session is being opened, or is open
	open  bool   // it is open
	shown bool   // a GET has shown how bytes come: see show
	sent  int64  // the server has taken so many bytes: out begins there
	got   int64  // so many of the server's have come

	// What the open has given.
	session *url.URL
	header  http.Header   // of requests
	poll    time.Duration // so long the server may say nothing

	// Of the goroutine that gets.
	modes []string

	// Of the goroutine that posts.
	most  int   // bytes in a body
	acked int64 // the server knows that so many have come
}

func newTunnel(base *url.URL, o *DialOptions) *tunnel {
	t := &tunnel{base: base, modes: o.Modes, ends: ends{
		window: pieceSize, local: address(""), remote: address(base.Host),
	}}
	if len(t.modes) == 0 {
		t.modes = []string{"stream", "sse", "poll"}
	}
	var release func()
	t.http, release = o.transport()
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.getting, t.stop = context.WithCancel(t.ctx)
	context.AfterFunc(t.ctx, release)
	return t
}

// failure is why the session could not be opened, if it was not the server's
// refusal.
func (t *tunnel) failure() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// Write takes the handshake first.
func (t *tunnel) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.asks || t.closed {
		return t.writeLocked(p)
	}
	t.head = append(t.head, p...)
	i := bytes.Index(t.head, []byte("\r\n\r\n")) + 4
	if i < 4 {
		return len(p), nil
	}
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(t.head[:i])))
	if err != nil {
		return 0, err
	}
	t.out = append(t.out, t.head[i:]...)
	t.asks, t.head = true, nil
	go t.run(r)
	return len(p), nil
}

// Close lets what was written leave, within a while.
func (t *tunnel) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return net.ErrClosed
	}
	t.closed = true
	t.stop()
	if t.open {
		time.AfterFunc(leaveTime, t.cancel)
	} else {
		t.cancel()
	}
	t.changeLocked()
	return nil
}

// fail ends the tunnel for its user.
func (t *tunnel) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil && !t.closed {
		t.err = err
	}
	t.stop()
	t.changeLocked()
}

// run opens the session, carries its bytes both ways, and leaves.
func (t *tunnel) run(r *http.Request) {
	defer t.cancel()
	if err := t.begin(r); err == io.EOF {
		t.finish()
		return
	} else if err != nil {
		t.fail(err)
		return
	}
	posts := make(chan struct{})
	go func() {
		defer close(posts)
		if err := t.postAll(); err != nil {
			t.fail(err)
		}
	}()
	end := t.getAll()
	if end == io.EOF {
		t.finish()
	} else {
		t.fail(end)
	}
	<-posts
	if end != errForgot {
		t.leave()
	}
}

// finish: the server says nothing more.
func (t *tunnel) finish() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	t.overLocked()
}

// overLocked: with both directions the session has ended.
func (t *tunnel) overLocked() {
	if t.ended && t.deaf && t.err == nil {
		t.err = errForgot
	}
	t.changeLocked()
}

// give hands on bytes of the server's as far as there is room: it waits for it.
func (t *tunnel) give(p []byte) bool { return t.hand(p, int64(len(p))) }

// hand is give for bytes of which n count.
func (t *tunnel) hand(p []byte, n int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.in) >= t.window && !t.closed && t.err == nil {
		t.awaitLocked(time.Time{})
	}
	if t.closed {
		return false
	}
	t.in = push(t.in, p, t.window)
	t.got += n
	t.changeLocked()
	return true
}

// has returns how many bytes of the server's have come.
func (t *tunnel) has() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.got
}

// request makes one request.
func (t *tunnel) request(ctx context.Context, method string, u *url.URL, header http.Header, body []byte) (*http.Response, error) {
	r := (&http.Request{
		Method: method, URL: u, Header: header, Host: u.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
	if body != nil {
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	}
	return t.http.RoundTrip(r)
}

// done lets an answer go. If little is left of it its connection can be used again.
func done(answer *http.Response) {
	if answer.Body != http.NoBody {
		io.CopyN(io.Discard, answer.Body, 4<<10)
		answer.Body.Close()
	}
}

// leave tells the server that nobody asks any more.
func (t *tunnel) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), leaveTime)
	defer cancel()
	if answer, err := t.request(ctx, http.MethodDelete, t.session, t.header, nil); err == nil {
		done(answer)
	}
}

// A patience bounds how long the server may not be reached, and says how often failed
// requests are repeated.
type patience struct {
	since time.Time
	wait  time.Duration
}

// failed waits before the next try, or reports that there is none.
func (p *patience) failed(ctx context.Context) bool {
	if p.since.IsZero() {
		p.since = time.Now()
	}
	return time.Since(p.since) <= idleTime && p.pause(ctx)
}

// reached: what follows is another failure.
func (p *patience) reached() { p.since = time.Time{} }

// pause waits, longer each time, unless ctx ends.
func (p *patience) pause(ctx context.Context) bool {
	p.wait = min(max(2*p.wait, 50*time.Millisecond), 2*time.Second)
	select {
	case <-time.After(p.wait):
		return true
	case <-ctx.Done():
		return false
	}
}

// soon is how quickly the same request is not made again when nothing has come of
// it.
const soon = time.Second

// leaveTime is how long what was written, and then the farewell, may take after
// Close.
const leaveTime = 5 * time.Second
