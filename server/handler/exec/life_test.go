//go:build unix

package exec

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/server/route"
)

// TestEX5_Places: one more than there are places is refused before anything is
// started, and a place is free as soon as its program is gone.
func TestEX5_Places(t *testing.T) {
	t.Parallel()
	const cat = `handler: 'exec', exec: { command: ['/bin/cat'], `
	r := startWith(t, `trustedProxies: ['127.0.0.1'],`, `
		{ match: '/each', `+cat+`maxPerIP: 2 } },
		{ match: '/all', `+cat+`maxPerIP: 'unlimited', maxProcesses: 3 } },
		{ match: '/more', `+cat+`maxPerIP: 'unlimited', maxProcesses: 4 } },
		{ match: '/cat', `+cat+`} },`)
	from := func(path, address string) (*curlew.Conn, error) {
		return r.try(path, http.Header{"X-Forwarded-For": {address}})
	}
	refused := func(path, address string, status int) {
		t.Helper()
		_, err := from(path, address)
		if err == nil || !strings.Contains(err.Error(), fmt.Sprint("status ", status)) {
			t.Fatalf("%s from %s: %v, want %d", path, address, err, status)
		}
	}
	var open []*curlew.Conn
	dial := func(path, address string) {
		t.Helper()
		c, err := from(path, address)
		if err != nil {
			t.Fatalf("%s from %s: %v", path, address, err)
		}
		say(t, c, "hello")
		want(t, c, "hello")
		open = append(open, c)
	}
	dial("/each", "2001:db8::1")
	dial("/each", "2001:db8::ffff:1")
	refused("/each", "2001:db8::2", http.StatusTooManyRequests)
	dial("/each", "2001:db8:0:1::2")
	refused("/all", "192.0.2.1", http.StatusServiceUnavailable) // of all routes together
	dial("/more", "192.0.2.1")
	refused("/more", "192.0.2.1", http.StatusServiceUnavailable)
	if n := r.ps.Number(); n != 4 {
		t.Errorf("%d programs, want 4", n)
	}
	open[0].Close(curlew.NormalClosure, "")
	<-open[0].Done()
	until(t, "free place", func() bool { return r.ps.Number() == 3 })
	dial("/each", "2001:db8::3")
	for _, c := range open {
		c.Abort(nil)
	}
	until(t, "free places", func() bool { return r.ps.Number() == 0 })

	// The defaults.
	open = nil
	for range 4 {
		dial("/cat", "192.0.2.1")
	}
	refused("/cat", "192.0.2.1", http.StatusTooManyRequests)
	for i := range 60 {
		dial("/cat", fmt.Sprint("192.0.2.", 2+i/4))
	}
	refused("/cat", "192.0.2.99", http.StatusServiceUnavailable)
	if h := r.refused("/cat", http.StatusServiceUnavailable); h.Get("Retry-After") == "" {
		t.Errorf("no Retry-After: %v", h)
	}
	r.stop()
	if n := r.ps.Number(); n != 0 {
		t.Errorf("%d programs after the end", n)
	}
}

// TestEX5_Reload: a reload makes no new places, and programs live on.
func TestEX5_Reload(t *testing.T) {
	t.Parallel()
	const text = `{ match: '/', handler: 'exec', exec: { command: ['/bin/cat'], maxProcesses: 1 } }`
	r := start(t, text)
	c := r.dial("/")
	next := r.parse("", text)
	if err := r.Reload(next); err != nil {
		t.Fatal(err)
	}
	r.refused("/", http.StatusServiceUnavailable)
	say(t, c, "still here")
	want(t, c, "still here")
}

// stubborn says its number and that of a child; both ignore SIGTERM and the end of
// their input.
const stubborn = `trap "" TERM; sleep 1000 & echo $$ $!; while :; do sleep 1; done`

