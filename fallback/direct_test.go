package fallback

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"sync"
)

// direct is a RoundTripper that calls a handler, with nothing in between.
type direct struct{ handler http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	in := r.Clone(ctx)
	in.RemoteAddr, in.RequestURI = "192.0.2.1:1024", r.URL.RequestURI()
	if in.Body == nil {
		in.Body = http.NoBody
	}
	w := &written{header: make(http.Header), begun: make(chan struct{}), cancel: cancel}
	w.change.L = &w.mu
	go func() {
		defer cancel()
		d.handler.ServeHTTP(w, in)
		w.end(io.EOF)
	}()
	context.AfterFunc(ctx, func() { w.end(context.Canceled) })
	select {
	case <-w.begun:
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.status == 0 {
		return nil, context.Canceled
	}
	a := &http.Response{
		Status: strconv.Itoa(w.status) + " " + http.StatusText(w.status), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: w.sent, Body: w, ContentLength: -1, Request: r,
	}
	return a, nil
}

// written is a ResponseWriter, and the body that comes of it. It holds whatever is
// written.
type written struct {
	header http.Header
	begun  chan struct{}
	cancel func()

	mu     sync.Mutex // guards the following
	change sync.Cond
	status int
	sent   http.Header
	body   bytes.Buffer
	err    error // behind body
}

func (w *written) Header() http.Header { return w.header }

func (w *written) WriteHeader(status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.beginLocked(status)
}

func (w *written) beginLocked(status int) {
	if w.status == 0 && w.err == nil {
		w.status, w.sent = status, w.header.Clone()
		close(w.begun)
	}
}

func (w *written) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.beginLocked(200)
	if w.err != nil {
		return 0, w.err
	}
	w.body.Write(p)
	w.change.Broadcast()
	return len(p), nil
}

func (w *written) Flush() {}

func (w *written) end(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == io.EOF {
		w.beginLocked(200)
	}
	if w.err == nil {
		if w.err = err; w.status == 0 {
			close(w.begun)
		}
	}
	w.change.Broadcast()
}

func (w *written) Read(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.body.Len() == 0 && w.err == nil {
		w.change.Wait()
	}
	if w.body.Len() == 0 {
		return 0, w.err
	}
	return w.body.Read(p)
}

func (w *written) Close() error {
	w.cancel()
	return nil
}
