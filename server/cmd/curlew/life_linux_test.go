package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"curlew.example/curlew"
)

// What the design wants to see is
//
//	go test . -run TestLife -v -life.rate 500 -life.reloads 100 -life.conns 5000 -life.drain 10s
var (
	lifeRate    = flag.Int("life.rate", 100, "new connections a second of TestLifeReloads")
	lifeReloads = flag.Int("life.reloads", 10, "reloads of TestLifeReloads")
	lifeConns   = flag.Int("life.conns", 200, "connections of TestLifeDrain")
	lifeDrain   = flag.Duration("life.drain", time.Second, "timeouts.drain of TestLifeDrain")
)

// A life is a server of its own, whose address stays: 127.0.0.1:0 is where it was.
type life struct {
	t    *testing.T
	cmd  *exec.Cmd
	file string
	log  watchedText
	at   string
	m    *manager
}

func newLife(t *testing.T, site string) *life {
	t.Helper()
	l := &life{t: t, file: filepath.Join(t.TempDir(), "site.json5")}
	l.log.more.L = &l.log.mu
	var notify string
	l.m, notify = newManager(t)
	write(t, l.file, site)
	l.cmd = exec.Command("curlew", "serve", l.file)
	l.cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+notify, "GORACE=atexit_sleep_ms=10")
	l.cmd.Stderr = &l.log
	if err := l.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if l.cmd.ProcessState == nil {
			l.cmd.Process.Kill()
			l.cmd.Wait()
		}
	})
	var ok bool
	if l.at, ok = strings.CutPrefix(l.m.want("READY", "1")["STATUS"], "listening on http://"); !ok {
		t.Fatal(l.log.String())
	}
	return l
}

// dial opens a WebSocket to an echo, which the server has when it returns.
func (l *life) dial() (*curlew.Conn, error) {
	c, err := curlew.Dial(l.t.Context(), "ws://"+l.at+"/", nil)
	if err != nil {
		return nil, err
	}
	if err := c.Write(l.t.Context(), curlew.Text, []byte("x")); err != nil {
		return nil, err
	}
	if _, _, err := c.Read(l.t.Context(), nil); err != nil {
		return nil, err
	}
	return c, nil
}

func (l *life) signal(s os.Signal) {
	l.t.Helper()
	if err := l.cmd.Process.Signal(s); err != nil {
		l.t.Fatal(err)
	}
}

// CF4: new connections come at an even rate while the server reads its file again and
// again, which cannot be taken now and then: each is answered, with HTTP or with a
// WebSocket, none refused or reset.
func TestLifeReloads(t *testing.T) {
	t.Parallel()
	const site = `{ listen: '127.0.0.1:0', log: { requests: false }, routes: [{ match: '/ws', handler: 'echo' }, { handler: 'respond', respond: { body: '@n' } }] }`
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	l := newLife(t, strings.ReplaceAll(site, "@n", "0"))
	var came, failed atomic.Int64
	var slowest atomic.Int64
	visit := func(n int) error {
		if n%2 == 0 {
			c, err := curlew.Dial(context.Background(), "ws://"+l.at+"/ws", nil)
			if err != nil {
				return err
			}
			defer c.Abort(nil)
			if err := c.Write(context.Background(), curlew.Text, []byte("here")); err != nil {
				return err
			}
			if _, p, err := c.Read(context.Background(), nil); err != nil || string(p) != "here" {
				return fmt.Errorf("%q, %w", p, err)
			}
			return c.Close(curlew.NormalClosure, "")
		}
		c, err := net.Dial("tcp", l.at)
		if err != nil {
			return err
		}
		defer c.Close()
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n\r\n")
		a, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, a.Body); err != nil || a.StatusCode != 200 {
			return fmt.Errorf("%d, %w", a.StatusCode, err)
		}
		return nil
	}
	stop := make(chan struct{})
	there := make(chan struct{}, *lifeRate)
	var clients, pace sync.WaitGroup
	pace.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		began := time.Now()
		for n := 0; ; {
			for due := int(time.Since(began).Seconds() * float64(*lifeRate)); n < due; n++ {
				client := n
				select { // on a machine that cannot do so many they do not pile up
				case there <- struct{}{}:
				case <-stop:
					return
				}
				clients.Go(func() {
					defer func() { <-there }()
					begun := time.Now()
					if err := visit(client); err != nil && failed.Add(1) < 10 {
						t.Errorf("client %d: %v", client, err)
					}
					came.Add(1)
					for took := int64(time.Since(begun)); ; {
						if last := slowest.Load(); last >= took || slowest.CompareAndSwap(last, took) {
							break
						}
					}
				})
			}
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	})
	began := time.Now()
	for n := range *lifeReloads {
		// At least a tenth of a second's clients meet each site.
		for want := int64((n + 1) * *lifeRate / 10); came.Load() < want; {
			l.m.c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
			if _, err := l.m.c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal("told unasked: ", err)
			}
		}
		l.m.c.SetReadDeadline(time.Time{})
		next, status := strings.ReplaceAll(site, "@n", fmt.Sprint(n+1)), "listening on"
		switch n % 5 {
		case 3:
			next, status = "{ nonsense: 1 }", "not reloaded"
		case 4: // fails when its first listener is open
			next, status = strings.Replace(next, "'127.0.0.1:0'", "['127.0.0.2:0', '127.0.0.1:0', '"+taken.Addr().String()+"']", 1), "not reloaded"
		}
		write(t, l.file, next)
		l.signal(syscall.SIGHUP)
		l.m.want("RELOADING", "1")
		if got := l.m.want("READY", "1"); !strings.HasPrefix(got["STATUS"], status) {
			t.Errorf("%v, want %s", got, status)
		}
	}
	close(stop)
	pace.Wait()
	clients.Wait()
	took := time.Since(began)
	t.Logf("%d reloads in %v, %d connections (%.0f a second), %d failed, the slowest took %v",
		*lifeReloads, took.Round(time.Millisecond), came.Load(), float64(came.Load())/took.Seconds(), failed.Load(), time.Duration(slowest.Load()))
	l.signal(syscall.SIGTERM)
	if err := l.cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, l.log.String())
	}
}

