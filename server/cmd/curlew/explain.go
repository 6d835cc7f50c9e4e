package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"curlew.example/curlew/server/config"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
)

type explanation struct {
	File   string `arg:""`
	URL    string `arg:"" name:"url"`
	Method string `default:"GET"`
}

func (c *explanation) Run(ctx context.Context, p *Program) error {
	r, err := c.request()
	if err != nil {
		return wrongUsage{err}
	}
	s, err := awaited(ctx, func() (*site.Site, error) { return config.Load(c.File) })
	if err != nil {
		return p.told(err)
	}
	table := new(route.Table)
	for _, r := range s.Routes {
		var h http.Handler
		if r.Fallback.Value && r.SpeaksWebSocket() {
			h = route.Carried{}
		}
		if err := table.Add(r, h); err != nil {
			return p.told(err)
		}
	}
	what := c.Method + " " + printable(r.URL.String())
	if path := s.ScriptPath(); path != "" && path == r.URL.EscapedPath() {
		at := s.ClientScript.From.String()
		if !s.ClientScript.Set() {
			at = s.File
		}
		fmt.Fprintf(p.Stdout, "%s: clientScript answers %s, in front of the routes\n", printable(at), what)
		return nil
	}
	found := table.Find(r)
	if found.Status != 0 {
		allow := ""
		if found.Allow != nil {
			allow = ", Allow: " + strings.Join(found.Allow, ", ")
		}
		fmt.Fprintf(p.Stdout, "%s: no route answers %s: %d %s%s\n", printable(s.File), what, found.Status, http.StatusText(found.Status), allow)
		return errSaid
	}
	chosen := s.Routes[found.Route]
	fmt.Fprintf(p.Stdout, "%s: %s answers %s\n", printable(chosen.From.String()), chosen.From.Path, what)
	for _, f := range found.Captures {
		fmt.Fprintf(p.Stdout, "  {%s} is %s\n", f.Name, printable(f.Value))
	}
	for _, e := range table.Hidden() {
		if e.Path == chosen.From.Path {
			fmt.Fprintf(p.Stdout, "  %s\n", printable(e.Text))
		}
	}
	fmt.Fprintln(p.Stdout)
	tabulate(p.Stdout, s.Settings(chosen))
	fmt.Fprintln(p.Stdout, "\nOf the listeners and the whole server:")
	tabulate(p.Stdout, s.OwnSettings())
	return nil
}

// request is what the URL stands for: as a client would send it.
func (c *explanation) request() (*http.Request, error) {
	u, err := url.Parse(c.URL)
	if e := (*url.Error)(nil); errors.As(err, &e) {
		err = e.Err
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("URL: %w", err)
	case u.Scheme == "" && u.Host == "" && strings.HasPrefix(c.URL, "/"):
		u.Scheme, u.Host = "http", "localhost"
	case u.Scheme == "ws":
		u.Scheme = "http"
	case u.Scheme == "wss":
		u.Scheme = "https"
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, errors.New("URL: http://host/path, ws://host/path or /path is wanted")
	}
	if u.Path == "" {
		u.Path = "/"
	}
	r := &http.Request{Method: c.Method, URL: u, Host: u.Host, ProtoMajor: 1, ProtoMinor: 1}
	if u.Scheme == "https" {
		r.TLS = new(tls.ConnectionState)
	}
	return r, nil
}

// tabulate writes a line for each setting: key, value, where it is said.
func tabulate(w io.Writer, list []site.InForce) {
	keys, values := 0, 0
	for _, f := range list {
		keys, values = max(keys, len(f.Key)), max(values, min(len([]rune(f.Value)), 24))
	}
	for _, f := range list {
		where := "default"
		if f.From.Line > 0 {
			where = f.From.String()
		}
		fmt.Fprintf(w, "%-*s  %-*s  %s\n", keys, printable(f.Key), values, printable(f.Value), printable(where))
	}
}
