package proxy

import (
	"context"
	"errors"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"

	"curlew.example/curlew/server/route"
)

// The pool of connections to the backend.
const (
	maxIdle  = 32               // connections
	idleTime = 60 * time.Second // less than what servers usually wait
	maxHead  = 64 << 10         // bytes of an answer's head
)

// newTransport returns the way of ordinary requests.
func (p *proxy) newTransport() *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if p.timeout > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, p.timeout)
				defer cancel()
			}
			c, err := p.network.connect(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &pooled{c, p.write}, nil
		},
		Protocols:              protocols,
		TLSClientConfig:        p.network.config(),
		TLSHandshakeTimeout:    p.timeout,
		ResponseHeaderTimeout:  p.timeout,
		ExpectContinueTimeout:  time.Second,
		MaxIdleConnsPerHost:    maxIdle,
		IdleConnTimeout:        idleTime,
		MaxResponseHeaderBytes: maxHead,
		DisableCompression:     true, // what the backend answers is what the client asked for
	}
}

// newForward returns the handler of ordinary requests.
func (p *proxy) newForward() http.Handler {
	rp := &httputil.ReverseProxy{
		Rewrite:        p.rewrite,
		Transport:      p.transport,
		ModifyResponse: p.look,
		ErrorHandler:   p.fail,
		ErrorLog:       stdlog.New(io.Discard, "", 0), // of copying, which mostly means that the client is gone
		BufferPool:     pieces{},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.Header["Upgrade"]) > 0 {
			r = r.WithContext(r.Context()) // a copy
			r.Header = r.Header.Clone()
			r.Header.Del("Upgrade")
		}
		ctx, giveUp := context.WithCancel(r.Context())
		defer giveUp()
		rp.ServeHTTP(w, r.WithContext(context.WithValue(ctx, exchangeKey{}, &exchange{r, giveUp})))
	})
}

// rewrite makes the request to the backend.
func (p *proxy) rewrite(pr *httputil.ProxyRequest) {
	path, query := p.path(pr.In)
	to := &url.URL{Scheme: "http", Host: p.target.Address, RawQuery: query, ForceQuery: pr.In.URL.ForceQuery}
	if p.target.Network == "unix" {
		to.Host = p.target.Name
	}
	if p.target.Secure {
		to.Scheme = "https"
	}
	to.Path, _ = url.PathUnescape(path) // it is valid: EscapedPath has made it
	to.RawPath = path
	pr.Out.URL = to
	pr.Out.Host = p.hostFor(pr.In)
	pr.Out.Trailer = nil      // RFC 9110, 6.5.1: they may be left out, and could say what fields must not
	removeHops(pr.Out.Header) // those that are not httputil's
	if _, ok := pr.Out.Header["User-Agent"]; !ok {
		pr.Out.Header.Set("User-Agent", "") // else it would be net/http's own
	}
	p.address(pr.Out.Header, pr.In)
}

var errUpgrade = errors.New("it switched protocols, which nobody asked for")

// look refuses answers that would make a tunnel, and keeps the time of others.
func (p *proxy) look(resp *http.Response) error {
	if resp.StatusCode == http.StatusSwitchingProtocols {
		resp.Body.Close()
		return errUpgrade
	}
	if p.idle > 0 {
		resp.Body = &awaited{ReadCloser: resp.Body, idle: p.idle, giveUp: exchangeOf(resp.Request).giveUp}
	}
	return nil
}

// exchangeKey is the key of the *exchange in the context of a request.
type exchangeKey struct{}

// An exchange is a request as it came from the client, and what ends it.
type exchange struct {
	in     *http.Request
	giveUp context.CancelFunc
}

func exchangeOf(out *http.Request) *exchange { return out.Context().Value(exchangeKey{}).(*exchange) }

// An awaited body gives the request up when nothing comes for a while. A client that
// does not take what has come is not waited for here.
type awaited struct {
	io.ReadCloser
	idle   time.Duration
	giveUp func()
	timer  *time.Timer
}

func (b *awaited) Read(p []byte) (int, error) {
	if b.timer == nil {
		b.timer = time.AfterFunc(b.idle, b.giveUp)
	} else {
		b.timer.Reset(b.idle)
	}
	defer b.timer.Stop()
	return b.ReadCloser.Read(p)
}

// fail answers for a backend that cannot.
func (p *proxy) fail(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(r.Context().Err(), context.DeadlineExceeded):
		return // timeouts.request: the server answers
	case route.Stalled(exchangeOf(r).in):
		w.Header().Set("Connection", "close")
		http.Error(w, http.StatusText(http.StatusRequestTimeout), http.StatusRequestTimeout)
		return
	case r.Context().Err() == nil:
		p.logf(r, "%v", err)
	}
	status := failure(err)
	http.Error(w, http.StatusText(status), status)
}

// failure is the status for an error of the backend. RFC 9110, 15.6.3 and 15.6.5.
func failure(err error) int {
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		return http.StatusGatewayTimeout
	}
	return http.StatusBadGateway
}

// pieces are the buffers that bodies pass through.
type pieces struct{}

const pieceSize = 32 << 10

var piecePool = sync.Pool{New: func() any { return new([pieceSize]byte) }}

func (pieces) Get() []byte  { return piecePool.Get().(*[pieceSize]byte)[:] }
func (pieces) Put(b []byte) { piecePool.Put((*[pieceSize]byte)(b)) }
