//go:build unix

package exec

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"curlew.example/curlew"
)

// Lines: one a message, both ways, whatever is at its end.
func TestLines(t *testing.T) {
	t.Parallel()
	r := start(t, `{ match: '/cat', handler: 'exec', exec: { command: ['/bin/cat'], maxPerIP: 'unlimited' } },`+
		sh("/out", `printf 'one\r\ntwo\n\nthree'`, "")+
		sh("/bytes", `printf 'one\r\ntwo'`, `type: 'binary'`)+
		sh("/read", `while read x; do echo "<$x>"; done`, ""))
	c := r.dial("/cat")
	long := strings.Repeat("ü", 100_000)
	for _, text := range []string{"hello", "", " a  b ", "x\r", long, "last"} {
		say(t, c, text)
		want(t, c, strings.TrimSuffix(text, "\r")) // it is a line's end on the way back
	}
	say(t, c, "unix\n")
	say(t, c, "dos\r\n")
	want(t, c, "unix", "dos")
	for i := range 1000 {
		if err := c.Send(curlew.Text, fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 1000 {
		want(t, c, fmt.Sprint(i))
	}

	c = r.dial("/out")
	want(t, c, "one", "two", "", "three") // the last line has no end
	wantEnd(t, c, curlew.NormalClosure, "")

	c = r.dial("/bytes")
	if typ, p, err := c.Read(t.Context(), nil); typ != curlew.Binary || string(p) != "one\r" {
		t.Errorf("%v %q %v", typ, p, err)
	}
	want(t, c, "two")

	c = r.dial("/read")
	say(t, c, "a")
	want(t, c, "<a>")
	say(t, c, "one\ntwo")
	wantEnd(t, c, curlew.InvalidPayload, "line break inside a message")

	c = r.dial("/cat")
	c.Write(t.Context(), curlew.Binary, []byte{1})
	wantEnd(t, c, curlew.UnsupportedData, "text only")
}

// Lengths: any bytes, both ways.
func TestLengths(t *testing.T) {
	t.Parallel()
	r := start(t, `{ match: '/cat', handler: 'exec', exec: { command: ['/bin/cat'], mode: 'lengths', type: 'binary' } },
		{ match: '/text', handler: 'exec', exec: { command: ['/bin/cat'], mode: 'lengths' } },`+
		sh("/cut", `printf '\0\0\0\003abc\0\0\0\004abc'`, `mode: 'lengths'`)+
		sh("/cuthead", `printf '\0\0'`, `mode: 'lengths'`)+
		sh("/promise", `printf '\177\377\377\377'; cat`, `mode: 'lengths', maxLine: '2147483647'`)+
		sh("/huge", `printf '\377\377\377\377'; cat`, `mode: 'lengths', maxLine: '2147483647'`))
	c := r.dial("/cat")
	for _, n := range []int{0, 1, 3, 4, 5, 255, 256, 65_535, 65_536, 1 << 20} {
		sent := []byte(strings.Repeat("\n\x00\xff", n/3+1)[:n])
		for _, typ := range []curlew.Type{curlew.Binary, curlew.Text} {
			if typ == curlew.Text {
				sent = []byte(strings.Repeat("\nab", n/3+1)[:n])
			}
			if err := c.Write(t.Context(), typ, sent); err != nil {
				t.Fatal(err)
			}
			got, p, err := c.Read(t.Context(), nil)
			if got != curlew.Binary || string(p) != string(sent) {
				t.Fatalf("%d bytes: %v of %d, %v", n, got, len(p), err)
			}
		}
	}
	c = r.dial("/text")
	say(t, c, "one\ntwo\r\n")
	want(t, c, "one\ntwo\r\n")

	c = r.dial("/cut")
	want(t, c, "abc")
	wantEnd(t, c, curlew.InternalError, "output incomplete")
	wantEnd(t, r.dial("/cuthead"), curlew.InternalError, "output incomplete")
	wantEnd(t, r.dial("/huge"), curlew.InternalError, "output too long")
	c = r.dial("/promise") // costs nothing
	if err := c.Write(t.Context(), curlew.Text, binary.BigEndian.AppendUint32(nil, 0)); err != nil {
		t.Error(err)
	}
	c.Close(curlew.NormalClosure, "")
}

// TestU11_InvalidText: what is no UTF-8 never reaches a program, not even the part of
// a message in front of it; nor does it with validateUTF off break anything.
func TestU11_InvalidText(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	seen := filepath.Join(dir, "seen")
	// It writes down what it saw before it answers: the answer is what the test waits for.
	r := start(t, sh("/tee", `while read -r line; do echo "$line" >> `+seen+`; echo "$line"; done`, "")+
		`{ match: '/unchecked', handler: 'exec', exec: { command: ['/bin/cat'], type: 'binary', maxPerIP: 'unlimited' }, webSockets: { validateUTF: false } }`)
	for _, text := range []string{"abc\xff", "\xed\xa0\x80", "\xc0\xaf", "ok\xf4\x90\x80\x80", "cut \xe2\x82"} {
		c := r.dial("/tee")
		say(t, c, "fine")
		want(t, c, "fine")
		c.Write(t.Context(), curlew.Text, []byte(text))
		wantEnd(t, c, curlew.InvalidPayload, "*")

		u := r.dial("/unchecked")
		u.Write(t.Context(), curlew.Text, []byte(text))
		if _, p, err := u.Read(t.Context(), nil); string(p) != text || err != nil {
			t.Errorf("unchecked: %q, %v", p, err)
		}
		u.Close(curlew.NormalClosure, "")
	}
	if b, _ := os.ReadFile(seen); string(b) != strings.Repeat("fine\n", 5) {
		t.Errorf("the program saw %q", b)
	}
}

// TestEX1_Arguments: a client can choose the program, within limits, and nothing
// of its arguments.
func TestEX1_Arguments(t *testing.T) {
	t.Parallel()
	r := start(t, `{ match: '/args/{tool}', handler: 'exec', exec: {
		command: ['@self', '-n', '${tool}', '$(id)', '; id', '', '*', 'a b'], env: { CURLEW_TOOL: 'args' } } }`)
	c := r.dial("/args/-rf?x=1&$(id)")
	want(t, c, `["-n" "${tool}" "$(id)" "; id" "" "*" "a b"]`)
}

// TestEX8_LongLines: exactly the limit, and one more, both ways.
func TestEX8_LongLines(t *testing.T) {
	t.Parallel()
	r := start(t, `{ match: '/cat', handler: 'exec', exec: { command: ['/bin/cat'], maxLine: 1000 } },
		{ match: '/lengths', handler: 'exec', exec: { command: ['/bin/cat'], mode: 'lengths', maxLine: 1000 } },`+
		sh("/at", `head -c 1000 /dev/zero | tr '\0' x`, `maxLine: 1000`)+
		sh("/beyond", `head -c 1001 /dev/zero | tr '\0' x`, `maxLine: 1000`)+
		sh("/ended", `head -c 1001 /dev/zero | tr '\0' x; echo; cat`, `maxLine: 1000`)+
		sh("/endless", `exec cat /dev/zero`, ``)+
		sh("/atlength", `printf '\0\0\003\350'; head -c 1000 /dev/zero | tr '\0' x`, `mode: 'lengths', maxLine: 1000`)+
		sh("/beyondlength", `printf '\0\0\003\351'; cat`, `mode: 'lengths', maxLine: 1000`))
	x := strings.Repeat("x", 1000)
	for _, path := range []string{"/cat", "/lengths"} {
		c := r.dial(path)
		say(t, c, x)
		want(t, c, x)
		say(t, c, x+"x")
		wantEnd(t, c, curlew.MessageTooBig, "")
	}
	for _, path := range []string{"/at", "/atlength"} {
		c := r.dial(path)
		want(t, c, x)
		wantEnd(t, c, curlew.NormalClosure, "")
	}
	for _, path := range []string{"/beyond", "/ended", "/endless", "/beyondlength"} {
		wantEnd(t, r.dial(path), curlew.InternalError, "output too long")
	}
	until(t, "end of the programs", func() bool { return r.ps.Number() == 0 })
}

// A message of the program's is limited by maxLine, not by what may be received.
func TestLargerThanMaxMessage(t *testing.T) {
	t.Parallel()
	r := startWith(t, `limits: { maxMessage: '1 KB' },`, sh("/", `head -c 300000 /dev/zero | tr '\0' x; echo; echo y`, ``))
	c := r.dial("/")
	want(t, c, strings.Repeat("x", 300_000), "y")
	wantEnd(t, c, curlew.NormalClosure, "")
}

func TestEX9_InvalidUTF8(t *testing.T) {
	t.Parallel()
	bad := `printf 'good\n\377\n'`
	r := start(t, sh("/text", bad, "")+sh("/binary", bad, `type: 'binary'`)+
		strings.Replace(sh("/unchecked", bad, ""), "handler:", "webSockets: { validateUTF: false }, handler:", 1))
	c := r.dial("/text")
	want(t, c, "good")
	wantEnd(t, c, curlew.InternalError, "output is not UTF-8")
	for _, path := range []string{"/binary", "/unchecked"} {
		c = r.dial(path)
		want(t, c, "good", "\xff")
		wantEnd(t, c, curlew.NormalClosure, "")
	}
}

func TestEX10_Exit(t *testing.T) {
	t.Parallel()
	r := start(t, sh("/0", `exit 0`, "")+sh("/3", `echo secret >&2; exit 3`, "")+sh("/signal", `kill -9 $$`, "")+
		sh("/output", `echo a; echo b; exit 1`, "")+sh("/term", `kill $$`, ""))
	wantEnd(t, r.dial("/0"), curlew.NormalClosure, "")
	wantEnd(t, r.dial("/3"), curlew.InternalError, "exit status 3")
	wantEnd(t, r.dial("/signal"), curlew.InternalError, "signal: killed")
	wantEnd(t, r.dial("/term"), curlew.InternalError, "signal: terminated")
	c := r.dial("/output")
	want(t, c, "a", "b")
	wantEnd(t, c, curlew.InternalError, "exit status 1")
	r.stop()
	if log := r.log.String(); !strings.Contains(log, `status="exit status 3"`) || !strings.Contains(log, `text=secret`) {
		t.Errorf("log:\n%s", log)
	}
}

// TestEX13_Names: a capture fills its place below the folder, or nothing.
func TestEX13_Names(t *testing.T) {
	t.Parallel()
	const here = "#!/bin/sh\necho \"$0\"\n"
	dir := t.TempDir()
	for _, name := range []string{"site/tools/good", "site/tools/sub/good", "site/tools/pre-a.sh", "site/tools/.hidden", "site/secret", "outside", "site/tools/-v", "site/tools/a b;c"} {
		write(t, filepath.Join(dir, name), here)
	}
	os.WriteFile(filepath.Join(dir, "site/tools/plain"), []byte(here), 0o666)
	write(t, filepath.Join(dir, "site/tools/setuid"), here)
	os.Chmod(filepath.Join(dir, "site/tools/setuid"), 0o755|os.ModeSetuid)
	write(t, filepath.Join(dir, "site/tools/setgid"), here)
	os.Chmod(filepath.Join(dir, "site/tools/setgid"), 0o755|os.ModeSetgid)
	for name, to := range map[string]string{
		"in": "good", "insub": "sub/good", "out": "../secret", "far": "../../outside", "abs": filepath.Join(dir, "outside"),
		"shell": "/bin/sh", "none": "nowhere", "loop": "loop", "up": "..",
	} {
		if err := os.Symlink(to, filepath.Join(dir, "site/tools", name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "site/tools/fifo"), 0o777); err != nil {
		t.Fatal(err)
	}
	r := start(t, strings.ReplaceAll(`
		{ pattern: '^/run/(?P<tool>.*)$', handler: 'exec', exec: { command: ['DIR/tools/${tool}'] } },
		{ pattern: '^/part/(?P<tool>.*)$', handler: 'exec', exec: { command: ['DIR/tools/pre-${tool}.sh'] } },
		{ pattern: '^/two/(?P<a>[^/]*)/(?P<b>.*)$', handler: 'exec', exec: { command: ['DIR/tools/${a}/${b}'] } },
		{ match: '/seg/{tool}', handler: 'exec', exec: { command: ['DIR/tools/${tool}'] } },`, "DIR", filepath.Join(dir, "site")))
	for path, tool := range map[string]string{
		"/run/good": "good", "/run/in": "good", "/run/insub": "sub/good", "/part/a": "pre-a.sh", "/two/sub/good": "sub/good",
		"/run/-v": "-v", "/run/a%20b%3Bc": "a b;c", "/seg/%67ood": "good", "/run/good?x=/../y": "good",
	} {
		c := r.dial(path)
		want(t, c, filepath.Join(dir, "site/tools", tool))
		wantEnd(t, c, curlew.NormalClosure, "")
	}
	for _, path := range []string{
		"/run/", "/run/no", "/run/.hidden", "/run/sub", "/run/sub/good", "/run/plain", "/run/setuid", "/run/setgid", "/run/fifo",
		"/run/out", "/run/far", "/run/abs", "/run/shell", "/run/none", "/run/loop", "/run/up", "/run/up%2Fsecret", "/run//bin/sh",
		"/seg/sub%2Fgood", "/seg/..%2Fsecret", "/seg/%2Fbin%2Fsh", "/part/", "/part/x", "/part/%2e%2e%2fx", "/two/up/secret", "/two//good",
		"/two/sub/", "/two/./good", "/two/sub/..%2F..%2Fsecret", "/run/good/", "/run/good%2F", "/run/" + strings.Repeat("a", 300), "/run/GOOD",
	} {
		_, err := r.try(path, nil)
		if err == nil || !strings.Contains(err.Error(), "status 404") && !strings.Contains(err.Error(), "status 400") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if n := r.ps.Number(); n != 0 {
		t.Errorf("%d programs", n)
	}
}

// TestEX14_NoSearch: PATH has no say, and what cannot be run is found before
// anyone connects.
func TestEX14_NoSearch(t *testing.T) {
	dir := t.TempDir()
	os.WriteFile(filepath.Join(dir, "plain"), nil, 0o666)
	write(t, filepath.Join(dir, "bin/cat"), "#!/bin/sh\n")
	t.Setenv("PATH", filepath.Join(dir, "bin")+":/bin:/usr/bin")
	r := start(t, "")
	r.dir = dir
	for command, message := range map[string]string{
		"cat": "no such file", "bin": "is no file", "plain": "chmod +x", "nowhere/${x}": "the part in front", "plain/${x}": "is a file",
	} {
		s := r.parse("", `{ match: '/{x}', handler: 'exec', exec: { command: ['`+command+`'] } }`)
		_, err := r.ps.New(s.Routes[0], nil)
		if err == nil || !strings.Contains(err.Error(), message) || !strings.HasPrefix(err.Error(), filepath.Join(dir, "site.json5:1:")) {
			t.Errorf("%s: %v", command, err)
		}
	}
	s := r.parse("", `{ match: '/{x}', handler: 'exec', exec: { command: ['bin/cat'], directory: 'plain' } }`)
	if _, err := r.ps.New(s.Routes[0], nil); err == nil || !strings.Contains(err.Error(), "exec.directory") {
		t.Error(err)
	}
}

// What a route is that says nothing but the command.
func TestDefaults(t *testing.T) {
	t.Parallel()
	r := start(t, "")
	e := r.parse("", `{ handler: 'exec', exec: { command: ['/bin/cat'] } }`).Routes[0].Exec
	got := fmt.Sprintln(e.Mode.Value, e.Type.Value, len(e.Env.Value), len(e.Pass.Value), e.Directory.Value == r.dir, e.MaxProcesses.Value, e.MaxPerIP.Value, e.KillAfter.Value, e.MaxLine.Value)
	if want := "lines text 0 0 true 64 4 5s 1048576\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
