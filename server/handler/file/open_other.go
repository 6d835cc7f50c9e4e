//go:build !unix

package file

import "strings"

const openFlags = 0

// portable reports whether a value can be part of a name and nothing else: on
// Windows "a::$DATA" and "a." are the file a, and "LONGNA~1" may be another one.
func portable(v string) bool {
	return !strings.ContainsAny(v, ":~") && !strings.HasSuffix(v, ".") && !strings.HasSuffix(v, " ")
}

// exhausted reports whether err is about this server, not about the file.
func exhausted(error) bool { return false }
