package server

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"curlew.example/curlew/server/site"
)

// A source is a listener that survives the generations that it feeds.
type source struct {
	net.Listener
	from site.Listen // Secure aside
	once sync.Once
	gone chan struct{} // closed by Close

	secure bool // TLS is spoken there; guarded by Server.mu
}

// Close stops accepting, once.
func (s *source) Close() error {
	var err error
	s.once.Do(func() {
		close(s.gone)
		err = s.Listener.Close()
	})
	return err
}

// url is the address as a client writes it. Server.mu is held.
func (s *source) url() string {
	switch {
	case s.from.Network == "unix":
		return "unix:" + s.from.Address
	case s.secure:
		return "https://" + reachable(s.from.Address, s.Addr())
	}
	return "http://" + reachable(s.from.Address, s.Addr())
}

// listeners are what a generation wants.
type listeners struct {
	all    []*source // in the order of the site
	opened []*source // of these, those that are new
	unused []*source // that the generation before has and this one does not want
}

// giveUp closes those that are new.
func (l *listeners) giveUp() {
	for _, src := range l.opened {
		src.Close()
	}
}

// openAll finds the sources that a generation wants among those that there are
// already, and opens the others. On error none is new. Server.reload is held.
func openAll(g *generation, have []*source) (*listeners, error) {
	l := &listeners{unused: slices.Clone(have)}
	var failed site.Errors
	for _, asked := range g.site.Listen {
		if asked.Secure && g.tls == nil {
			failed = append(failed, asked.From.Errorf("https needs a certificate; tls: { certificate: 'site.pem', key: 'site.key' } in a site file"))
			continue
		}
		same := func(s *source) bool { return s.from.Network == asked.Network && s.from.Address == asked.Address }
		if i := slices.IndexFunc(l.unused, same); i >= 0 {
			l.all = append(l.all, l.unused[i])
			l.unused = slices.Delete(l.unused, i, i+1)
			continue
		}
		src, err := g.server.open(asked, have)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		l.all, l.opened = append(l.all, src), append(l.opened, src)
	}
	if len(failed) > 0 {
		l.giveUp()
		return nil, failed
	}
	return l, nil
}

// open opens a listener. have are those that there are.
func (s *Server) open(l site.Listen, have []*source) (*source, *site.Error) {
	ln, err := s.given(l)
	if ln == nil && err == nil {
		if l.Network == "unix" {
			err = removeStale(l.Address)
		}
		if err == nil {
			ln, err = net.Listen(l.Network, l.Address)
		}
	}
	if err != nil {
		why := reason(err)
		if in := inTheWay(l, have); in != nil && errors.Is(err, syscall.EADDRINUSE) {
			why = "this server listens at " + in.Addr().String() + ", which cannot be both; restart it, or choose another port"
		}
		return nil, l.From.Errorf("cannot listen at %s: %s", l.Address, why)
	}
	return &source{Listener: ln, from: l, gone: make(chan struct{})}, nil
}

// inTheWay returns the source whose port l wants for other addresses, or nil.
func inTheWay(l site.Listen, have []*source) *source {
	_, port, _ := net.SplitHostPort(l.Address)
	i := slices.IndexFunc(have, func(s *source) bool {
		_, taken, err := net.SplitHostPort(s.Addr().String())
		return err == nil && l.Network == "tcp" && taken == port
	})
	if i < 0 {
		return nil
	}
	return have[i]
}

// given returns a listener of the program's, or nil.
func (s *Server) given(l site.Listen) (net.Listener, error) {
	if s.listen == nil {
		return nil, nil
	}
	return s.listen(l.Network, l.Address)
}

// reason says why listening failed, and what can be done.
func reason(err error) string {
	text := err.Error()
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		text = op.Err.Error()
	}
	if call := (*os.SyscallError)(nil); errors.As(err, &call) {
		text = call.Err.Error()
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		text += "; another program listens there: stop it or choose another port, 0 for any that is free"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		text += "; an address of this machine, or :port for all of them"
	case errors.Is(err, syscall.EACCES):
		text += "; ports below 1024 may need a privilege, the folder of a socket must be writable"
	}
	return text
}

// passing reports whether accepting can go on after err: when something is short, or
// when it is the error of one connection, or of a rule about it, which accept(2) of
// Linux returns in its place.
func passing(err error) bool {
	for _, e := range []error{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
		syscall.ECONNABORTED, syscall.EPROTO, syscall.ENOPROTOOPT, syscall.EPERM,
		syscall.ENETDOWN, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.ETIMEDOUT,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// reachable returns host and port as a client writes them: with the port that
// was found for 0, and a name for "every address".
func reachable(asked string, got net.Addr) string {
	tcp, ok := got.(*net.TCPAddr)
	if !ok {
		return got.String()
	}
	host, _, _ := net.SplitHostPort(asked)
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, strconv.Itoa(tcp.Port))
}

// removeStale removes the socket of a server that is no more. What somebody
// listens at, and what is no socket, stays and is an error.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return errors.New("there is something else than a socket; remove it or choose another path")
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
		return errors.New("another program listens there; stop it or choose another path")
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("there is a socket that does not answer: %w", err)
	}
	return os.Remove(path)
}
