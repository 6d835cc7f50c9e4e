package route

import (
	"net/http"
	"slices"
	"strings"

	"curlew.example/curlew/fallback"
	"curlew.example/curlew/server/site"
)

// A Table is the routes of a site. Once it is used any number of goroutines may
// use it, and nobody may Add.
type Table struct {
	// Pass, if set, is asked before a request is refused that no route answers.
	// If it returns false it has answered.
	Pass func(w http.ResponseWriter, r *http.Request) bool

	entries []entry
}

type entry struct {
	*rule
	from    site.Place
	handler http.Handler
	carried bool
}

// A Carried is a handler whose WebSockets the fallback carries too: requests of the
// fallback come to it whatever their method is, if a handshake would, which is a GET.
type Carried struct{ http.Handler }

// answers reports whether the methods of the route allow a request.
func (e *entry) answers(r *http.Request) bool {
	if e.carried && fallback.Is(r) {
		return e.method(http.MethodGet)
	}
	return e.method(r.Method)
}

// Carries reports whether the route that answers a request is Carried.
func (t *Table) Carries(r *http.Request) bool {
	found := t.Find(r)
	return found.Status == 0 && t.entries[found.Route].carried
}

// Add puts a route behind those that are there.
func (t *Table) Add(r *site.Route, h http.Handler) error {
	m, err := compile(r)
	if err != nil {
		return err
	}
	_, carried := h.(Carried)
	t.entries = append(t.entries, entry{m, r.From, h, carried})
	return nil
}

// A Found is what a table says of a request.
type Found struct {
	// Route is the index of the route that answers, in the order of Add; -1 if
	// Status is the answer.
	Route  int
	Status int // 0, or why no route answers: 400, 404, 405 or 421

	Captures []Capture
	Allow    []string // of a 405, sorted
}

// Find returns the route that answers a request, or why there is none. It looks
// at the method, the host, the path and whether there is TLS.
func (t *Table) Find(r *http.Request) Found {
	none := func(status int) Found { return Found{Route: -1, Status: status} }
	host, ok := canonicalHost(r.Host)
	if !ok && (r.Host != "" || r.ProtoAtLeast(1, 1)) { // HTTP/1.0 has no Host
		return none(http.StatusBadRequest)
	}
	p, ok := split(r.URL)
	if !ok {
		return none(http.StatusBadRequest)
	}
	var allow []string
	misdirected := len(t.entries) > 0
	for i, e := range t.entries {
		if !e.host(host) {
			continue
		}
		misdirected = false
		found, ok := e.path(p)
		if !ok || e.plain && r.TLS != nil {
			continue
		}
		if !e.answers(r) {
			allow = append(allow, e.methods...)
			continue
		}
		if t.belongsElsewhere(r, host, p, i) {
			return none(http.StatusNotFound)
		}
		return Found{Route: i, Captures: found}
	}
	switch {
	case allow != nil:
		slices.Sort(allow)
		return Found{Route: -1, Status: http.StatusMethodNotAllowed, Allow: slices.Compact(allow)}
	case misdirected:
		return none(http.StatusMisdirectedRequest)
	}
	return none(http.StatusNotFound)
}

// belongsElsewhere reports whether a path that route i answers is one of an earlier
// route in another spelling, or leads out of route i by its dots. The handler may
// understand it so, a backend for example, and what the other route asks of clients
// would not be asked.
func (t *Table) belongsElsewhere(r *http.Request, host string, p *path, i int) bool {
	for _, q := range p.spellings() {
		j := slices.IndexFunc(t.entries, func(e entry) bool {
			_, ok := e.path(&q.path)
			return ok && e.host(host) && !(e.plain && r.TLS != nil) && e.answers(r)
		})
		if j >= 0 && j < i || j != i && q.out {
			return true
		}
	}
	return false
}

// ServeHTTP passes the request to the first route that matches, with its
// captures as path values, or says that there is none.
func (t *Table) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	found := t.Find(r)
	if found.Status != 0 {
		if t.Pass != nil && !t.Pass(w, r) {
			return
		}
		if found.Allow != nil {
			w.Header().Set("Allow", strings.Join(found.Allow, ", "))
		}
		refuse(w, found.Status)
		return
	}
	for _, c := range found.Captures {
		r.SetPathValue(c.Name, c.Value)
	}
	t.entries[found.Route].handler.ServeHTTP(w, r)
}

// refuse answers with the status as plain text and nothing of the request in it.
func refuse(w http.ResponseWriter, status int) {
	http.Error(w, http.StatusText(status), status)
}