// TestEX6_Stubborn: what does not end gets SIGTERM, and SIGKILL after killAfter,
// with all that it has started.
func TestEX6_Stubborn(t *testing.T) {
	t.Parallel()
	r := start(t, sh("/stubborn", stubborn, `killAfter: '400 ms'`)+
		sh("/left", `trap "" TERM; (sleep 1000 >/dev/null 2>&1 </dev/null) & echo $!; exit 0`, `killAfter: '400 ms'`)+
		sh("/holds", `trap "" TERM; sleep 1000 & echo $!; exit 0`, `killAfter: '400 ms'`)+
		sh("/polite", `trap "echo term >> signals; exit" TERM; echo $$; while :; do sleep 0.05; done`, `killAfter: '1 hour', directory: '@dir'`)+
		sh("/eof", `trap "echo term >> got" TERM; echo $$; cat; echo eof >> got`, `killAfter: '1 hour', directory: '@dir'`))

	c := r.dial("/stubborn")
	var leader, child int
	fmt.Sscan(hear(t, c), &leader, &child)
	began := time.Now()
	c.Close(curlew.NormalClosure, "")
	until(t, "end of both", func() bool { return gone(leader) && gone(child) })
	if took := time.Since(began); took < 400*time.Millisecond {
		t.Errorf("killed after %v", took)
	}

	for _, path := range []string{"/left", "/holds"} { // what a program leaves behind
		began = time.Now()
		c = r.dial(path)
		child = number(t, hear(t, c))
		wantEnd(t, c, curlew.NormalClosure, "")
		until(t, "end of what was left behind", func() bool { return gone(child) })
		if took := time.Since(began); took < 400*time.Millisecond {
			t.Errorf("%s: killed after %v", path, took)
		}
	}

	c = r.dial("/polite")
	leader = number(t, hear(t, c))
	c.Abort(nil)
	until(t, "end by SIGTERM", func() bool { return gone(leader) })
	if s := content(filepath.Join(r.dir, "signals")); s != "term\n" {
		t.Errorf("signals: %q", s)
	}

	c = r.dial("/eof") // first of all the end of the input
	leader = number(t, hear(t, c))
	c.Close(curlew.NormalClosure, "")
	until(t, "end by itself", func() bool { return gone(leader) })
	if s := content(filepath.Join(r.dir, "got")); strings.TrimPrefix(s, "term\n") != "eof\n" { // on a busy machine both
		t.Errorf("got: %q", s)
	}
	until(t, "free places", func() bool { return r.ps.Number() == 0 })
}

// What has left the group of its program and goes on writing, however slowly, does
// not keep the connection.
func TestEX6_Dribble(t *testing.T) {
	t.Parallel()
	r := start(t, sh("/", `setsid sh -c 'while echo x; do sleep 0.2; done' & echo started; sleep 0.5; exit 3`, ""))
	c := r.dial("/")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // it would have written some 300 messages
	defer cancel()
	for n := 0; ; n++ {
		_, p, err := c.Read(ctx, nil)
		if e, ok := errors.AsType[*curlew.CloseError](err); ok && e.Code == curlew.InternalError && e.Reason == "exit status 3" {
			break
		}
		if err != nil {
			t.Fatalf("%d messages: %q, %v", n, p, err)
		}
	}
	until(t, "free place", func() bool { return r.ps.Number() == 0 })
}

// A program that has closed its output hears on, and its status still counts.
func TestEX6_ClosedOutput(t *testing.T) {
	t.Parallel()
	r := start(t, sh("/", `exec >&- 2>&-; read x; read y; echo "$x $y" > heard; exit 4`, `directory: '@dir'`))
	c := r.dial("/")
	say(t, c, "one")
	if _, err := c.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	say(t, c, "two")
	wantEnd(t, c, curlew.InternalError, "exit status 4")
	if got := content(filepath.Join(r.dir, "heard")); got != "one two\n" {
		t.Errorf("heard %q", got)
	}
}

// What the client said before it left is still read.
func TestLastWords(t *testing.T) {
	t.Parallel()
	r := start(t, sh("/", `trap "" TERM; while read x; do echo "$x" >> heard; done; echo end >> heard`, `directory: '@dir', killAfter: '1 hour'`))
	c := r.dial("/")
	var all strings.Builder
	for i := range 100 {
		fmt.Fprintln(&all, i)
		c.Send(curlew.Text, fmt.Append(nil, i))
	}
	c.Close(curlew.NormalClosure, "")
	<-c.Done()
	r.stop()
	if got := content(filepath.Join(r.dir, "heard")); got != all.String()+"end\n" {
		t.Errorf("heard %q", got)
	}
}

