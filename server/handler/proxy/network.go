package proxy

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"curlew.example/curlew/server/site"
)

// A network is the way to the backend.
type network struct {
	target *site.Target
	write  time.Duration // 0: none

	dial func(ctx context.Context, network, address string) (net.Conn, error) // nil: a net.Dialer
	tls  *tls.Config                                                          // nil: the system's
}

// connect makes a connection to the backend, whatever address it is asked for.
func (n *network) connect(ctx context.Context, _, _ string) (net.Conn, error) {
	dial := n.dial
	if dial == nil {
		d := &net.Dialer{}
		if !isLiteral(n.target) {
			d.ControlContext = refuseLocal
		}
		dial = d.DialContext
	}
	return dial(ctx, n.target.Network, n.target.Address)
}

// config is the TLS of a secure backend: its certificate must be of its name.
func (n *network) config() *tls.Config {
	c := n.tls.Clone()
	if c == nil {
		c = &tls.Config{}
	}
	c.ServerName = n.target.Name
	return c
}

// isLiteral reports whether the site file names an address.
func isLiteral(t *site.Target) bool {
	_, err := netip.ParseAddr(t.Name)
	return err == nil || t.Network == "unix"
}

// refuseLocal refuses what a name must not lead to: addresses of the link, where
// clouds have the secrets of a machine, and those that are nobody's. Who means one
// writes it out.
func refuseLocal(_ context.Context, _, address string, _ syscall.RawConn) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if ip := a.Addr().Unmap(); ip.IsLinkLocalUnicast() || ip.IsUnspecified() || ip.IsMulticast() {
		return fmt.Errorf("the name leads to %v", ip)
	}
	return nil
}

// A pooled connection is one of the Transport's: it ends when the backend takes no
// bytes for the time of timeouts.write.
type pooled struct {
	net.Conn
	write time.Duration
}

func (c *pooled) Write(p []byte) (int, error) {
	if c.write > 0 {
		c.SetWriteDeadline(time.Now().Add(c.write))
	}
	return c.Conn.Write(p)
}
