package systemd

import (
	"syscall"
	"unsafe"
)

// closeOnExec keeps a descriptor from programs that we start.
func closeOnExec(fd int) { syscall.CloseOnExec(fd) }

// monotonic returns CLOCK_MONOTONIC in microseconds, which package time does not
// give away.
func monotonic() int64 {
	const clockMonotonic = 1
	var t syscall.Timespec
	if _, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&t)), 0); errno != 0 {
		return 0
	}
	return t.Nano() / 1000
}
