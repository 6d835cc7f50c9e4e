// Package systemd takes over the sockets that a service manager has opened for us
// and tells it how we are: sd_listen_fds(3) and sd_notify(3). Without a service
// manager it does nothing.
package systemd

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Sockets are those that the service manager has opened. They stay open until the
// process ends: who closes a listener of one may ask for it again.
type Sockets struct {
	mu   sync.Mutex
	list []*socket
}

type socket struct {
	name  string // FileDescriptorName= of the socket unit, else the unit's own
	addr  net.Addr
	file  *os.File
	asked bool
}

// firstFD is where the descriptors begin: SD_LISTEN_FDS_START.
const firstFD = 3

// Inherit takes over the sockets. It is called once, before anything is started
// that could inherit them in turn.
func Inherit() (*Sockets, error) {
	s := new(Sockets)
	pid, n, names := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS"), strings.Split(os.Getenv("LISTEN_FDNAMES"), ":")
	for _, v := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID"} {
		os.Unsetenv(v)
	}
	if pid != strconv.Itoa(os.Getpid()) { // somebody else's, such as a parent's
		return s, nil
	}
	count, err := strconv.Atoi(n)
	if err != nil || count < 0 || count > 1<<10 {
		return nil, fmt.Errorf("LISTEN_FDS is %q; a number of sockets is wanted", n)
	}
	for i := range count {
		fd, name := firstFD+i, "LISTEN_FD_"+strconv.Itoa(firstFD+i)
		if i < len(names) && names[i] != "" {
			name = names[i]
		}
		closeOnExec(fd)
		k := &socket{name: name, file: os.NewFile(uintptr(fd), name)}
		l, err := net.FileListener(k.file)
		if err != nil {
			return nil, fmt.Errorf("the inherited descriptor %d (%s) is no socket that listens; a socket unit has ListenStream= and Accept=no: %w", fd, name, err)
		}
		k.addr = l.Addr()
		l.Close() // a copy
		s.list = append(s.list, k)
	}
	return s, nil
}

// Listen returns a listener at one of the sockets: the one with this address, as
// net.Listen has it. It returns nil if there is none.
func (s *Sockets) Listen(network, address string) (net.Listener, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.list {
		if is(k.addr, network, address) {
			k.asked = true
			return net.FileListener(k.file)
		}
	}
	return nil, nil
}

// Unused names the sockets that nobody has asked for, such as
// "web.socket (127.0.0.1:80)".
func (s *Sockets) Unused() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for _, k := range s.list {
		if !k.asked {
			list = append(list, k.name+" ("+k.addr.String()+")")
		}
	}
	return list
}

// is reports whether a socket has the address that is asked for. Without a host
// that is all of the machine's, of whichever version of IP.
func is(have net.Addr, network, address string) bool {
	switch have := have.(type) {
	case *net.UnixAddr:
		path, err := filepath.Abs(address)
		return network == "unix" && err == nil && (path == have.Name || address == have.Name)
	case *net.TCPAddr:
		if network != "tcp" {
			return false
		}
		want, err := net.ResolveTCPAddr("tcp", address)
		if err != nil || want.Port != have.Port {
			return false
		}
		return want.IP == nil && have.IP.IsUnspecified() || want.IP.Equal(have.IP) && (want.IP.To4() == nil) == (have.IP.To4() == nil)
	}
	return false
}

// patience is how long a service manager may take to be told something: one that
// hangs must not keep us.
const patience = time.Second

// Notify tells the service manager of a state: lines such as "READY=1". Without
// one that wants to know it does nothing.
func Notify(lines ...string) error {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return nil
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("the service manager is not told: %w", err)
	}
	defer c.Close()
	c.SetWriteDeadline(time.Now().Add(patience))
	for i, l := range lines {
		lines[i] = strings.ReplaceAll(l, "\n", " ")
	}
	if _, err := c.Write([]byte(strings.Join(lines, "\n"))); err != nil {
		return fmt.Errorf("the service manager is not told: %w", err)
	}
	return nil
}

// Reloading is what Notify says when a reload begins; READY=1 ends it.
func Reloading() []string {
	return []string{"RELOADING=1", "MONOTONIC_USEC=" + strconv.FormatInt(monotonic(), 10)}
}
