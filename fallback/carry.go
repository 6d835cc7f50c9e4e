package fallback

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

var (
	errLost     = errors.New("fallback: the server cannot be reached any more")
	errForgot   = errors.New("fallback: the server does not know the session any more")
	errNonsense = errors.New("fallback: these are not the server's events")
	errForeign  = errors.New("fallback: the server speaks of bytes that were not sent")
)

// judge sorts the answers of a session: those that are no success are worth another
// try, or errors: io.EOF if the server has ended it, errForgot if it is gone.
func judge(answer *http.Response, err error) (again bool, end error) {
	switch {
	case err != nil:
		return true, nil
	case answer.StatusCode == http.StatusOK, answer.StatusCode == http.StatusNoContent:
		return false, nil
	case answer.StatusCode == http.StatusGone:
		return false, io.EOF
	case answer.StatusCode == http.StatusNotFound:
		return false, errForgot
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
		began := time.Now()
		progress, again, err := t.post(body, at)
		quick := time.Since(began) < soon
		if err == io.EOF || err == errForgot { // the GETs learn what was said before
			t.ignore()
			return nil
		} else if err != nil {
			return err
		}
		switch {
		case progress:
			p = patience{}
		case !again && quick && !p.pause(t.ctx): // there is no room, and no more time
			return errLost
		}
		if !again {
			p.reached()
		}
		// A body that takes longer than a request may would be lost each time.
		switch {
		case again:
			t.most = max(t.most/2, minBody)
		case quick:
			t.most = min(2*t.most, maxWindow)
		}
		if again && !p.failed(t.ctx) {
			return errLost
		}
	}
}

// How much a POST carries: the first one, and however slow the line is.
const (
	firstBody = 16 << 10
	minBody   = 1 << 10
)

// post makes one POST. It says what has come meanwhile, so that a stream need not end
// for that.
func (t *tunnel) post(body []byte, at int64) (progress, again bool, end error) {
	u := *t.session
	u.RawQuery = with(u.RawQuery, "at", strconv.FormatInt(at, 10))
	if got := t.has(); got > t.acked {
		t.acked = got
		u.RawQuery = with(u.RawQuery, "ack", strconv.FormatInt(got, 10))
	}
	ctx, cancel := context.WithTimeout(t.ctx, idleTime)
	defer cancel()
	answer, err := t.request(ctx, http.MethodPost, &u, t.header, body)
	again, end = judge(answer, err)
	if err != nil {
		return false, again, end
	}
	defer done(answer)
	n, err := number(answer.Header.Get(offsetField))
	if err != nil { // somebody in between has answered, or the session is not known
		return false, end == nil, end
	}
	if err := t.taken(n); err != nil {
		return false, false, err
	}
	return n > at, again, end
}

// toSend waits for bytes to send.
func (t *tunnel) toSend() (p []byte, at int64, more bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		switch {
		case t.err != nil:
			return nil, 0, false
		case len(t.out) > 0 && (t.shown || t.closed):
			return t.out[:min(len(t.out), t.most)], t.sent, true
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
		return errForeign
	}
	t.out, t.sent = rest(t.out, int(at-t.sent)), at
	t.changeLocked()
	return nil
}

// ignore: the server takes nothing more.
func (t *tunnel) ignore() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.deaf, t.out = true, nil
	t.overLocked()
}

// getAll gets what the server sends until the session ends, which is io.EOF, or
// nobody wants it any more.
func (t *tunnel) getAll() error {
	var p patience
	for {
		began, before := time.Now(), t.has()
		reached, again, err := t.get(t.getting)
		if err != nil {
			return err
		}
		if reached {
			p.reached()
		}
		came := t.has() > before
		if came {
			p = patience{}
		}
		switch {
		case again && !p.failed(t.getting):
			return errLost
		case !again && !came && time.Since(began) < soon && !p.pause(t.getting):
			return errLost
		}
	}
}

// How long the client waits for the server.
const (
	proof = 3 * time.Second  // for the first bytes, while there is another mode
	grace = 10 * time.Second // for bytes, besides the server's poll
)

// A watched is a body that must not be silent for longer than a time.
type watched struct {
	io.Reader
	silence time.Duration
	timer   *time.Timer
}

func (w *watched) Read(p []byte) (int, error) {
	w.timer.Reset(w.silence)
	defer w.timer.Stop()
	return w.Reader.Read(p)
}

// get makes one GET. It is made again at once unless again says that it failed, which
// it may have done after it had reached the server.
func (t *tunnel) get(parent context.Context) (reached, again bool, end error) {
	mode, silence := t.modes[0], t.poll+grace
	u := *t.session
	u.RawQuery = with(with(u.RawQuery, "at", strconv.FormatInt(t.has(), 10)), "mode", mode)
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	first := silence
	if mode != "poll" && len(t.modes) > 1 {
		first = proof
	}
	if first == silence {
		t.show()
	}
	timer := time.AfterFunc(first, cancel)
	defer timer.Stop()
	answer, err := t.request(ctx, http.MethodGet, &u, t.header, nil)
	if again, end = judge(answer, err); again || end != nil {
		if err == nil {
			done(answer)
		}
		return false, again && !t.held(ctx, parent, first), end
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusNoContent {
		return true, false, nil
	}
	kind, greets := "application/octet-stream", greeting
	if mode == "sse" {
		kind, greets = "text/event-stream", eventsGreeting
	}
	if !strings.HasPrefix(answer.Header.Get("Content-Type"), kind) { // of somebody in between
		return false, true, nil
	}
	if mode != "poll" {
		line := make([]byte, len(greets))
		if _, err := io.ReadFull(answer.Body, line); err != nil || string(line) != greets {
			return false, !t.held(ctx, parent, first), nil
		}
		t.show()
	}
	body := &watched{answer.Body, silence, timer}
	if mode == "sse" {
		err := t.events(body)
		return err != errNonsense, err != nil, nil
	}
	return true, t.copy(body) != nil, nil
}

// show notes that a mode has shown that it works, or that there is no other. Nothing
// is sent before: the answer to it could push the first bytes out of a proxy that holds
// back what does not fill its buffers.
func (t *tunnel) show() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.shown {
		t.shown = true
		t.changeLocked()
	}
}

// held passes over a mode of which nothing has come in time, and reports whether
// it was so.
func (t *tunnel) held(ctx, parent context.Context, first time.Duration) bool {
	if ctx.Err() == nil || parent.Err() != nil || first != proof {
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
		if n > 0 && !t.give(buf[:n]) {
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
func (t *tunnel) events(body io.Reader) error {
	lines := bufio.NewReaderSize(body, 2*pieceSize)
	var p []byte
	for {
		line, err := lines.ReadSlice('\n')
		switch err {
		case nil:
		case io.EOF:
			return nil
		case bufio.ErrBufferFull:
			return errNonsense
		default:
			return err
		}
		data, ok := bytes.CutPrefix(line, []byte("data:"))
		if !ok {
			continue
		}
		if p, err = base64.StdEncoding.AppendDecode(p[:0], bytes.TrimSpace(data)); err != nil {
			return errNonsense
		}
		if len(p) > 0 && !t.give(p) {
			return net.ErrClosed
		}
	}
}
