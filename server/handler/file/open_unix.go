//go:build unix

package file

import (
	"errors"
	"syscall"
)

// openFlags keep the opening of a named pipe from waiting for its other end.
const openFlags = syscall.O_NONBLOCK

// portable reports whether a value can be part of a name and nothing else.
func portable(string) bool { return true }

// exhausted reports whether err is about this server, not about the file.
func exhausted(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}
