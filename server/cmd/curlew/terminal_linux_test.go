package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
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

// CC20: on a terminal somebody is told what to do, and Ctrl-D ends.
func TestCC20Terminal(t *testing.T) {
	srv := httptest.NewServer(peerHandler())
	defer srv.Close()
	ours, theirs := pseudo(t)
	io.WriteString(ours, "typed\n\x04")
	var out, errs strings.Builder
	p := &Program{Stdin: theirs, Stdout: &out, Stderr: &errs}
	if code := p.Run(t.Context(), []string{"connect", "ws" + strings.TrimPrefix(srv.URL, "http") + "/echo"}); code != 0 || out.String() != "typed\n" {
		t.Errorf("exit code %d, %q", code, &out)
	}
	if !strings.Contains(errs.String(), "Ctrl-D ends") {
		t.Errorf("nobody is told: %q", &errs)
	}
}

// CC20: a site file may be a pipe that nobody writes to.
func TestCC20InterruptWhileReading(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "site.json5")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"check", "serve"} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		code, _, errs := run(ctx, strings.NewReader(""), command, pipe)
		if code != 1 || errs != "curlew: interrupted\n" {
			t.Errorf("%s: exit code %d, %q", command, code, errs)
		}
		w, err := os.OpenFile(pipe, os.O_WRONLY, 0) // lets the reader go
		if err != nil {
			t.Fatal(err)
		}
		w.Close()
	}
}

// The log of a terminal is text, that of a program JSON, unless the site says.
func TestLogFormat(t *testing.T) {
	ours, theirs := pseudo(t)
	newLog(theirs, slog.LevelInfo, "").Info("text")
	newLog(theirs, slog.LevelInfo, "json").Info("json")
	fmt.Fprintln(theirs, "<end>")
	var got string
	for buf := make([]byte, 4096); !strings.Contains(got, "<end>"); {
		n, err := ours.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		got += string(buf[:n])
	}
	if !strings.Contains(got, "level=INFO msg=text") || !strings.Contains(got, `"msg":"json"`) {
		t.Errorf("%s", got)
	}
	var b strings.Builder
	newLog(&b, slog.LevelInfo, "").Info("a program")
	newLog(&b, slog.LevelInfo, "text").Info("text")
	if !strings.Contains(b.String(), `"msg":"a program"`) || !strings.Contains(b.String(), "msg=text") {
		t.Errorf("%s", &b)
	}
}
