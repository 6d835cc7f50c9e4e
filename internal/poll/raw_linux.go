//go:build linux && (amd64 || arm64) && !race

package poll

import (
	"syscall"
	"unsafe"
)

// maxSend bounds one send: the scheduler is not told of it.
const maxSend = 64 << 10

// recv and send do not wait and take a few microseconds, so they are not worth
// the scheduler's attention: that saves about a tenth of a small message. Not
// under the race detector, which must see what is read and written.

func recv(fd uintptr, p []byte) (int, error) {
	n, _, e := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), syscall.MSG_DONTWAIT, 0, 0)
	if e != 0 {
		return 0, e
	}
	return int(n), nil
}

func send(fd uintptr, p []byte) (int, error) {
	n, _, e := syscall.RawSyscall6(syscall.SYS_SENDTO, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(min(len(p), maxSend)), syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL, 0, 0)
	if e != 0 {
		return 0, e
	}
	return int(n), nil
}
