//go:build unix && (!linux || (!amd64 && !arm64) || race)

package poll

import "syscall"

func recv(fd uintptr, p []byte) (int, error) { return syscall.Read(int(fd), p) }

func send(fd uintptr, p []byte) (int, error) { return syscall.Write(int(fd), p) }