// TestEX7_Writer: the client leaves, the program goes on writing, and ends without
// being killed.
func TestEX7_Writer(t *testing.T) {
	t.Parallel()
	r := start(t, sh("/yes", `echo $$; exec yes`, `killAfter: '1 hour'`)+
		sh("/loop", `trap "" PIPE; echo $$; while :; do echo y; done 2>/dev/null`, `killAfter: '1 hour'`))
	for _, path := range []string{"/yes", "/loop"} {
		c := r.dial(path)
		pid := number(t, hear(t, c))
		want(t, c, "y", "y", "y")
		c.Abort(nil)
		until(t, "end of the program", func() bool { return gone(pid) })
	}
}

// A client that does not read makes the program wait, and memory is bounded. Not
// parallel: the memory is that of all tests.
func TestSlowClient(t *testing.T) {
	r := start(t, `{ match: '/', handler: 'exec', timeouts: { write: '1 hour' }, exec: { command: ['@self', '@dir/count'], env: { CURLEW_TOOL: 'flood' } } }`)
	raw, err := net.Dial("tcp", strings.TrimPrefix(r.URLs()[0], "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	fmt.Fprintf(raw, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	last, same := "", 0
	until(t, "end of the flood", func() bool {
		now := content(filepath.Join(r.dir, "count"))
		if now != "" && now == last {
			same++
		} else {
			same = 0
		}
		last = now
		return same > 100
	})
	runtime.GC()
	runtime.ReadMemStats(&after)
	if n := number(t, last); n > 32<<20 { // most of it is the kernel's
		t.Errorf("took %d bytes that nobody reads", n)
	}
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 16<<20 {
		t.Errorf("%d bytes of memory", grown)
	}
	// It goes on when the client does, and nothing is lost.
	in := bufio.NewReaderSize(raw, 1<<16)
	if resp, err := http.ReadResponse(in, nil); err != nil || resp.StatusCode != 101 {
		t.Fatal(resp, err)
	}
	in.Discard(number(t, last) + 5_000_000)
}

// TestEX16_SlowProgram: a program that does not read makes the client wait; pings
// are answered meanwhile, and the connection is no dead one.
func TestEX16_SlowProgram(t *testing.T) {
	t.Parallel()
	r := start(t, `{ match: '/', handler: 'exec', webSockets: { ping: '500 ms' }, timeouts: { pong: '3 s' },
		exec: { command: ['/bin/sh', '-c', 'while [ ! -e go ]; do sleep 0.05; done; exec wc -c'], env: { PATH: '/usr/bin:/bin' }, directory: '@dir' } }`)
	c := r.dial("/")
	say(t, c, strings.Repeat("x", 300_000)) // more than a pipe holds, less than is read ahead of it
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for range 5 {
		if _, err := c.Ping(ctx); err != nil {
			t.Fatal("no pong while the program does not read: ", err)
		}
	}
	var taken atomic.Int64
	var enough atomic.Bool
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		part := []byte(strings.Repeat("x", 99_999))
		for !enough.Load() && c.Write(context.Background(), curlew.Text, part) == nil {
			taken.Add(int64(len(part)))
		}
	}()
	rest := time.NewTimer(7 * time.Second) // twice what drops a silent peer
	select {
	case <-ended:
		t.Error("the connection does not last")
	case <-rest.C:
	}
	last := int64(-1)
	until(t, "end of what is taken", func() bool {
		n := taken.Load()
		same := n == last
		last = n
		return same
	})
	if last > 32<<20 { // most of it is the kernel's
		t.Errorf("%d bytes were taken for a program that does not read", last)
	}
	if err := c.Err(); err != nil {
		t.Error("dropped: ", err)
	}
	enough.Store(true)
	write(t, filepath.Join(r.dir, "go"), "")
	<-ended
	c.Close(curlew.NormalClosure, "")
}

// TestEX12_Environment: nothing of ours, and of the client's what is listed.
func TestEX12_Environment(t *testing.T) {
	t.Setenv("SECRET", "x")
	t.Setenv("LD_PRELOAD", "")
	r := start(t, `{ match: '/none', handler: 'exec', exec: { command: ['/usr/bin/env'] } },
		{ match: '/some', handler: 'exec', exec: { command: ['/usr/bin/env'], env: { A: '1', B: '${x}$(id)' }, pass: ['HTTP_X_ONE', 'HTTP_HOST', 'HTTP_X_NONE'] } },`)
	wantEnd(t, r.dial("/none"), curlew.NormalClosure, "")
	c, err := r.try("/some?a=b", http.Header{"X-One": {"1", "2"}, "X-Two": {"3"}, "X_None": {"4"}})
	if err != nil {
		t.Fatal(err)
	}
	want(t, c, "A=1", "B=${x}$(id)", "HTTP_X_ONE=1, 2", "HTTP_HOST="+strings.TrimPrefix(r.URLs()[0], "http://"))
	wantEnd(t, c, curlew.NormalClosure, "")
}

// TestEX17_Stderr: escaped, a few lines a second, and the program does not wait.
func TestEX17_Stderr(t *testing.T) {
	t.Parallel()
	r := start(t, sh("/", `printf 'a\033[31mb\000c\r\n' >&2; head -c 5000000 /dev/zero | tr '\0' z >&2; echo >&2; echo rest >&2; for i in 1 2 3 4 5 6 7 8 9; do echo "line $i" >&2; done; yes noise | head -n 100000 >&2; echo done`, ""))
	began := time.Now()
	c := r.dial("/")
	want(t, c, "done")
	wantEnd(t, c, curlew.NormalClosure, "")
	r.stop()
	log := r.log.String()
	if !strings.Contains(log, "said more") {
		t.Error("the log does not say that it is not all")
	}
	seconds := int(time.Since(began)/time.Second) + 2 // that it has a part in
	if n := strings.Count(log, "\n"); n > maxErrorLines*seconds+20 {
		t.Errorf("%d lines in %d seconds", n, seconds)
	}
	if !strings.Contains(log, `text=a\x1b[31mb\x00c`) || strings.ContainsAny(log, "\x1b\x00\r") {
		t.Errorf("not escaped:\n%.500q", log)
	}
	if strings.Contains(log, strings.Repeat("z", 1100)) || !strings.Contains(log, "zzz…") || !strings.Contains(log, "text=rest") {
		t.Errorf("a long line:\n%.3000s", log)
	}
}

// TestEX18_Cycles: clients that come and vanish, in all the ways, leave nothing:
// no process, no descriptor, no goroutine, no place.
func TestEX18_Cycles(t *testing.T) {
	r := start(t, `{ match: '/cat', handler: 'exec', exec: { command: ['/bin/cat'], maxPerIP: 'unlimited', maxProcesses: 'unlimited' } },`+
		sh("/yes", `exec yes`, `maxPerIP: 'unlimited', maxProcesses: 'unlimited'`))
	address := strings.TrimPrefix(r.URLs()[0], "http://")
	request := func(path string) string {
		return "GET " + path + " HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	}
	cycle := func(i int) {
		raw, err := net.Dial("tcp", address)
		if err != nil {
			t.Error(err)
			return
		}
		defer raw.Close()
		raw.(*net.TCPConn).SetLinger(0)
		path := []string{"/cat", "/yes"}[i/4%2]
		switch i % 4 {
		case 0: // does not wait for the answer
			fmt.Fprint(raw, request(path))
		case 1: // is gone behind it
			fmt.Fprint(raw, request(path))
			raw.Read(make([]byte, 1))
		case 2: // says something
			fmt.Fprint(raw, request(path)+"\x81\x82\x00\x00\x00\x00hi")
			raw.Read(make([]byte, 4096))
		case 3: // closes
			fmt.Fprint(raw, request(path)+"\x88\x82\x00\x00\x00\x00\x03\xe8")
			raw.Read(make([]byte, 4096))
		}
	}
	cycle(1)
	until(t, "end of the first program", func() bool { return r.ps.Number() == 0 })
	goroutines, before := runtime.NumGoroutine(), descriptors()
	began := time.Now()
	next := make(chan int)
	done := make(chan struct{})
	for range 8 {
		go func() {
			for i := range next {
				cycle(i)
			}
			done <- struct{}{}
		}()
	}
	for i := range *cycles {
		next <- i
	}
	close(next)
	for range 8 {
		<-done
	}
	cycle(1) // its turn is behind all others that the server has yet to accept
	until(t, "end of all programs", func() bool { return r.ps.Number() == 0 })
	t.Logf("%d cycles in %v", *cycles, time.Since(began))
	until(t, "end of their goroutines", func() bool { return runtime.NumGoroutine() <= goroutines })
	until(t, "end of their descriptors", func() bool { return descriptors() <= before })
	if list := children(); len(list) > 0 {
		t.Errorf("children left: %v", list)
	}
}

func descriptors() int {
	list, _ := os.ReadDir("/dev/fd")
	return len(list)
}

// children lists the processes whose parent is this one, where there is a /proc.
func children() (list []string) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		_, rest, _ := strings.Cut(content(name), ") ")
		var state string
		var parent int
		fmt.Sscan(rest, &state, &parent)
		if parent == os.Getpid() {
			list = append(list, name+" "+state)
		}
	}
	return list
}

