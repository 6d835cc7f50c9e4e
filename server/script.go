package server

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"sync"
	"time"

	"curlew.example/curlew/client/js"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
)

// scripted serves the browser's client in front of the routes, unless one of them is
// for exactly its path. What the site says of addresses and rates of requests without
// a route holds for it, too.
func scripted(table *route.Table, s *site.Site) http.Handler {
	path := s.ScriptPath()
	if path == "" {
		return table
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.EscapedPath() != path {
			table.ServeHTTP(w, r)
		} else if table.Pass(w, r) {
			serveScript(w, r)
		}
	})
}

// packed is the script as gzip.
var packed = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err == nil {
		z.Write(js.Script)
		err = z.Close()
	}
	if err != nil {
		panic(err) // there is such a level, and memory does not fail
	}
	return b.Bytes()
})

// scriptTag tells versions apart.
var scriptTag = sync.OnceValue(func() string {
	sum := sha256.Sum256(js.Script)
	return hex.EncodeToString(sum[:8])
})

// serveScript sends the script: to pages of every origin, as there is nothing of
// anybody's in it.
func serveScript(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		head.Set("Allow", "GET, HEAD")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return
	}
	head.Set("Content-Type", "text/javascript; charset=utf-8")
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Access-Control-Allow-Origin", "*")
	head.Set("Cross-Origin-Resource-Policy", "cross-origin")
	head.Set("Cache-Control", "no-cache") // asked for each time whether it is new
	head.Set("Vary", "Accept-Encoding")
	script, tag := js.Script, scriptTag()
	if route.Accepts(r, "gzip") && r.Header.Get("Range") == "" {
		script, tag = packed(), tag+"-gzip"
		head.Set("Content-Encoding", "gzip")
	}
	head.Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(script))
}
