//go:build unix

package exec

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// separate gives the program a session of its own, and with it a process group
// and no terminal, and lets it run as another user.
func separate(cmd *exec.Cmd, as *identity) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if as != nil {
		cmd.SysProcAttr.Credential = &as.Credential
	}
}

// An identity is a user that programs run as, with its groups.
type identity struct{ syscall.Credential }

// lookUp returns the identity of a user by its name or number; nil is that of the
// server.
func lookUp(name string) (*identity, error) {
	u, err := user.Lookup(name)
	if err != nil {
		// What is larger than a number of a user can be would be another one to C.
		if u, err = user.LookupId(name); err != nil || u.Uid != name {
			return nil, fmt.Errorf("there is no user %q", name)
		}
	}
	as := new(identity)
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	groups, err3 := u.GroupIds()
	if err := errors.Join(err, err2, err3); err != nil {
		return nil, err
	}
	as.Uid, as.Gid = uint32(uid), uint32(gid)
	for _, g := range groups {
		id, err := strconv.ParseUint(g, 10, 32)
		if err != nil {
			return nil, err
		}
		as.Groups = append(as.Groups, uint32(id))
	}
	switch euid := os.Geteuid(); {
	case int(uid) == euid:
		return nil, nil
	case euid != 0:
		return nil, fmt.Errorf("only a server that runs as root can start programs as %s; this one runs as user %d", u.Username, euid)
	}
	return as, nil
}

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
