package server

import (
	"net/http"
	"strconv"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/server/auth"
	"curlew.example/curlew/server/config"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
)

// endpoint returns the maker of WebSocket endpoints for a route. Its handler sees its
// clients off itself if leaves is true by then.
func (g *generation) endpoint(r *site.Route, leaves *bool) route.Endpoint {
	o := config.Options(r)
	switch r.Handler.Value {
	case "echo", "exec":
		o.WhenFull = curlew.WhenFullDropNewest // which tells them to wait instead
	}
	switch r.Handler.Value {
	case "exec", "file":
		if o.SendQueue < 0 {
			o.SendQueue = 0 // the default: else all of a file would wait in memory
		}
	}
	tell(o)
	places, limits := g.placesOf(r), &r.Limits
	return func(f func(*http.Request) (*curlew.Events, error)) http.Handler {
		wrap := g.server.conns.wrapper(leaves)
		h := curlew.Handle(o, func(r *http.Request) (ev *curlew.Events, err error) {
			own, err := places.admit(r, limits)
			if err != nil {
				return nil, err
			}
			defer func() {
				if ev == nil {
					own.leave()
				}
			}()
			if ev, err = f(r); err != nil {
				return nil, err
			}
			g.server.conns.expect()
			ev = wrap(ev)
			if at := connOf(r).handOver(); own != nil || at != nil {
				ev = leaving(ev, own, at)
			}
			if u := auth.Of(r); u != nil && !u.Expires.IsZero() {
				ev = g.server.expiring(ev, u.Expires)
			}
			return ev, nil
		})
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(w, lasting(r))
		})
	}
}

// tell adds the times of a connection to its 101, in whole seconds rounded up;
// those that are off are not mentioned.
func tell(o *curlew.Options) {
	if o.Header == nil {
		o.Header = make(http.Header)
	}
	for name, d := range map[string]time.Duration{
		"X-Inactivity-Timeout": o.InactivityTimeout, "X-Request-Timeout": o.RequestTimeout,
	} {
		if d > 0 {
			o.Header.Set(name, strconv.FormatInt(int64((d-1)/time.Second)+1, 10))
		}
	}
}
