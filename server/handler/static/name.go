package static

import (
	"net/http"
	"net/url"
	"strings"
)

// name returns the slash-separated name of the file that the path of a request
// asks for, its first strip segments left out; "." is the folder itself. Slash
// says that the path ends in one.
//
// Empty segments and those that begin with a dot name nothing: hidden files, "."
// and "..". Neither do those that hold a separator, or that mean something else
// than a file of this name to the system.
func name(r *http.Request, strip int) (file string, slash, ok bool) {
	segments := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	if len(segments) <= strip {
		return "", false, false
	}
	segments = segments[strip:]
	if last := len(segments) - 1; segments[last] == "" {
		segments, slash = segments[:last], true
	}
	for i, s := range segments {
		s, err := url.PathUnescape(s)
		if err != nil || s == "" || s[0] == '.' || strings.ContainsAny(s, "/\\\x00") || !portable(s) {
			return "", false, false
		}
		segments[i] = s
	}
	if len(segments) == 0 {
		return ".", slash, true
	}
	return strings.Join(segments, "/"), slash, true
}

// depth returns how many segments of a request's path belong to the place of the
// route and not to the file: those before the last slash of its match. A route
// "/files/" serves "/files/a.txt" from a.txt, "/logo.png" from logo.png.
func depth(match string) int {
	return max(strings.Count(match, "/")-1, 0)
}
