package fallback

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"curlew.example/curlew/internal/handshake"
)

// A tunnel is the client's side of a session as a net.Conn. It begins with the
// handshake of HTTP/1.1 that is written to it, for which it opens the session; in
// goes what a server would have answered.
type tunnel struct {
	ends
	base   *url.URL
	http   http.RoundTripper
	modes  []string
	ctx    context.Context // of all requests
	cancel func()

	// mu guards the following too.
	head []byte // of the handshake, until it is whole
	asks bool   // the session is being opened, or is open
	sent int64  // the server has taken so many bytes: out begins there

	// Of the goroutine that gets.
	session *url.URL
	header  http.Header
	poll    time.Duration
	got     int64
}

func newTunnel(base *url.URL, o *DialOptions) *tunnel {
	t := &tunnel{base: base, modes: o.Modes, ends: ends{window: pieceSize}}
	if len(t.modes) == 0 {
		t.modes = []string{"stream", "sse", "poll"}
	}
	var release func()
	t.http, release = o.transport()
	ctx, cancel := context.WithCancel(context.Background())
	t.ctx, t.cancel = ctx, cancel
	context.AfterFunc(ctx, release)
	return t
}

// failure is why the session could not be opened, if it was not the server's
// refusal.
func (t *tunnel) failure() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == io.EOF {
		return nil
	}
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
	i := bytes.Index(t.head, []byte("\r\n\r\n"))
	if i < 0 {
		return len(p), nil
	}
	t.asks = true
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(t.head[:i+4])))
	if err != nil {
		return 0, err
	}
	t.out = append(t.out, t.head[i+4:]...)
	t.head = nil
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
	if !t.asks {
		t.cancel()
	}
	t.changeLocked()
	return nil
}

// fail ends the tunnel for its user.
func (t *tunnel) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		t.err = err
	}
	t.changeLocked()
}

// run opens the session, carries its bytes both ways, and leaves.
func (t *tunnel) run(r *http.Request) {
	defer t.cancel()
	if err := t.open(r); err != nil {
		t.fail(err)
		return
	}
	posts := make(chan struct{})
	go func() {
		defer close(posts)
		t.fail(cmp.Or(t.postAll(), io.EOF))
	}()
	t.fail(cmp.Or(t.getAll(posts), io.EOF))
	<-posts
	t.leave()
}

// fields are those of a handshake that are not for a request of the session.
var fields = []string{
	"Connection", "Upgrade", "Sec-Websocket-Key", "Sec-Websocket-Version", "Sec-Websocket-Extensions", "Host",
}

