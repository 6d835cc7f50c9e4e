package testenv

import (
	"net"
	"os"
	"sync"
	"testing"
)

var (
	givenLock sync.Mutex
	given     = make(map[string]bool) // by Free
)

// Free returns an address, for TCP and UDP, that a program can be told to listen at
// which cannot choose one. Where the system has more than one address of its own to
// itself, as Linux has, it is one that nobody else takes ports of, neither to listen
// nor to connect.
func Free(t testing.TB) string {
	t.Helper()
	pid := os.Getpid()
	own := net.IPv4(127, 1+byte(pid>>16)&63, byte(pid>>8), byte(pid)).String()
	givenLock.Lock()
	defer givenLock.Unlock()
	for _, host := range []string{own, "127.0.0.1"} {
		for range 100 {
			l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
			if err != nil {
				break
			}
			at := l.Addr().String()
			c, err := net.ListenPacket("udp", at)
			l.Close()
			if err == nil {
				c.Close()
			}
			if err == nil && !given[at] {
				given[at] = true
				return at
			}
		}
	}
	t.Fatal("no free port")
	return ""
}
