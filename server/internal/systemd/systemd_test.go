//go:build unix

package systemd

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func listen(t *testing.T) *net.UnixConn {
	t.Helper()
	name := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	t.Setenv("NOTIFY_SOCKET", name)
	return c
}

// Lines stay lines.
func TestNotify(t *testing.T) {
	c := listen(t)
	if err := Notify("READY=1", "STATUS=one\nSTOPPING=1"); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 100)
	n, err := c.Read(p)
	if got := string(p[:n]); err != nil || got != "READY=1\nSTATUS=one STOPPING=1" {
		t.Errorf("%q, %v", got, err)
	}
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "none"))
	if err := Notify("READY=1"); err == nil || !strings.Contains(err.Error(), "the service manager is not told") {
		t.Error(err)
	}
	t.Setenv("NOTIFY_SOCKET", "")
	if err := Notify("READY=1"); err != nil {
		t.Error(err)
	}
}

// A service manager that does not listen any more keeps nobody.
func TestNotifyHanging(t *testing.T) {
	c := listen(t)
	full, err := net.DialUnix("unixgram", nil, c.LocalAddr().(*net.UnixAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	full.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	for err == nil {
		_, err = full.Write(make([]byte, 1024))
	}
	if err := Notify("STOPPING=1"); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}
