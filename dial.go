package curlew

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"curlew.example/curlew/internal/deflate"
	"curlew.example/curlew/internal/handshake"
)

const (
	maxRefusal       = 64 << 10 // bytes of a refusal's body that are kept
	maxInformational = 5        // 1xx answers before the one that counts
)

// Dial connects to the WebSocket at url and makes the client's handshake: ws and
// wss, for which http and https may be written. User information in url, and a
// fragment, are refused; Options.Header takes an Authorization field. Over a
// proxy, which resolves the server's name, all goes through a tunnel (CONNECT or
// SOCKS5). RFC 6455, 3 and 4.1.
//
// ctx and DialOptions.HandshakeTimeout bound Dial; once it has returned, ctx no
// longer matters. Every error is a *HandshakeError. It holds the answer of the
// server or the proxy, if one came that refuses, and it matches the error of a
// ctx that has ended.
func Dial(ctx context.Context, url string, o *DialOptions) (*Conn, error) {
	if o == nil {
		o = &DialOptions{}
	}
	u, err := handshake.ParseURL(url)
	if err != nil {
		return nil, &HandshakeError{Err: err}
	}
	if d := limit(o.HandshakeTimeout, 10*time.Second, never); d != never {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	d := &dialer{o: o, url: u, header: o.Header}
	for redirects := o.MaxRedirects; ; redirects-- {
		c, err := d.try(ctx)
		if err == nil {
			return c, nil
		}
		if redirects <= 0 || !d.reached || !isRedirect(err.Status) {
			return nil, err
		}
		if bad := d.follow(err.Header); bad != nil {
			err.Err = bad
			return nil, err
		}
	}
}

// A dialer is one call of Dial, and belongs to its goroutine.
type dialer struct {
	o      *DialOptions
	url    *url.URL    // ws or wss; changed by redirects
	header http.Header // of the application; redirects drop credentials

	reached bool // by the last attempt; else what was answered is the proxy's
}

// try makes one attempt, with a connection and a key of its own.
func (d *dialer) try(ctx context.Context) (*Conn, *HandshakeError) {
	d.reached = false
	proxy, err := d.proxy(ctx)
	if err != nil {
		return nil, &HandshakeError{Err: err}
	}
	config := d.o.compression()
	q := &handshake.Request{URL: d.url, Key: handshake.NewKey(), Subprotocols: d.o.Subprotocols, Header: d.header}
	if config != nil {
		q.Extensions = config.Offer()
	}
	head, err := q.Append(nil)
	if err != nil {
		return nil, &HandshakeError{Err: err}
	}
	raw, err := d.connect(ctx, proxy)
	if err != nil {
		doing := "connecting"
		if proxy != nil {
			doing += " to the proxy"
		}
		return nil, failed(ctx, doing, err)
	}
	// Up to the end of the handshake ctx closes the socket, which wakes whatever
	// waits for it.
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	stream, err := d.secure(ctx, raw, proxy)
	var hs established
	var leftover []byte
	if err == nil {
		d.reached = true
		if wrap := d.o.WrapConn; wrap != nil {
			stream = wrap(stream)
		}
		hs, leftover, err = open(stream, q, head, config, d.o.Answer)
	}
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		raw.Close()
		if e, ok := errors.AsType[*HandshakeError](err); ok {
			return nil, e
		}
		return nil, failed(ctx, d.url.Host, err)
	}
	c := newConn(stream, newTerms(Client, newSettings(&d.o.Options), &hs), nil, leftover)
	c.start()
	return c, nil
}

// failed says what was going on, and if ctx has ended that this was why.
func failed(ctx context.Context, doing string, err error) *HandshakeError {
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return &HandshakeError{Err: fmt.Errorf("%s: %w", doing, err)}
}

// open makes the handshake on conn. leftover is what came behind it. The error of
// an answer that will not do is a *HandshakeError.
func open(conn net.Conn, q *handshake.Request, head []byte, config *deflate.Config, answer func(http.Header)) (hs established, leftover []byte, err error) {
	resp, rest, err := exchange(conn, head, http.MethodGet)
	if err != nil {
		return hs, nil, err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return hs, nil, refused(resp, "the server did not upgrade the connection")
	}
	hs = established{url: q.URL.String(), proto: resp.Proto}
	var exts []handshake.Extension
	hs.subprotocol, exts, err = handshake.CheckResponse(resp, q.Key, q.Subprotocols, q.Extensions != "")
	if err == nil && len(exts) > 0 { // and so config is there: all others fail the check
		hs.packed, hs.level = true, config.Level
		hs.deflate, err = confirm(config, exts)
	}
	if err != nil {
		return hs, nil, &HandshakeError{Status: resp.StatusCode, Header: resp.Header, Err: err}
	}
	if answer != nil {
		answer(resp.Header)
	}
	if len(rest) > 0 {
		leftover = bytes.Clone(rest) // without the head's memory
	}
	return hs, leftover, nil
}

// confirm judges the extensions in force: the one that we offer, once, may be.
// RFC 7692, 7.1; RFC 6455, 4.1.
func confirm(config *deflate.Config, exts []handshake.Extension) (p deflate.Params, err error) {
	if len(exts) > 1 || exts[0].Name != deflate.Name {
		return p, errors.New("the server uses an extension that was not offered (RFC 6455, 4.1)")
	}
	return config.Confirm(deflateParams(exts[0]))
}

// exchange sends the head of a request and reads the answer that counts. With
// 101, or 2xx to CONNECT, rest is what came behind it; with others the body is
// in resp.
func exchange(conn net.Conn, request []byte, method string) (resp *http.Response, rest []byte, err error) {
	if _, err := conn.Write(request); err != nil {
		return nil, nil, err
	}
	for range maxInformational + 1 {
		var head []byte
		if head, rest, err = handshake.ReadHead(conn, rest); err != nil {
			return nil, nil, err
		}
		resp, err = handshake.ParseResponse(head, io.MultiReader(bytes.NewReader(rest), conn), method)
		if err != nil {
			return nil, nil, err
		}
		if resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, rest, nil
		}
	}
	return nil, nil, fmt.Errorf("more than %d informational answers (RFC 9110, 15.2)", maxInformational)
}

// refused makes an error of an answer, with the start of its body, as much of it
// as comes before the deadline.
func refused(resp *http.Response, who string) *HandshakeError {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	return &HandshakeError{Status: resp.StatusCode, Header: resp.Header, Body: body, Err: errors.New(who)}
}