// At SIGTERM all WebSockets are closed with 1001, evenly over timeouts.drain, and the
// server exits with 0.
func TestLifeDrain(t *testing.T) {
	t.Parallel()
	l := newLife(t, `{ listen: '127.0.0.1:0', log: { requests: false }, timeouts: { drain: '`+lifeDrain.String()+`' }, routes: [{ handler: 'echo' }] }`)
	var mu sync.Mutex
	var closed []time.Duration
	wrong := 0
	var began time.Time
	var done sync.WaitGroup
	done.Add(*lifeConns)
	dialing := make(chan struct{}, 32)
	var opened sync.WaitGroup
	for range *lifeConns {
		dialing <- struct{}{}
		opened.Go(func() {
			defer func() { <-dialing }()
			c, err := l.dial()
			if err != nil {
				t.Error(err)
				done.Done()
				return
			}
			go curlew.Serve(context.Background(), c, &curlew.Events{Close: func(_ *curlew.Conn, e *curlew.CloseError) {
				mu.Lock()
				defer mu.Unlock()
				closed = append(closed, time.Since(began))
				if e.Code != curlew.GoingAway || !e.Orderly() {
					wrong++
				}
				done.Done()
			}})
		})
	}
	opened.Wait()
	mu.Lock()
	began = time.Now()
	mu.Unlock()
	l.signal(syscall.SIGTERM)
	l.m.want("STOPPING", "1")
	done.Wait()
	err := l.cmd.Wait()
	took := time.Since(began)
	if err != nil {
		t.Errorf("%v\n%s", err, l.log.String())
	}
	slices.Sort(closed)
	var late, early time.Duration
	tenths := make([]int, 11)
	for i, at := range closed {
		after := at - *lifeDrain*time.Duration(i)/time.Duration(len(closed))
		late, early = max(late, after), max(early, -after)
		tenths[min(int(10*at / *lifeDrain), 10)]++
	}
	t.Logf("%d connections closed over %v, exit after %v; in each tenth %v; at most %v after the time that is its; %d not with 1001",
		len(closed), *lifeDrain, took.Round(time.Millisecond), tenths, late.Round(time.Millisecond), wrong)
	if wrong > 0 {
		t.Errorf("%d were not closed with 1001, in order", wrong)
	}
	// None comes before its time; how long after it, a busy machine decides:
	// TestDrainIsSpread has a clock of its own.
	if early > 10*time.Millisecond || took < *lifeDrain*9/10 {
		t.Errorf("one of them was closed %v too early; all were after %v", early, took)
	}
}

// A server that is stopped while it reloads says so last: a READY behind it would be
// taken for the end of a reload.
func TestLifeStopWhileReloading(t *testing.T) {
	t.Parallel()
	l := newLife(t, `{ listen: '127.0.0.1:0', routes: [{ handler: 'echo' }] }`)
	os.Remove(l.file)
	if err := syscall.Mkfifo(l.file, 0o600); err != nil { // nobody writes it
		t.Fatal(err)
	}
	l.signal(syscall.SIGHUP)
	l.m.want("RELOADING", "1")
	l.signal(syscall.SIGHUP) // and once more
	l.signal(syscall.SIGTERM)
	for l.m.told()["STOPPING"] == "" { // both signals may be seen at once
	}
	if err := l.cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, l.log.String())
	}
	l.m.c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	for p := make([]byte, 4096); ; {
		n, err := l.m.c.Read(p)
		if err != nil {
			break
		}
		if strings.Contains(string(p[:n]), "READY=1") || strings.Contains(string(p[:n]), "RELOADING=1") {
			t.Errorf("told %q behind the end", p[:n])
		}
	}
	if strings.Contains(l.log.String(), "not reloaded") {
		t.Errorf("the file is blamed:\n%s", l.log.String())
	}
}

// A second SIGTERM does not wait for the drain.
func TestLifeSecondTerm(t *testing.T) {
	t.Parallel()
	l := newLife(t, `{ listen: '127.0.0.1:0', timeouts: { drain: '1 hour' }, routes: [{ handler: 'echo' }] }`)
	for range 2 {
		c, err := l.dial()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Abort(nil)
		go curlew.Serve(context.Background(), c, &curlew.Events{})
	}
	l.signal(syscall.SIGTERM)
	l.m.want("STOPPING", "1")
	ended := make(chan error, 1)
	go func() { ended <- l.cmd.Wait() }()
	again := time.NewTicker(20 * time.Millisecond) // the first one may still be on its way
	defer again.Stop()
	for {
		select {
		case <-again.C:
			l.cmd.Process.Signal(syscall.SIGTERM)
		case err := <-ended:
			if s, ok := l.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || s.Signal() != syscall.SIGTERM {
				t.Errorf("%v\n%s", err, l.log.String())
			}
			return
		}
	}
}
