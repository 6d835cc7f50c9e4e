package server

import (
	"net/http"
	"strings"
)

// maxTarget is the longest request target, in bytes. RFC 9112, 3, asks for 8000.
const maxTarget = 8 << 10

// gate passes on what a handler may see and refuses the rest with the end of the
// connection, so that nothing pipelined behind it is served. It closes the
// connection of everything that asks for an upgrade unless there is one.
func gate(next http.Handler, methods map[string]bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status := 0
		if c := connOf(r); c != nil {
			status = c.verdict(r)
		}
		if status == 0 {
			status = judge(r, methods)
		}
		// A 101 is written by the library, without this.
		if status != 0 || len(r.Header["Upgrade"]) > 0 || len(r.TransferEncoding) > 0 {
			w.Header().Set("Connection", "close")
		}
		switch status {
		case 0:
			next.ServeHTTP(w, r)
			return
		case http.StatusMethodNotAllowed:
			w.Header().Set("Allow", "GET, HEAD")
		case http.StatusServiceUnavailable, http.StatusTooManyRequests:
			w.Header().Set("Retry-After", retryAfter)
		}
		http.Error(w, http.StatusText(status), status)
	})
}

// judge returns the status that a request is refused with whatever the routes
// say, or 0.
func judge(r *http.Request, methods map[string]bool) int {
	switch {
	case (r.ProtoMajor != 1 || r.ProtoMinor > 1) && !isGuest(r): // others may speak HTTP/2
		return http.StatusHTTPVersionNotSupported
	case r.Method == http.MethodConnect || r.Method == http.MethodTrace:
		return http.StatusMethodNotAllowed
	case !methods[r.Method]:
		return http.StatusNotImplemented
	case len(r.RequestURI) > maxTarget:
		return http.StatusRequestURITooLong
	case strings.Contains(r.RequestURI, "#"): // RFC 9112, 3.2: no fragment
		return http.StatusBadRequest
	case r.URL.Scheme != "" && r.URL.Scheme != "http" && r.URL.Scheme != "https", r.URL.Opaque != "", r.URL.User != nil:
		return http.StatusBadRequest
	}
	return 0
}

// knownMethods are those that handlers see. Others only if a route names them.
func knownMethods() map[string]bool {
	return map[string]bool{
		http.MethodGet: true, http.MethodHead: true, http.MethodPost: true, http.MethodPut: true,
		http.MethodPatch: true, http.MethodDelete: true, http.MethodOptions: true,
	}
}
