package server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew/server"
	"curlew.example/curlew/server/config"
	"curlew.example/curlew/server/site"
	"curlew.example/curlew/wstest"
)

// While a reload opens its listeners, for which names may be looked up, the old site
// answers; and the server can be stopped.
func TestCF4ReloadThatTakesLong(t *testing.T) {
	for _, end := range []string{"opens", "fails", "is stopped"} {
		synctest.Test(t, func(t *testing.T) {
			network := wstest.NewNetwork(nil)
			release := make(chan struct{})
			var opened *wstest.Listener
			o := server.Options{Handlers: basic(), Listen: func(_, address string) (net.Listener, error) {
				if address == "slow:80" {
					if <-release; end == "fails" {
						return nil, errors.New("no such name")
					}
					opened = network.Listen(address)
					return opened, nil
				}
				return network.Listen(address), nil
			}}
			parse := func(text string) *site.Site {
				s, err := config.Parse("site.json5", []byte(text))
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
			srv, err := server.New(parse(`{ listen: 'site:80', routes: [{ handler: 'respond', respond: { body: 'one' } }] }`), o)
			if err != nil {
				t.Fatal(err)
			}
			if err := srv.Listen(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- srv.Serve(context.Background()) }()
			answer := func(address string) string {
				c, err := network.DialContext(t.Context(), "tcp", address)
				if err != nil {
					return err.Error()
				}
				defer c.Close()
				io.WriteString(c, get)
				a, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err != nil {
					return err.Error()
				}
				b, _ := io.ReadAll(a.Body)
				return string(b)
			}
			reloaded := make(chan error, 1)
			go func() {
				reloaded <- srv.Reload(parse(`{ listen: ['site:80', 'slow:80'], routes: [{ handler: 'respond', respond: { body: 'two' } }] }`))
			}()
			synctest.Wait()
			if got := answer("site:80"); got != "one" {
				t.Errorf("meanwhile: %s", got)
			}
			if end == "is stopped" {
				srv.Close()
				if err := <-ended; err != nil {
					t.Error(err)
				}
				close(release)
				if err := <-reloaded; !errors.Is(err, net.ErrClosed) {
					t.Error(err)
				}
				if _, err := opened.Accept(); !errors.Is(err, net.ErrClosed) {
					t.Errorf("its listener is open: %v", err)
				}
				return
			}
			close(release)
			err = <-reloaded
			got := fmt.Sprint(err == nil, " ", answer("site:80"))
			want := map[string]string{"opens": "true two", "fails": "false one"}[end]
			if got != want {
				t.Errorf("%s: %s, %v", end, got, err)
			}
			if end == "opens" {
				if got := answer("slow:80"); got != "two" {
					t.Error(got)
				}
			}
			srv.Close()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

// An address that the server itself keeps from the new site is told as such.
func TestReloadToAllAddresses(t *testing.T) {
	t.Parallel()
	r := start(t, "{ @plain, "+ok+" }", nil)
	_, port, _ := strings.Cut(strings.TrimPrefix(r.first, "http://"), ":")
	err := r.Reload(r.next("{ listen: '0.0.0.0:" + port + "', " + ok + " }"))
	switch {
	case err == nil && runtime.GOOS != "linux": // both may be
	case err == nil || !strings.Contains(err.Error(), "this server listens at 127.0.0.1:"+port):
		t.Error(err)
	}
}

// A connection that is in use gets its next answer from the new site, and is told that
// it is the last one; one that is not ends a moment later. So nothing that was asked
// for is lost.
func TestReloadOfBusyConnections(t *testing.T) {
	const site = `routes: [{ match: '/ws', handler: 'echo' }, { handler: 'respond', respond: { body: 'one' } }]`
	inBubble(t, "", site, nil, func(t *testing.T, b *bubble) {
		var conns []net.Conn
		for range 3 {
			c := b.connect()
			conns = append(conns, c)
			io.WriteString(c, strings.Replace(get, "Connection: close\r\n", "", 1))
			if a, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || a.Close {
				t.Fatal(a, err)
			}
		}
		next, err := config.Parse("site.json5", []byte("{ listen: 'site:80', "+strings.Replace(site, "one", "two", 1)+" }"))
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := b.server.Reload(next); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		io.WriteString(conns[0], strings.Replace(get, "Connection: close\r\n", "", 1))
		list := answers(conns[0])
		if codes(list) != "200" || body(t, list[0]) != "two" || !list[0].Close {
			t.Errorf("%s: %+v", codes(list), list)
		}
		p, _ := wstest.Open(t, conns[1], "/ws", http.Header{})
		p.Send(wstest.Text("x"))
		p.Want("the echo", wstest.Text("x"))
		p.Close()
		if n, err := conns[2].Read(make([]byte, 1)); n != 0 || err != io.EOF || time.Since(began) != time.Second {
			t.Errorf("the idle one: %d, %v, after %v", n, err, time.Since(began))
		}
		synctest.Wait()
		if n := server.Generations(b.server); n != 1 {
			t.Errorf("%d generations", n)
		}
	})
}

// Clients that use their connections all the time lose nothing.
func TestCF4ReloadKeepAlive(t *testing.T) {
	t.Parallel()
	r := start(t, "{ @plain, log: { requests: false }, "+ok+" }", nil)
	stop := make(chan struct{})
	var asked atomic.Int64
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for {
				c, err := net.Dial("tcp", strings.TrimPrefix(r.first, "http://"))
				if err != nil {
					t.Error(err)
					return
				}
				br := bufio.NewReader(c)
				used := time.Now() // the last but one request began
				for last := false; !last; asked.Add(1) {
					now := time.Now()
					io.WriteString(c, strings.Replace(get, "Connection: close\r\n", "", 1))
					a, err := http.ReadResponse(br, nil)
					if err != nil {
						if time.Since(used) < time.Second { // else it was idle so long, for want of a processor
							t.Errorf("a request without its answer: %v", err)
						}
						break
					}
					io.Copy(io.Discard, a.Body)
					last, used = a.Close, now
				}
				c.Close()
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for n := range 15 {
		for asked.Load() < int64(n*20) {
			runtime.Gosched()
		}
		if err := r.Reload(r.next("{ @plain, log: { requests: false }, " + ok + " }")); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	r.Reload(r.next("{ @plain, log: { requests: false }, " + ok + " }")) // and goodbye
	clients.Wait()
}

// A connection that was made without a certificate gets nothing of a site that demands
// one.
func TestTL7ReloadDemandsCertificates(t *testing.T) {
	dir := t.TempDir()
	roots := pairIn(t, dir)
	inBubble(t, dir, withTLS+"routes: [{ handler: 'respond', respond: { body: 'one' } }]", nil, func(t *testing.T, b *bubble) {
		c := b.secure(roots)
		defer c.Close()
		br := bufio.NewReader(c)
		for _, ends := range []bool{false, true} {
			io.WriteString(c, strings.Replace(get, "Connection: close\r\n", "", 1))
			a, err := http.ReadResponse(br, nil)
			if err != nil {
				t.Fatal(err)
			}
			if text := body(t, a); text != "one" || a.Close != ends {
				t.Errorf("%q, the last one: %v", text, a.Close)
			}
			if ends {
				break
			}
			next, err := config.Parse(filepath.Join(dir, "site.json5"), []byte("{ "+strings.Replace(withTLS, "}, ", ", clientCA: 'site.pem' }, ", 1)+
				"routes: [{ handler: 'respond', respond: { body: 'two' } }] }"))
			if err != nil {
				t.Fatal(err)
			}
			if err := b.server.Reload(next); err != nil {
				t.Fatal(err)
			}
		}
	})
}