// A handshake that is refused behind us leaves no program.
func TestRefusedBehind(t *testing.T) {
	t.Parallel()
	r := start(t, "")
	s := r.parse("", `{ handler: 'exec', exec: { command: ['/bin/cat'] } }`)
	h, err := r.ps.New(s.Routes[0], func(f func(*http.Request) (*curlew.Events, error)) http.Handler { return curlew.Handle(nil, f) })
	if err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequest("GET", "/", nil)
	for name, value := range map[string]string{"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
		req.Header.Set(name, value)
	}
	w := httptest.NewRecorder() // cannot be hijacked
	h.ServeHTTP(w, req)
	if w.Code != http.StatusNotImplemented {
		t.Errorf("status %d", w.Code)
	}
	r.ps.Wait()
}

// Programs that cannot be started are no 404 and no 101.
func TestCannotStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "noformat"), "\x01\x02\x03")
	write(t, filepath.Join(dir, "nointerpreter"), "#!/nowhere/at/all\n")
	write(t, filepath.Join(dir, "vanishes"), "#!/bin/sh\n")
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	r := start(t, strings.ReplaceAll(`{ match: '/run/{x}', handler: 'exec', exec: { command: ['DIR/${x}'] } },
		{ match: '/vanishes', handler: 'exec', exec: { command: ['DIR/vanishes'] } },
		{ match: '/nowhere', handler: 'exec', exec: { command: ['/bin/cat'], directory: 'DIR/sub' } }`, "DIR", dir))
	os.Remove(filepath.Join(dir, "vanishes"))
	os.Remove(filepath.Join(dir, "sub"))
	for _, path := range []string{"/run/noformat", "/run/nointerpreter", "/vanishes", "/nowhere"} {
		r.refused(path, http.StatusInternalServerError)
	}
	if n := r.ps.Number(); n != 0 {
		t.Errorf("%d programs", n)
	}
	if log := r.log.String(); strings.Count(log, "cannot start") != 4 {
		t.Errorf("log:\n%s", log)
	}
}

