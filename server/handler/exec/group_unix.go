//go:build unix

package exec

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// separate gives the program a session of its own, and with it a process group
// and no terminal.
func separate(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// A group is that of a program: it and what it has started, as long as that makes
// no group of its own.
//
// Its number is that of the program. It belongs to no other group as long as one
// of this one lives or has not been waited for. So it must not be used any more
// once alive has returned false.
type group int

func groupOf(cmd *exec.Cmd) group { return group(cmd.Process.Pid) }

// terminate asks all of the group to end.
func (g group) terminate() { syscall.Kill(-int(g), syscall.SIGTERM) }

// kill ends all of the group.
func (g group) kill() { syscall.Kill(-int(g), syscall.SIGKILL) }

// alive reports whether there is anyone in the group.
func (g group) alive() bool { return syscall.Kill(-int(g), 0) != syscall.ESRCH }

// exhausted reports whether err says that the system has no room for another
// process, now.
func exhausted(err error) bool {
	for _, e := range []syscall.Errno{syscall.EAGAIN, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// executable reports whether somebody may run the file.
func executable(info fs.FileInfo) bool { return info.Mode()&0o111 != 0 }

// portable reports whether a name means a file of this name and nothing else.
func portable(string) bool { return true }

// keepDescriptors keeps what this process has inherited from the one that started
// it: Go's own descriptors do not reach programs, but those would.
func keepDescriptors() {
	list, err := os.ReadDir("/dev/fd")
	if err != nil {
		return
	}
	for _, e := range list {
		if n, err := strconv.Atoi(e.Name()); err == nil && n > 2 {
			syscall.CloseOnExec(n)
		}
	}
}
