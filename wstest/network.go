package wstest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
)

// ErrRefused is what DialContext gives when nobody listens at the address.
var ErrRefused = errors.New("connection refused")

// NetworkOptions are the settings of a Network. nil and the zero value are the
// good default.
type NetworkOptions struct {
	// Link are the settings of its links. The addresses are set by DialContext.
	Link LinkOptions

	// Dialed is called for each connection before either side has it, so that
	// faults can be set on its ends.
	Dialed func(client, server *End)
}

// A Network is a network in memory: listeners by their address, and a dialer for
// curlew.DialOptions.DialContext or http.Transport.DialContext. It resolves no
// names: what is dialed is looked up among what is listened to, as it stands. All
// methods may be called at once.
type Network struct {
	o NetworkOptions

	mu        sync.Mutex // guards the following
	listeners map[string]*Listener
	port      int // the last one given to a client
}

// NewNetwork returns a network without listeners.
func NewNetwork(o *NetworkOptions) *Network {
	if o == nil {
		o = &NetworkOptions{}
	}
	return &Network{o: *o, listeners: make(map[string]*Listener), port: 49151}
}

// backlog is how many connections wait to be accepted before dialing blocks.
const backlog = 128

// Listen returns the listener of an address like "example.com:80". It panics
// if the address is taken, which is an error of the test.
func (n *Network) Listen(address string) *Listener {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners[address] != nil {
		panic(fmt.Sprintf("wstest: %s is already listened to", address))
	}
	l := &Listener{
		network: n,
		addr:    Addr(address),
		conns:   make(chan *End, backlog),
		closed:  make(chan struct{}),
	}
	n.listeners[address] = l
	return l
}

// DialContext connects to the listener of address; network is not looked at.
// The connection returned is an *End. The context bounds the wait for room
// among the connections that are not accepted yet.
func (n *Network) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	refuse := func(err error) error {
		return &net.OpError{Op: "dial", Net: network, Addr: Addr(address), Err: err}
	}
	if err := ctx.Err(); err != nil {
		return nil, refuse(err)
	}
	n.mu.Lock()
	l := n.listeners[address]
	n.port++
	port := n.port
	n.mu.Unlock()
	if l == nil {
		return nil, refuse(ErrRefused)
	}
	o := n.o.Link
	o.LocalAddr, o.RemoteAddr = Addr(fmt.Sprintf("192.0.2.1:%d", port)), l.addr
	client, server := NewLink(&o)
	if n.o.Dialed != nil {
		n.o.Dialed(client, server)
	}
	select {
	case <-l.closed:
		return nil, refuse(ErrRefused)
	default:
	}
	select {
	case l.conns <- server:
		select {
		case <-l.closed: // nobody may come any more to fetch it
			server.Reset()
		default:
		}
		return client, nil
	case <-l.closed:
		return nil, refuse(ErrRefused)
	case <-ctx.Done():
		return nil, refuse(ctx.Err())
	}
}

// A Listener is a net.Listener in memory.
type Listener struct {
	network *Network
	addr    Addr
	conns   chan *End
	closed  chan struct{}
	once    sync.Once
}

// Accept waits for a connection; it is an *End.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case <-l.closed:
		return nil, l.fault()
	default:
	}
	select {
	case e := <-l.conns:
		return e, nil
	case <-l.closed:
		return nil, l.fault()
	}
}

func (l *Listener) fault() error {
	return &net.OpError{Op: "accept", Net: "mem", Addr: l.addr, Err: net.ErrClosed}
}

// Close frees the address and resets the connections that were not accepted.
func (l *Listener) Close() error {
	l.once.Do(func() {
		l.network.mu.Lock()
		delete(l.network.listeners, string(l.addr))
		l.network.mu.Unlock()
		close(l.closed)
		for {
			select {
			case e := <-l.conns:
				e.Reset()
				continue
			default:
			}
			return
		}
	})
	return nil
}

// Addr returns the address that is listened to.
func (l *Listener) Addr() net.Addr { return l.addr }
