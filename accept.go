package curlew

import (
	"bufio"
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"curlew.example/curlew/internal/bufs"
	"curlew.example/curlew/internal/deflate"
	"curlew.example/curlew/internal/handshake"
)

// Accept answers a handshake and returns the connection. If the request is not a
// handshake that Options allow, it has answered with an error status, which
// closes the HTTP connection, and returns a *HandshakeError; the caller just
// returns. HTTP/1.1 only, for now.
//
// The connection does not depend on the request: w and r may not be used
// afterwards, r.Context() may, and the handler may return while others use the
// Conn. A handler that stays keeps net/http's memory for the request; Handle does
// not. Fields that were set in w.Header() are not sent: see Options.Header.
func Accept(w http.ResponseWriter, r *http.Request, o *Options) (*Conn, error) {
	c, err := newUpgrader(o).upgrade(w, r, nil, nil)
	if err != nil {
		if c != nil {
			c.terms.give() // nobody ends it
		}
		return nil, err
	}
	c.start()
	return c, nil
}

// An upgrader is a server's side of the handshake, prepared once.
type upgrader struct {
	policy      handshake.Policy
	invalid     error // the policy is not usable
	set         *settings
	deflate     *deflate.Config // nil: no compression
	compression *Compression    // what deflate is made of
	header      http.Header

	last atomic.Pointer[terms] // those of the last connection: the next one's are often the same
}

func newUpgrader(o *Options) *upgrader {
	if o == nil {
		o = &Options{}
	}
	u := &upgrader{set: newSettings(o), header: o.Header, policy: handshake.Policy{
		Subprotocols:       o.Subprotocols,
		RequireSubprotocol: o.RequireSubprotocol,
		Origins:            o.Origins,
		AnyOrigin:          o.InsecureAnyOrigin,
		AllowOrigin:        o.AllowOrigin,
	}}
	u.invalid = u.policy.Validate()
	u.deflate, u.compression = o.compression(), o.Compression
	return u
}

// compression is what is negotiated, nil for none.
func (o *Options) compression() *deflate.Config {
	z := o.Compression
	if z == nil || o.PreserveFrames {
		return nil
	}
	return &deflate.Config{Level: z.Level, ServerContext: z.ServerContext, ClientContext: z.ClientContext, WindowBits: z.WindowBits}
}

// upgrade makes the handshake. allow is asked when the request is found to be a
// valid one; what it returns may be nil. The connection uses a, or an agenda of its
// own. On error it has answered; a connection that it returns then is one that allow
// has given events for: of a client that did not take the 101, or could not be sent
// one.
func (u *upgrader) upgrade(w http.ResponseWriter, r *http.Request, a *agenda, allow func() (*Events, error)) (*Conn, error) {
	if u.invalid != nil {
		return nil, refuse(w, r, &handshake.Refusal{Status: http.StatusInternalServerError, Err: u.invalid})
	}
	answer, refusal := u.policy.Check(r)
	if refusal != nil {
		return nil, refuse(w, r, refusal)
	}
	header := u.header
	if allow != nil {
		ev, err := allow()
		if err != nil {
			return nil, refuse(w, r, refusalOf(err))
		}
		if header, err = own(ev, r, answer, header); err != nil {
			return u.stillborn(r, a), refuse(w, r, &handshake.Refusal{Status: http.StatusInternalServerError, Err: err})
		}
	}
	buf := bufs.Get(headSize)
	defer bufs.Put(buf) // whatever head has become
	t, head, err := u.agree(buf[:0], r, answer, header)
	if err != nil {
		return u.stillborn(r, a), refuse(w, r, &handshake.Refusal{Status: http.StatusInternalServerError, Err: err})
	}
	return u.take(w, r, a, t, head)
}

// stillborn returns the connection of a handshake that allow has let through and
// that was refused all the same.
func (u *upgrader) stillborn(r *http.Request, a *agenda) *Conn {
	s := noStream{}
	s.local, _ = r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if remote, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		s.remote = net.TCPAddrFromAddrPort(remote)
	}
	return newConn(s, u.terms(&established{url: r.URL.RequestURI(), proto: r.Proto, server: serverOf(r)}), a, nil)
}

// A noStream is in the place of one that stays net/http's.
type noStream struct{ local, remote net.Addr }

func (noStream) Read([]byte) (int, error)        { return 0, net.ErrClosed }
func (noStream) Write([]byte) (int, error)       { return 0, net.ErrClosed }
func (noStream) Close() error                    { return nil }
func (noStream) SetReadDeadline(time.Time) error { return nil }
func (s noStream) LocalAddr() net.Addr           { return s.local }
func (s noStream) RemoteAddr() net.Addr          { return s.remote }

// own puts what the events of a connection say of its 101 in the place of what
// Options say: the subprotocol into answer; the fields are returned.
func own(ev *Events, r *http.Request, answer *handshake.Answer, header http.Header) (http.Header, error) {
	if ev == nil {
		return header, nil
	}
	if s := ev.Subprotocol; s != "" {
		offered, _ := handshake.ParseSubprotocols(r.Header["Sec-Websocket-Protocol"])
		if !slices.Contains(offered, s) {
			return nil, errors.New("the subprotocol was not offered (RFC 6455, 4.2.2)")
		}
		answer.Subprotocol = s
	}
	if len(ev.Header) == 0 {
		return header, nil
	}
	all := make(http.Header, len(header)+len(ev.Header))
	for _, h := range []http.Header{header, ev.Header} {
		for name, values := range h {
			all[http.CanonicalHeaderKey(name)] = values
		}
	}
	return all, nil
}

// headSize has room for the usual head of an answer.
const headSize = 1 << 10

