package server_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"curlew.example/curlew"
	"curlew.example/curlew/server"
	"curlew.example/curlew/server/config"
	"curlew.example/curlew/server/site"
)

// next reads another site for a server.
func (r *running) next(text string) *site.Site {
	r.t.Helper()
	s, err := config.Parse(filepath.Join(r.dir, "site.json5"), []byte(r.expand(text)))
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

func TestReload(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"plain", "tls"} {
		t.Run(kind, func(t *testing.T) {
			r := start(t, "{ @"+kind+`, routes: [{ match: '/echo', handler: 'echo' }, { handler: 'respond', respond: { body: 'one' } }] }`, nil)
			c := r.dial("/echo", curlew.Options{})
			idle := r.connect()
			io.WriteString(idle, "GET / HTTP/1.1\r\nHost: site.example\r\n\r\n")
			p := make([]byte, 1)
			if _, err := io.ReadFull(idle, p); err != nil {
				t.Fatal(err)
			}
			if err := r.Reload(r.next("{ @" + kind + `, routes: [{ handler: 'respond', respond: { body: 'two' } }] }`)); err != nil {
				t.Fatal(err)
			}
			if r.URLs()[0] != r.first {
				t.Errorf("the listener has moved: %v", r.URLs())
			}
			if got := body(t, r.say(get)[0]); got != "two" {
				t.Errorf("after: %q", got)
			}
			// An idle connection ends, a WebSocket goes on.
			io.Copy(io.Discard, idle)
			go c.Write(t.Context(), curlew.Text, []byte("still here"))
			if _, got, err := c.Read(t.Context(), nil); err != nil || string(got) != "still here" {
				t.Errorf("the WebSocket: %q %v", got, err)
			}
			// And it is drained with the others.
			r.stop()
			<-c.Done()
			if e := c.Err().(*curlew.CloseError); e.Code != curlew.GoingAway {
				t.Error(e)
			}
		})
	}
}

// CF3: whatever is wrong with the new site, the old one stays.
func TestCF3BadReload(t *testing.T) {
	t.Parallel()
	r := start(t, "{ @plain, "+ok+" }", nil)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, text := range map[string]string{
		"folder":      `{ @plain, routes: [{ handler: 'static', static: { directory: 'none' } }] }`,
		"certificate": `{ @plain, tls: { certificate: 'none.pem', key: 'none.key' }, ` + ok + ` }`,
		"address":     `{ listen: ['127.0.0.1:0', '` + taken.Addr().String() + `', 'unix:` + filepath.Join(r.dir, "new.sock") + `'], ` + ok + ` }`,
	} {
		if err := r.Reload(r.next(text)); err == nil {
			t.Errorf("%s: taken", name)
		}
		if got := codes(r.say(get)); got != "200" {
			t.Errorf("%s: afterwards %s", name, got)
		}
		if n := len(r.URLs()); n != 1 {
			t.Errorf("%s: %d listeners", name, n)
		}
	}
	if c, err := net.Dial("unix", filepath.Join(r.dir, "new.sock")); err == nil {
		c.Close()
		t.Error("a listener of the bad site is open")
	}
}

// Listeners come and go, and change between plain and TLS.
func TestReloadListeners(t *testing.T) {
	t.Parallel()
	r := start(t, "{ @plain, "+ok+" }", nil)
	sock := filepath.Join(r.dir, "s")
	if err := r.Reload(r.next(`{ listen: ['https://127.0.0.1:0', 'unix:` + sock + `'], tls: { certificate: 'site.pem', key: 'site.key' }, ` + ok + ` }`)); err != nil {
		t.Fatal(err)
	}
	if got := strings.Replace(r.first, "http:", "https:", 1); r.URLs()[0] != got {
		t.Errorf("%v, want %s first", r.URLs(), got)
	}
	r.first = r.URLs()[0]
	if got := codes(r.say(get)); got != "200" {
		t.Errorf("over TLS: %s", got)
	}
	c, err := net.Dial("unix", sock)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, get)
	if got := codes(answers(c)); got != "200" {
		t.Errorf("over the socket: %s", got)
	}
	if err := r.Reload(r.next(`{ listen: ['unix:` + sock + `'], ` + ok + ` }`)); err != nil {
		t.Fatal(err)
	}
	if c, err := net.Dial("tcp", strings.TrimPrefix(r.first, "https://")); err == nil {
		c.Close()
		t.Error("a listener that the new site does not have is open")
	}
}

// CF4: requests on new connections while sites follow each other: each has its
// answer.
func TestCF4ReloadUnderLoad(t *testing.T) {
	t.Parallel()
	r := start(t, "{ @plain, "+ok+" }", nil)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var failed sync.Map
	for range 4 {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				c, err := net.Dial("tcp", strings.TrimPrefix(r.first, "http://"))
				if err != nil {
					failed.Store(err.Error(), true)
					return
				}
				io.WriteString(c, get)
				if got := codes(answers(c)); got != "200" {
					failed.Store(fmt.Sprintf("answer %d: %q", n, got), true)
				}
				c.Close()
			}
		})
	}
	for range 50 {
		if err := r.Reload(r.next("{ @plain, " + ok + " }")); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
	failed.Range(func(k, _ any) bool { t.Error(k); return true })
	// The old ones are forgotten as their last connections end.
	for server.Generations(r.Server) > 1 {
		runtime.Gosched()
	}
}

func TestReloadOfAStoppedServer(t *testing.T) {
	t.Parallel()
	r := start(t, "{ @plain, "+ok+" }", nil)
	r.Close()
	err := <-r.ended
	r.ended <- err
	if err := r.Reload(r.next("{ @plain, " + ok + " }")); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}
