//go:build unix

package server

import (
	"io/fs"
	"os"
	"syscall"
)

// foreign reports whether a file is neither ours nor root's.
func foreign(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && s.Uid != 0 && int(s.Uid) != os.Geteuid()
}
