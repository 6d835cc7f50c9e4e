package main

import (
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// pseudo returns the two sides of a terminal.
func pseudo(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close() })
	var unlock, n int32
	for _, c := range []struct {
		request uintptr
		arg     *int32
	}{{syscall.TIOCSPTLCK, &unlock}, {syscall.TIOCGPTN, &n}} {
		raw, err := ours.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		raw.Control(func(fd uintptr) {
			if _, _, e := syscall.Syscall(syscall.SYS_IOCTL, fd, c.request, uintptr(unsafe.Pointer(c.arg))); e != 0 {
				err = e
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { theirs.Close() })
	return ours, theirs
}

// CC9: messages, reasons and refusals of a peer on a real terminal.
func TestCC9Terminal(t *testing.T) {
	srv := httptest.NewServer(peerHandler())
	defer srv.Close()
	ours, theirs := pseudo(t)
	if !isTerminal(theirs) {
		t.Fatal("not taken for a terminal")
	}
	url := "ws" + strings.TrimPrefix(srv.URL, "http")
	for _, path := range []string{"/orders", "/refuse", "/binary"} {
		p := &Program{Stdin: strings.NewReader("x\n"), Stdout: theirs, Stderr: theirs}
		p.Run(t.Context(), []string{"connect", url + path})
		fmt.Fprintln(theirs, "<end>")
		var got []byte
		for buf := make([]byte, 4096); !strings.Contains(string(got), "<end>"); {
			n, err := ours.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, buf[:n]...)
		}
		text := strings.ReplaceAll(string(got), "\r\n", "\n") // the terminal's own
		for _, r := range text {
			if r != '\n' && (r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x202e) {
				t.Errorf("%s: %U reached the terminal: %q", path, r, text)
				break
			}
		}
	}
	p := &Program{Stdin: strings.NewReader(""), Stdout: theirs, Stderr: theirs}
	if code := p.Run(t.Context(), []string{"connect", url + "/binary", "--binary"}); code != 2 {
		t.Errorf("--binary on a terminal: exit code %d", code)
	}
}
