package server

import (
	"cmp"
	"log/slog"
	"net"
	"net/http"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/server/auth"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
)

// users returns the guard of what a route says of users; nil lets everybody come.
// Routes that have inherited the same share one.
func (g *generation) users(a *site.Auth) (*auth.Guard, error) {
	if a == nil || a.Off {
		return nil, nil
	}
	if known := g.guards[a]; known != nil {
		return known, nil
	}
	o := &auth.Options{
		Realm: a.Basic.Realm.Value, Users: a.Basic.Users.Value, Roles: a.Role.Value,
		Costs: g.server.costs, Reread: g.server.reread,
	}
	if j := &a.JWT; j.Keys.Set() {
		o.JWT = &auth.JWT{
			File: j.Keys.Value.File, Keys: j.Keys.Value.Text,
			Algorithms: j.Algorithms.Value, Issuer: j.Issuer.Value, Audience: j.Audience.Value,
			Leeway: j.Leeway.Value, From: j.Sources.Value, Roles: j.Roles.Value,
		}
	}
	guard, err := auth.New(o)
	if err != nil {
		return nil, a.From.Errorf("%v", err)
	}
	if o.Users != "" && g.inTheClear() {
		g.server.log.Warn("passwords are sent in the clear: use https, or name the proxy that does in trustedProxies", "setting", a.From.String())
	}
	if names := guard.Quick(); names != nil {
		g.server.log.Warn("passwords that can be guessed quickly: make their hashes anew with htpasswd -nB -C 10", "users", len(names), "one", printable(names[0]), "file", o.Users)
	}
	if o.Users != "" {
		exposed(g.server.log, o.Users, "the hashes of passwords")
	}
	if o.JWT != nil && guard.Secret() {
		exposed(g.server.log, cmp.Or(o.JWT.File, g.site.File), "the secret of tokens")
	}
	g.guards[a] = guard
	return guard, nil
}

// inTheClear reports whether requests may come over a network as they are.
func (g *generation) inTheClear() bool {
	for _, l := range g.site.Listen {
		host, _, _ := net.SplitHostPort(l.Address)
		if l.Network == "tcp" && !l.Secure && !isLocal(host) && g.site.TrustedProxies.Value.Empty() {
			return true
		}
	}
	return false
}

// isLocal reports whether a host is this machine, to which no network leads.
func isLocal(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// reread writes that a file of users or keys was read again.
func (s *Server) reread(file string, err error) {
	if err != nil {
		s.log.Error("not read again; what it said before stays in force", "file", file, "error", err)
		return
	}
	s.log.Info("read again, as it has changed", "file", file)
}

// authenticated lets those users come to h whom the guard knows.
func authenticated(h http.Handler, guard *auth.Guard) http.Handler {
	if guard == nil {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := answerOf(w, r)
		user, no := guard.Check(r, route.Client(r))
		if no != nil {
			for name, values := range no.Header {
				w.Header()[name] = values
			}
			if a != nil {
				a.why = no.Err
			}
			http.Error(w, http.StatusText(no.Status), no.Status)
			return
		}
		if a != nil {
			a.user, a.private = user.Name, true
		}
		h.ServeHTTP(w, auth.With(r, user))
	})
}

// attributes are what is logged of a user, or of why there is none.
func (a *answer) attributes() (list []any) {
	if a.user != "" {
		list = append(list, slog.String("user", printable(a.user)))
	}
	if a.why != nil {
		list = append(list, slog.String("refused", printable(a.why.Error())))
	}
	return list
}

// tokenExpired is the code of a connection whose token has expired. RFC 6455,
// 7.4.2: it is ours.
const tokenExpired curlew.Code = 4401

// expiring returns events that have their connection closed when the user may not
// be here any longer.
func (s *Server) expiring(ev *curlew.Events, at time.Time) *curlew.Events {
	with := *ev
	var e *expiry
	with.Open = func(c *curlew.Conn) {
		e = s.expiries.add(c, at)
		ev.Open(c)
	}
	with.Close = func(c *curlew.Conn, err *curlew.CloseError) {
		s.expiries.remove(e)
		ev.Close(c, err)
	}
	return &with
}
