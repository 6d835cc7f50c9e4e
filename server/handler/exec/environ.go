package exec

import (
	"net/http"
	"strings"

	"curlew.example/curlew/server/site"
)

// environ returns the environment of a program: what the site file says, and the
// fields of the request that it lists. RFC 3875, 4.1.18.
func environ(e *site.Exec, r *http.Request) []string {
	env := make([]string, 0, len(e.Env.Value)+len(e.Pass.Value)) // nil would be all of ours
	for _, v := range e.Env.Value {
		env = append(env, v.Name+"="+v.Value)
	}
	for _, name := range e.Pass.Value {
		if value, ok := field(r, strings.TrimPrefix(name, "HTTP_")); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// field returns the value of a field of the request, in one line. A field with an
// underscore in its name is another one than that with a hyphen, and never found.
func field(r *http.Request, name string) (string, bool) {
	name = http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-"))
	lines := r.Header[name]
	separator := ", " // RFC 9110, 5.2
	switch name {
	case "Host":
		lines = []string{r.Host}
	case "Cookie":
		separator = "; "
	}
	if len(lines) == 0 {
		return "", false
	}
	value := strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7F {
			return ' '
		}
		return c
	}, strings.Join(lines, separator))
	// Old shells take such a variable for a function and run what comes behind it
	// (CVE-2014-6271).
	if strings.HasPrefix(strings.TrimLeft(value, " "), "()") {
		return "", false
	}
	return value, true
}
