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

// all is how long a run of all cases may take.
const all = 3 * time.Minute

// TestConformPage runs the commands of docs/conform.md as they stand there, in
// their order, but for the program, which is built once, and the addresses, which
// must be free. The full runs are ours against ourselves: nothing may fail. (That
// nothing is late either is tested where the time is not that of a busy machine, in
// package conform.)
func TestConformPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/conform.md")
	if err != nil {
		t.Fatal(err)
	}
	curlew := build(t)
	dir := t.TempDir()
	at := ""
	n := 0
	for line := range strings.Lines(string(page)) {
		line, _, _ = strings.Cut(line, " #")
		text, ok := strings.CutPrefix(strings.TrimSpace(line), "go run ./server/cmd/curlew ")
		if !ok {
			continue
		}
		n++
		if text == "serve" {
			at = listening(t, dir, curlew, "serve")
			continue
		}
		args := strings.Fields(strings.ReplaceAll(text, "127.0.0.1:8080", at))
		began := time.Now()
		if strings.HasPrefix(text, "conform client ") {
			conformClient(t, dir, curlew, args, pageClient(t, string(page)))
		} else {
			ctx, cancel := context.WithTimeout(t.Context(), all)
			cmd := exec.CommandContext(ctx, curlew, args...)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", text, err, out)
			}
			cancel()
		}
		t.Logf("%v: %s", time.Since(began).Round(time.Millisecond), text)
	}
	if n < 8 {
		t.Errorf("docs/conform.md has %d commands", n)
	}
	for _, name := range []string{"ours.json", "ours.xml", "ours.html", "index.json", "theirs.json", "matrix.html", "client.json", "client.html"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// conformClient runs conform client, and a client against it.
func conformClient(t *testing.T, dir, program string, args []string, client string) {
	t.Helper()
	for i := range args {
		args[i] = strings.Replace(args[i], "127.0.0.1:9001", "127.0.0.1:0", 1)
	}
	ctx, cancel := context.WithTimeout(t.Context(), all)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	var errs, said bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	line, _ := r.ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if ok {
		visit := exec.CommandContext(ctx, client, url)
		visit.Stderr = &said
		err = visit.Run()
	}
	var rest bytes.Buffer
	rest.ReadFrom(r)
	if e := cmd.Wait(); !ok || err != nil || e != nil {
		t.Errorf("%v: %v, %v\n%s%s%s%s", args, err, e, line, &rest, &errs, &said)
	}
}

// pageClient builds the client of docs/conform.md.
func pageClient(t *testing.T, page string) string {
	t.Helper()
	m := regexp.MustCompile("(?s)```go\n(func testClient.*?)```").FindStringSubmatch(page)
	if m == nil {
		t.Fatal("docs/conform.md has no testClient")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module stranger.example\n\ngo 1.26\n\nrequire curlew.example/curlew v0.0.0\n\nreplace curlew.example/curlew => " + root + "\n",
		"main.go": `package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"

	"curlew.example/curlew"
)

func main() {
	if err := testClient(context.Background(), os.Args[1], "ours"); err != nil {
		log.Fatal(err)
	}
}

` + m[1],
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "build", "-o", "client.exe", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", "GOPROXY=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return filepath.Join(dir, "client.exe")
}