// The end of the server is that of the programs.
func TestDrain(t *testing.T) {
	t.Parallel()
	r := start(t, sh("/", stubborn, `killAfter: '200 ms'`))
	c := r.dial("/")
	var leader, child int
	fmt.Sscan(hear(t, c), &leader, &child)
	go r.stop()
	wantEnd(t, c, curlew.GoingAway, "*")
	r.stop()
	if !gone(leader) || !gone(child) {
		until(t, "end of both", func() bool { return gone(leader) && gone(child) })
	}
	if n := r.ps.Number(); n != 0 {
		t.Errorf("%d programs", n)
	}
}

var _ route.Constructor = new(Processes).New

// TestEX5_Storm: a fork storm gets its places, and for the rest a status.
func TestEX5_Storm(t *testing.T) {
	t.Parallel()
	r := startWith(t, `trustedProxies: ['127.0.0.1'],`, `{ match: '/', handler: 'exec', exec: { command: ['/bin/cat'] } }`)
	const storm = 400
	results := make(chan string, storm)
	var held sync.Mutex // guards open
	var open []*curlew.Conn
	next := make(chan int)
	for range 50 {
		go func() {
			for i := range next {
				c, err := r.try("/", http.Header{"X-Forwarded-For": {fmt.Sprintf("192.0.2.%d", i%100)}})
				if err == nil {
					held.Lock()
					open = append(open, c)
					held.Unlock()
					results <- "101"
					continue
				}
				e, _ := errors.AsType[*curlew.HandshakeError](err)
				if e == nil {
					results <- err.Error()
				} else {
					results <- fmt.Sprint(e.Status, e.Header.Get("Retry-After") != "")
				}
			}
		}()
	}
	for i := range storm {
		next <- i
	}
	close(next)
	count := map[string]int{}
	for range storm {
		count[<-results]++
	}
	if count["101"] != 64 || count["101"]+count["503 true"]+count["429 true"] != storm || r.ps.Number() != 64 {
		t.Errorf("%v, %d programs", count, r.ps.Number())
	}
}