// agree returns the terms and the head of the 101, appended to dst. (It is a
// function of its own so that its variables are gone from the stack when the head is
// written, deep down in package net: a stack of ServeHTTP that has once grown keeps
// its size as long as a handler reads there.)
func (u *upgrader) agree(dst []byte, r *http.Request, answer *handshake.Answer, header http.Header) (t *terms, head []byte, err error) {
	hs := established{url: r.URL.RequestURI(), proto: r.Proto, subprotocol: answer.Subprotocol, server: serverOf(r)}
	extensions := ""
	if u.deflate != nil {
		if p, text, ok := u.compression.negotiate(u.deflate, deflateOffers(answer.Extensions)); ok {
			hs.packed, hs.deflate, hs.level, extensions = true, p, u.deflate.Level, text
		}
	}
	t = u.terms(&hs)
	if head, err = answer.Append(dst, extensions, header); err != nil {
		t.give()
	}
	return t, head, err
}

// take takes the connection from net/http and sends the 101.
func (u *upgrader) take(w http.ResponseWriter, r *http.Request, a *agenda, t *terms, head []byte) (*Conn, error) {
	conn, brw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		// A middleware's words are not for strangers.
		e := refuse(w, r, &handshake.Refusal{Status: http.StatusNotImplemented, Err: errHijack})
		e.Err = fmt.Errorf("%w: %w", errHijack, err)
		t.give()
		return u.stillborn(r, a), e
	}
	var leftover []byte
	if n := brw.Reader.Buffered(); n > 0 { // frames that came right behind the request
		leftover = make([]byte, n)
		brw.Reader.Read(leftover)
	}
	// A handler that stays in ServeHTTP keeps net/http's connection alive; its
	// buffer need not be.
	*brw.Reader = bufio.Reader{}
	conn.SetDeadline(time.Time{})
	if u.set.write < never {
		conn.SetWriteDeadline(time.Now().Add(u.set.write))
	}
	if _, err := conn.Write(head); err != nil {
		if t, ok := conn.(*tls.Conn); ok {
			t.NetConn().Close() // else Close waits for up to 5 s until the peer takes its farewell
		}
		conn.Close()
		return newConn(conn, t, a, nil), &HandshakeError{Status: http.StatusSwitchingProtocols, Err: err}
	}
	conn.SetWriteDeadline(time.Time{})
	return newConn(conn, t, a, leftover), nil
}

// terms returns those of a handshake, which are shared with the last one if they
// are the same.
func (u *upgrader) terms(hs *established) *terms {
	t := u.last.Load()
	if t == nil || t.established != *hs {
		hs.url, hs.proto = strings.Clone(hs.url), strings.Clone(hs.proto) // without the memory of the head
		hs.subprotocol = strings.Clone(hs.subprotocol)
		t = newTerms(Server, u.set, hs)
		u.last.Store(t)
	}
	return t
}

// serverOf returns the server that r came to, nil if that is not known.
func serverOf(r *http.Request) *http.Server {
	s, _ := r.Context().Value(http.ServerContextKey).(*http.Server)
	return s
}

// errHijack: usually a middleware's ResponseWriter hides net/http's, that is, has
// neither Hijack nor Unwrap. http.TimeoutHandler is one.
var errHijack = errors.New("the connection cannot be taken over: the ResponseWriter does not support Hijack")

// refuse answers and returns the error for the caller.
func refuse(w http.ResponseWriter, r *http.Request, f *handshake.Refusal) *HandshakeError {
	if f.Header == nil {
		f.Header = http.Header{}
	}
	// Nothing behind a refused request is served; in HTTP/2 that would end the
	// streams of others too.
	if f.Header["Connection"] == nil && r.ProtoMajor < 2 {
		f.Header.Set("Connection", "close")
	}
	f.Write(w)
	return &HandshakeError{Status: f.Status, Header: f.Header, Err: f.Err}
}

// refusalOf is the answer that an application's error asks for.
func refusalOf(err error) *handshake.Refusal {
	var e *HandshakeError
	if !errors.As(err, &e) || e == nil || e.Status < 300 || e.Status > 599 {
		return &handshake.Refusal{Status: http.StatusForbidden, Err: errForbidden}
	}
	f := &handshake.Refusal{Status: e.Status, Header: refusalHeader(e.Header), Err: e.Err}
	if f.Err == nil {
		f.Err = errors.New(cmp.Or(http.StatusText(e.Status), strconv.Itoa(e.Status)))
	}
	return f
}

// refusalHeader is a copy of h without what belongs to one connection or one
// body: h may be that of an answer to Dial, which is not ours.
func refusalHeader(h http.Header) http.Header {
	own := http.Header{}
	for name, values := range h {
		switch name = http.CanonicalHeaderKey(name); name {
		case "Connection", "Keep-Alive", "Proxy-Connection", "Upgrade", "Te", "Trailer", "Transfer-Encoding",
			"Content-Length", "Content-Encoding", "Content-Range",
			"Sec-Websocket-Accept", "Sec-Websocket-Extensions", "Sec-Websocket-Protocol":
		default:
			own[name] = append(own[name], values...)
		}
	}
	return own
}

// errForbidden is all that a stranger learns of an application's error.
var errForbidden = errors.New("forbidden")

// deflateOffers are the offers of permessage-deflate among the extensions.
func deflateOffers(all []handshake.Extension) [][]deflate.Param {
	var offers [][]deflate.Param
	for _, e := range all {
		if e.Name == deflate.Name {
			offers = append(offers, deflateParams(e))
		}
	}
	return offers
}

func deflateParams(e handshake.Extension) []deflate.Param {
	params := make([]deflate.Param, len(e.Params))
	for i, p := range e.Params {
		params[i] = deflate.Param(p)
	}
	return params
}
