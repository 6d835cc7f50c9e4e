package interop

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// readme is what a stranger reads first. Its commands are tried here as they
// stand there, but for the program, which is built once, and the address, which
// must be free.
func readme(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// command finds a command in the README and returns its arguments.
func command(t *testing.T, beginning string) []string {
	t.Helper()
	for line := range strings.Lines(readme(t)) {
		line, _, _ = strings.Cut(line, " #")
		if args, ok := strings.CutPrefix(strings.TrimSpace(line), "go run ./server/cmd/curlew "); ok && strings.HasPrefix(args, beginning) {
			return strings.Fields(args)
		}
	}
	t.Fatalf("README.md has no command curlew %s", beginning)
	return nil
}

func build(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "curlew.exe")
	if out, err := exec.Command("go", "build", "-o", name, "curlew.example/curlew/server/cmd/curlew").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return name
}

// site makes the folder of a site from the README's file.
func site(t *testing.T) string {
	t.Helper()
	m := regexp.MustCompile("(?s)```json5\n(.*?)```").FindStringSubmatch(readme(t))
	if m == nil {
		t.Fatal("README.md has no site file")
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "public"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "site.json5"), []byte(m[1]), 0o666); err != nil {
		t.Fatal(err)
	}
	return dir
}

// listening starts the server and returns the address that it names.
func listening(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	if os.Geteuid() == 0 {
		args = append(args, "--allow-root")
	}
	cmd := exec.Command(program, append(args, "--listen", "127.0.0.1:0")...)
	cmd.Dir = dir
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := make(chan string, 1)
	read := make(chan struct{})
	go func() {
		defer close(read)
		for s := bufio.NewScanner(out); s.Scan(); {
			if addr, ok := strings.CutPrefix(s.Text(), "listening on http://"); ok {
				select {
				case said <- addr:
				default:
				}
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		kill := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		<-read
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %v\n%s", args, err, &errs)
		}
		kill.Stop()
	})
	select {
	case addr := <-said:
		return addr
	case <-read:
		t.Fatalf("%v ended\n%s", args, &errs)
	case <-time.After(patience):
		t.Fatalf("%v does not listen\n%s", args, &errs)
	}
	return ""
}

func TestReadme(t *testing.T) {
	curlew := build(t)
	dir := site(t)
	run := func(stdin string, args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		cmd := exec.CommandContext(ctx, curlew, args...)
		cmd.Dir = dir
		cmd.Stdin = strings.NewReader(stdin)
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("curlew %v: %v\n%s%s", args, err, out, &errs)
		}
		return string(out)
	}
	run("", command(t, "check")...)
	connect := command(t, "connect")
	url := connect[len(connect)-1]
	for _, serve := range [][]string{command(t, "serve"), command(t, "serve site.json5")} {
		addr := listening(t, dir, curlew, serve...)
		args := append([]string{}, connect...)
		args[len(args)-1] = strings.Replace(url, "127.0.0.1:8080", addr, 1)
		args = append(args, "--count", "1")
		if out := run("hello\n", args...); out != "hello\n" {
			t.Errorf("curlew %v after %v printed %q, want hello", args, serve, out)
		}
	}
}
