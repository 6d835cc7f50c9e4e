package server

import (
	"cmp"
	"log/slog"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"

	"curlew.example/curlew/server/auth"
	"curlew.example/curlew/server/site"
)

// warn tells of what a site allows that is dangerous to allow, once for each place
// in its file.
func (g *generation) warn() {
	told := make(map[string]bool)
	warn := func(from site.Place, what string) {
		if at := from.String(); !told[at+what] {
			told[at+what] = true
			g.server.log.Warn(what, "setting", at)
		}
	}
	h := &g.site.Hub
	if h.APIKeys.Set() {
		exposed(g.server.log, cmp.Or(h.APIKeys.Value.File, g.site.File), "the keys of the hub's API")
		if g.inTheClear() {
			warn(h.APIKeys.From, "keys of the hub's API are sent in the clear: use https, or name the proxy that does in trustedProxies")
		}
	}
	if k := &h.Auth.JWT.Keys; k.Set() {
		if t, err := auth.NewTokens(&auth.JWT{File: k.Value.File, Keys: k.Value.Text}, nil); err == nil && t.Secret() {
			exposed(g.server.log, cmp.Or(k.Value.File, g.site.File), "the secret of the hub's tokens")
		}
	}
	if u, err := url.Parse(string(h.Auth.Webhook.Value)); err == nil && u.Scheme == "http" && !isLocal(u.Hostname()) {
		warn(h.Auth.Webhook.From, "the webhook is sent tokens and cookies in the clear: use https")
	}
	for _, r := range g.site.Routes {
		if r.Hub != nil && len(r.Hub.Namespaces) == 0 {
			warn(r.Handler.From, "a hub without hub.namespaces has no channels")
		}
		switch r.Handler.Value {
		case "static", "respond", "redirect": // no WebSockets
			continue
		}
		if slices.Contains(r.Origins.Value, "*") && !provesPage(r.Access.Auth) {
			warn(r.Origins.From, "origins: pages of any site may connect, with what their visitors may")
		}
		if u := r.WebSockets.ValidateUTF; u.Set() && !u.Value {
			warn(u.From, "validateUTF: text may hold bytes that are not UTF-8")
		}
	}
}

// provesPage reports whether a page that connects has to know who its user is.
// Passwords and cookies browsers send by themselves.
func provesPage(a *site.Auth) bool {
	return a != nil && !a.Off && !a.Basic.Users.Set() &&
		!slices.ContainsFunc(a.JWT.Sources.Value, func(s string) bool { return strings.HasPrefix(s, "cookie:") })
}

// exposed tells of a file that holds something secret and that others may read, or
// that another user may change.
func exposed(log *slog.Logger, name, what string) {
	info, err := os.Stat(name)
	if err != nil || runtime.GOOS == "windows" {
		return
	}
	switch {
	case info.Mode().Perm()&0o004 != 0:
		log.Warn("everybody on this machine may read "+what, "file", name)
	case info.Mode().Perm()&0o002 != 0 || foreign(info):
		log.Warn("somebody else may change "+what, "file", name)
	}
}
