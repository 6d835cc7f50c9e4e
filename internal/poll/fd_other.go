//go:build !unix

package poll

import "syscall"

// An FD does not exist on this system.
type FD struct{}

func newFD(syscall.Conn) *FD { return nil }

// Recv is never called.
func (f *FD) Recv(int) ([]byte, error) { panic("poll: no FD on this system") }

// Waited is false.
func (f *FD) Waited() bool { return false }

// TrySend is never called.
func (f *FD) TrySend([]byte) (int, error) { panic("poll: no FD on this system") }

// Send is never called.
func (f *FD) Send([]byte) (int, error) { panic("poll: no FD on this system") }
