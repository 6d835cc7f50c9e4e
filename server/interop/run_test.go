package interop

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"curlew.example/curlew/internal/testenv"
)

// patience is how long anything here may take before the test gives up.
const patience = time.Minute

// needNode returns node, with the npm packages of this folder.
func needNode(t *testing.T) string {
	t.Helper()
	node := testenv.Need(t, "node")
	if _, err := os.Stat("node_modules/ws"); err != nil {
		testenv.Missing(t, "the npm packages of server/interop are not installed; make deps brings them")
	}
	return node
}

// needPython returns an interpreter that knows websockets.
func needPython(t *testing.T) string {
	t.Helper()
	return testenv.NeedRun(t, []string{"-c", "import websockets"}, "/usr/bin/python3", "python3")
}

// saw runs a client of theirs to its end and returns what it reports: one line of
// JSON.
func saw(t *testing.T, args ...string) map[string]any {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v\n%s%s", args, err, &out, &errs)
	}
	var m map[string]any
	if err := json.Unmarshal(out.Bytes(), &m); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, &out)
	}
	return m
}

// A theirs is a server of theirs that runs.
type theirs struct {
	port  string
	lines chan line // what it says; closed at its end
}

// A line is one that a server of theirs says: first its port, then what ended
// each connection.
type line struct {
	Port   json.Number
	Code   int
	Reason string
	Error  string
}

// serve starts a server of theirs and waits until it listens.
func serve(t *testing.T, args ...string) *theirs {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &theirs{lines: make(chan line, 100)}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(s.lines)
		decode(out, s.lines)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-read
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%v: %s", args, &errs)
		}
	})
	s.port = s.next(t).Port.String()
	return s
}

func decode(r io.Reader, lines chan<- line) {
	for s := bufio.NewScanner(r); s.Scan(); {
		var l line
		if json.Unmarshal(s.Bytes(), &l) == nil {
			lines <- l
		}
	}
}

// next returns the next thing that the server says.
func (s *theirs) next(t *testing.T) line {
	t.Helper()
	select {
	case l, ok := <-s.lines:
		if !ok {
			t.Fatal("the server has ended")
		}
		return l
	case <-time.After(patience):
		t.Fatal("the server says nothing")
	}
	return line{}
}