// open asks for a session and answers the handshake.
func (t *tunnel) open(hs *http.Request) error {
	key := hs.Header.Get("Sec-Websocket-Key")
	t.header = hs.Header.Clone()
	for _, name := range fields {
		t.header.Del(name)
	}
	u := *t.base
	u.RawQuery = with(u.RawQuery, Param, "open")
	u.User = nil
	header := t.header.Clone()
	header["Sec-WebSocket-Version"] = hs.Header["Sec-Websocket-Version"]
	answer, err := t.request(t.ctx, http.MethodPost, &u, header, nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	t.header.Del("Sec-Websocket-Protocol")
	var is opened
	if answer.StatusCode == http.StatusOK {
		if err := json.NewDecoder(io.LimitReader(answer.Body, maxHead)).Decode(&is); err != nil || is.Session == "" {
			return errors.New("the answer is that of no fallback")
		}
	}
	var head bytes.Buffer
	if answer.StatusCode != http.StatusOK {
		answer.Body = io.NopCloser(io.LimitReader(answer.Body, maxHead))
		answer.Close, answer.ContentLength, answer.TransferEncoding = true, -1, nil
		answer.Proto, answer.ProtoMajor, answer.ProtoMinor = "HTTP/1.1", 1, 1
		answer.Write(&head)
		t.give(head.Bytes(), 0)
		return io.EOF
	}
	u.RawQuery = with(t.base.RawQuery, Param, is.Session)
	t.session, t.poll = &u, time.Duration(is.Poll)*time.Millisecond
	t.mu.Lock()
	t.window = max(is.Window, 1)
	t.mu.Unlock()
	fmt.Fprintf(&head, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n", handshake.AcceptKey(key))
	if is.Protocol != "" {
		fmt.Fprintf(&head, "Sec-WebSocket-Protocol: %s\r\n", is.Protocol)
	}
	for _, name := range []string{"Content-Type", "Content-Length", "Connection", "Transfer-Encoding", "Cache-Control", "Date", "Vary"} {
		answer.Header.Del(name)
	}
	answer.Header.Write(&head)
	head.WriteString("\r\n")
	t.give(head.Bytes(), 0)
	return nil
}

// with puts a parameter behind a query.
func with(query, name, value string) string {
	if query != "" {
		query += "&"
	}
	return query + name + "=" + url.QueryEscape(value)
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

// give hands on bytes of the server's as far as there is room: it waits for it. n
// of them count.
func (t *tunnel) give(p []byte, n int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.in) >= t.window && !t.closed && t.err == nil {
		t.awaitLocked(time.Time{})
	}
	if t.closed {
		return false
	}
	t.in = append(t.in, p...)
	t.got += int64(n)
	t.changeLocked()
	return true
}

// A patience bounds how long, and says how often, failed requests are repeated.
type patience struct {
	since time.Time
	wait  time.Duration
}

// failed waits before the next try, or reports that there is none.
func (p *patience) failed(ctx context.Context) bool {
	if p.since.IsZero() {
		p.since = time.Now()
	}
	if time.Since(p.since) > idleTime {
		return false
	}
	p.wait = min(max(2*p.wait, 50*time.Millisecond), 2*time.Second)
	select {
	case <-time.After(p.wait):
		return true
	case <-ctx.Done():
		return false
	}
}

var errLost = errors.New("fallback: the server cannot be reached any more")

// status sorts answers: those that are no success are errors that end the session,
// or worth another try.
func status(answer *http.Response, err error) (again bool, end error) {
	switch {
	case err != nil:
		return true, nil
	case answer.StatusCode < 300:
		return false, nil
	case answer.StatusCode == http.StatusNotFound, answer.StatusCode == http.StatusGone:
		return false, io.EOF
	case answer.StatusCode >= 500, answer.StatusCode == http.StatusTooManyRequests, answer.StatusCode == http.StatusRequestTimeout,
		answer.StatusCode == http.StatusConflict:
		return true, nil
	}
	return false, fmt.Errorf("fallback: a request was answered %s", answer.Status)
}

// postAll sends what is written until nothing more is, or nobody takes it.
func (t *tunnel) postAll() error {
	var p patience
	for {
		body, at, more := t.toSend()
		if !more {
			return nil
		}
		u := *t.session
		u.RawQuery = with(u.RawQuery, "at", strconv.FormatInt(at, 10))
		ctx, cancel := context.WithTimeout(t.ctx, idleTime)
		answer, err := t.request(ctx, http.MethodPost, &u, t.header, body)
		again, end := status(answer, err)
		if err == nil {
			if n, err := number(cmp.Or(answer.Header.Get(offsetField), "x")); err == nil {
				if n > at {
					p = patience{}
				}
				if err := t.taken(n); err != nil {
					end = err
				}
			}
			answer.Body.Close()
		}
		cancel()
		switch {
		case end != nil:
			return end
		case again && !p.failed(t.ctx):
			return errLost
		}
	}
}

// toSend waits for bytes to send.
func (t *tunnel) toSend() (p []byte, at int64, more bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		switch {
		case t.err != nil:
			return nil, 0, false
		case len(t.out) > 0:
			return t.out, t.sent, true
		case t.closed:
			return nil, 0, false
		}
		t.awaitLocked(time.Time{})
	}
}

// taken notes that the server has taken what comes before the position at.
func (t *tunnel) taken(at int64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at < t.sent || at > t.sent+int64(len(t.out)) {
		return errors.New("fallback: the server speaks of bytes that were not sent")
	}
	t.out, t.sent = rest(t.out, int(at-t.sent)), at
	t.changeLocked()
	return nil
}

// getAll gets what the server sends until the session ends.
func (t *tunnel) getAll(posts <-chan struct{}) error {
	ctx, cancel := context.WithCancel(t.ctx)
	defer cancel()
	go func() { // who has closed reads nothing any more
		select {
		case <-posts:
			cancel()
		case <-ctx.Done():
		}
	}()
	var p patience
	for {
		before := t.got
		again, err := t.get(ctx)
		if t.got > before {
			p = patience{}
		}
		switch {
		case err != nil:
			return err
		case again && !p.failed(ctx):
			return errLost
		}
	}
}

// proof is how long a mode has to show that answers are not held back.
const proof = 3 * time.Second

// get makes one GET. It is made again at once unless again says that it failed.
func (t *tunnel) get(ctx context.Context) (again bool, end error) {
	mode := t.modes[0]
	u := *t.session
	u.RawQuery = with(with(u.RawQuery, "at", strconv.FormatInt(t.got, 10)), "mode", mode)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var late *time.Timer
	if mode != "poll" && len(t.modes) > 1 {
		late = time.AfterFunc(proof, cancel)
		defer late.Stop()
	}
	answer, err := t.request(ctx, http.MethodGet, &u, t.header, nil)
	if again, end = status(answer, err); again || end != nil {
		if err == nil {
			answer.Body.Close()
		}
		return again && !t.held(late), end
	}
	defer answer.Body.Close()
	if mode == "poll" {
		return t.copy(answer.Body) != nil, nil
	}
	body := bufio.NewReaderSize(answer.Body, pieceSize)
	first := greeting
	if mode == "sse" {
		first = ":ok\n\n"
	}
	line := make([]byte, len(first))
	if _, err := io.ReadFull(body, line); err != nil || string(line) != first {
		return !t.held(late), nil
	}
	if late != nil && !late.Stop() {
		return !t.held(late), nil
	}
	if mode == "sse" {
		return t.events(body) != nil, nil
	}
	return t.copy(body) != nil, nil
}

// held passes over a mode whose time has run out, and reports whether it has.
func (t *tunnel) held(late *time.Timer) bool {
	if late == nil || late.Stop() {
		return false
	}
	t.modes = slices.Clone(t.modes[1:])
	return true
}

// copy hands on a body as it comes.
func (t *tunnel) copy(body io.Reader) error {
	buf := pieces.Get().(*[pieceSize]byte)
	defer pieces.Put(buf)
	for {
		n, err := body.Read(buf[:])
		if n > 0 && !t.give(buf[:n], n) {
			return net.ErrClosed
		}
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// events hands on the events of a body.
func (t *tunnel) events(body *bufio.Reader) error {
	for {
		line, err := body.ReadString('\n')
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		data, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "data:")
		if !ok {
			continue
		}
		p, err := base64.StdEncoding.DecodeString(data)
		if err != nil {
			return err
		}
		if !t.give(p, len(p)) {
			return net.ErrClosed
		}
	}
}

// leave tells the server that nobody asks any more.
func (t *tunnel) leave() {
	ctx, cancel := context.WithTimeout(t.ctx, roomTime)
	defer cancel()
	if answer, err := t.request(ctx, http.MethodDelete, t.session, t.header, nil); err == nil {
		answer.Body.Close()
	}
}
