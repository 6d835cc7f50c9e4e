//go:build !linux

package poll

import (
	"errors"
	"net"
	"time"
)

// Supported says that Attach may succeed on this system.
const Supported = false

// ErrAgain: there is nothing to be received at the moment, or no room to send.
var ErrAgain = errors.New("poll: not ready")

// An Owner is told what happens to a Desc.
type Owner interface {
	Ready()
	Room()
	Flush()
}

// What may have happened to a Desc.
const (
	In = 1 << iota
	Hup
)

// A Desc does not exist on this system: Attach fails, and nothing else is called.
type Desc struct{}

func (d *Desc) Attach(net.Conn, *Group, Owner) bool { return false }
func (d *Desc) Begin()                              { none() }
func (d *Desc) Rest()                               { none() }
func (d *Desc) Again()                              { none() }
func (d *Desc) Yield()                              { none() }
func (d *Desc) Wake()                               { none() }
func (d *Desc) Wait()                               { none() }
func (d *Desc) FlushSoon()                          { none() }
func (d *Desc) Blocked() bool                       { panic(noDesc) }
func (d *Desc) Has(uint32) bool                     { panic(noDesc) }
func (d *Desc) Take(uint32) uint32                  { panic(noDesc) }
func (d *Desc) TakeWake() bool                      { panic(noDesc) }
func (d *Desc) Recv([]byte) (int, error)            { panic(noDesc) }
func (d *Desc) TrySend([]byte) (int, error)         { panic(noDesc) }
func (d *Desc) Read([]byte) (int, error)            { panic(noDesc) }
func (d *Desc) Write([]byte) (int, error)           { panic(noDesc) }
func (d *Desc) Close() error                        { panic(noDesc) }
func (d *Desc) CloseWrite() error                   { panic(noDesc) }
func (d *Desc) SetReadDeadline(time.Time) error     { panic(noDesc) }
func (d *Desc) LocalAddr() net.Addr                 { panic(noDesc) }
func (d *Desc) RemoteAddr() net.Addr                { panic(noDesc) }

const noDesc = "poll: no Desc on this system"

func none() { panic(noDesc) }
