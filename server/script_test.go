package server_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"curlew.example/curlew/client/js"
	"curlew.example/curlew/server"
)

// TestScript: the browser's client is served where the site says, to all.
func TestScript(t *testing.T) {
	get := func(site, path string, fields ...string) *httptest.ResponseRecorder {
		t.Helper()
		srv, err := server.New(parse(t, site), server.Options{Handlers: basic()})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("GET", path, nil)
		for i := 0; i < len(fields); i += 2 {
			r.Header.Set(fields[i], fields[i+1])
		}
		w := httptest.NewRecorder()
		srv.ServeHTTP(w, r)
		return w
	}
	const route = `routes: [{ match: '/', handler: 'respond', respond: { body: 'mine' } }]`
	w := get(`{ `+route+` }`, "/curlew.js")
	if h := w.Header(); w.Code != 200 || !bytes.Equal(w.Body.Bytes(), js.Script) || h.Get("Content-Type") != "text/javascript; charset=utf-8" ||
		h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Cache-Control") != "no-cache" || h.Get("ETag") == "" {
		t.Errorf("%d, %d bytes, %v", w.Code, w.Body.Len(), w.Header())
	}
	if again := get(`{}`, "/curlew.js", "If-None-Match", w.Header().Get("ETag")); again.Code != http.StatusNotModified {
		t.Errorf("with its tag: %d", again.Code)
	}
	for accept, want := range map[string]string{"gzip": "gzip", "br, GZIP;q=0.5": "gzip", "gzip;q=0": "", "gzip; q=0.00": "", "br": ""} {
		w := get(`{}`, "/curlew.js", "Accept-Encoding", accept)
		if got := w.Header().Get("Content-Encoding"); got != want {
			t.Errorf("%s: %q", accept, got)
		}
		if want == "" {
			continue
		}
		z, err := gzip.NewReader(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(z); err != nil || !bytes.Equal(text, js.Script) {
			t.Errorf("%s: %d bytes, %v", accept, len(text), err)
		}
	}
	for _, c := range []struct {
		site, path string
		mine       bool
	}{
		{`{ clientScript: false, ` + route + ` }`, "/curlew.js", true},
		{`{ clientScript: '/lib/ws.js', ` + route + ` }`, "/curlew.js", true},
		{`{ clientScript: '/lib/ws.js', ` + route + ` }`, "/lib/ws.js", false},
		{`{ routes: [{ match: '/curlew.js', handler: 'respond', respond: { body: 'mine' } }] }`, "/curlew.js", true},
	} {
		if got := get(c.site, c.path).Body.String() == "mine"; got != c.mine {
			t.Errorf("%s %s: the route's own is %v", c.site, c.path, got)
		}
	}
	if w := get(`{ deny: '192.0.2.0/24', `+route+` }`, "/curlew.js"); w.Code != http.StatusForbidden {
		t.Errorf("to whom may not come: %d", w.Code)
	}
}
