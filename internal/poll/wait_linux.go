//go:build linux && ((!amd64 && !arm64) || race)

package poll

import "syscall"

// epollWait takes events without waiting.
func epollWait(fd int, events []syscall.EpollEvent) (int, error) {
	return syscall.EpollWait(fd, events, 0)
}
