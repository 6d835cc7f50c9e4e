//go:build !linux

package systemd

// There is systemd on Linux only.

func closeOnExec(int) {}

func monotonic() int64 { return 0 }
