//go:build linux && (amd64 || arm64) && !race

package poll

import (
	"syscall"
	"unsafe"
)

// maxRaw bounds what is read or written behind the scheduler's back. Such calls
// do not wait and take a few microseconds, so they are not worth its attention:
// that saves about a tenth of a small message. Not under the race detector,
// which must see what is read and written.
const maxRaw = 64 << 10

func recv(fd uintptr, p []byte) (int, error) {
	if len(p) > maxRaw {
		return syscall.Read(int(fd), p)
	}
	return raw(syscall.SYS_RECVFROM, fd, p, syscall.MSG_DONTWAIT)
}

func send(fd uintptr, p []byte) (int, error) {
	if len(p) > maxRaw {
		return syscall.Write(int(fd), p)
	}
	return raw(syscall.SYS_SENDTO, fd, p, syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL)
}

func raw(call, fd uintptr, p []byte, flags uintptr) (int, error) {
	n, _, e := syscall.RawSyscall6(call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), flags, 0, 0)
	if e != 0 {
		return 0, e
	}
	return int(n), nil
}

// epollWait takes events without waiting.
func epollWait(fd int, events []syscall.EpollEvent) (int, error) {
	n, _, e := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), 0, 0, 0)
	if e != 0 {
		return 0, e
	}
	return int(n), nil
}
