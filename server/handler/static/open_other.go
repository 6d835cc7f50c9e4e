//go:build !unix

package static

const openFlags = 0

// portable reports whether a name means a file of this name and nothing else.
func portable(s string) bool { return !windowsAlias(s) }

// exhausted reports whether err is about this server, not about the file.
func exhausted(error) bool { return false }
