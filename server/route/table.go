package route

import (
	"net/http"
	"slices"
	"strings"

	"curlew.example/curlew/server/site"
)

// A Table is the routes of a site. Once it is used any number of goroutines may
// use it, and nobody may Add.
type Table struct {
	entries []entry
}

type entry struct {
	*rule
	from    site.Place
	handler http.Handler
}

// Add puts a route behind those that are there.
func (t *Table) Add(r *site.Route, h http.Handler) error {
	m, err := compile(r)
	if err != nil {
		return err
	}
	t.entries = append(t.entries, entry{m, r.From, h})
	return nil
}

// ServeHTTP passes the request to the first route that matches, with its
// captures as path values, or says that there is none.
func (t *Table) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host, ok := canonicalHost(r.Host)
	if !ok && (r.Host != "" || r.ProtoAtLeast(1, 1)) { // HTTP/1.0 has no Host
		refuse(w, http.StatusBadRequest)
		return
	}
	p, ok := split(r.URL)
	if !ok {
		refuse(w, http.StatusBadRequest)
		return
	}
	var allow []string
	misdirected := len(t.entries) > 0
	for _, e := range t.entries {
		if !e.host(host) {
			continue
		}
		misdirected = false
		found, ok := e.path(p)
		if !ok {
			continue
		}
		if !e.method(r.Method) {
			allow = append(allow, e.methods...)
			continue
		}
		for _, c := range found {
			r.SetPathValue(c.name, c.value)
		}
		e.handler.ServeHTTP(w, r)
		return
	}
	switch {
	case allow != nil:
		slices.Sort(allow)
		w.Header().Set("Allow", strings.Join(slices.Compact(allow), ", "))
		refuse(w, http.StatusMethodNotAllowed)
	case misdirected:
		refuse(w, http.StatusMisdirectedRequest)
	default:
		refuse(w, http.StatusNotFound)
	}
}

// refuse answers with the status as plain text and nothing of the request in it.
func refuse(w http.ResponseWriter, status int) {
	http.Error(w, http.StatusText(status), status)
}
