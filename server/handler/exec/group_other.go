//go:build !unix

package exec

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func separate(*exec.Cmd, *identity) {}

// An identity is a user that programs run as: there is no other here.
type identity struct{}

func lookUp(string) (*identity, error) {
	return nil, errors.New("programs cannot run as another user on this system; remove it")
}

// A group is only the program itself here: what it starts has to end by itself,
// at the end of its input. Nothing asks politely.
type group struct{ p *os.Process }

func groupOf(cmd *exec.Cmd) group { return group{cmd.Process} }

func (g group) terminate() {}

func (g group) kill() { g.p.Kill() }

// alive is asked when the program has ended.
func (g group) alive() bool { return false }

func exhausted(error) bool { return false }

func executable(fs.FileInfo) bool { return true }

// portable reports whether a name means a file of this name and nothing else:
// Windows has devices and streams, and takes dots and spaces at the end away.
func portable(s string) bool {
	return filepath.IsLocal(s) && !strings.ContainsAny(s, `:<>|?*"`) && strings.TrimRight(s, ". ") == s
}

func keepDescriptors() {}
