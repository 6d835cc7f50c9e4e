package server_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/server"
	"curlew.example/curlew/server/config"
	"curlew.example/curlew/wstest"
)

// CF4: a hundred sites follow each other while clients come without a pause, ten
// for each site at least: none is refused, reset or left without its answer, with
// HTTP, with a WebSocket, with TLS. TestCF4ReloadUnderLoad is its little sister.
func TestCF4HundredReloads(t *testing.T) {
	t.Parallel()
	const site = `{ listen: ['127.0.0.1:0', 'https://127.0.0.1:0'], tls: { certificate: 'site.pem', key: 'site.key' },
		routes: [{ match: '/ws', handler: 'echo' }, { handler: 'respond', respond: { body: '@n' } }] }`
	r := start(t, strings.Replace(site, "@n", "0", 1), nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	came := make(chan struct{})
	var clients sync.WaitGroup
	secure := *r
	secure.first = r.URLs()[1]
	for _, r := range []*running{r, r, &secure} {
		clients.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				if err := r.visit(n%2 == 0); err != nil {
					t.Errorf("client %d of %s: %v", n, r.first, err)
					cancel()
				}
				select {
				case came <- struct{}{}:
				case <-ctx.Done():
				}
			}
		})
	}
	for n := range 100 {
		for range 10 {
			select {
			case <-came:
			case <-ctx.Done():
			}
		}
		if err := r.Reload(r.next(strings.Replace(site, "@n", fmt.Sprint(n+1), 1))); err != nil {
			t.Error(err)
		}
	}
	cancel()
	clients.Wait()
}

// visit makes a connection, uses it as a client that is in a hurry and ends it.
func (r *running) visit(webSocket bool) error {
	o := &curlew.DialOptions{}
	if strings.HasPrefix(r.first, "https:") {
		o.TLS = &tls.Config{RootCAs: r.roots, ServerName: "127.0.0.1"}
	}
	if webSocket {
		c, err := curlew.Dial(context.Background(), r.ws()+"/ws", o)
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
	_, at, _ := strings.Cut(r.first, "://")
	c, err := net.Dial("tcp", at)
	if err != nil {
		return err
	}
	if o.TLS != nil {
		c = tls.Client(c, o.TLS)
	}
	defer c.Close()
	if _, err := io.WriteString(c, get); err != nil {
		return err
	}
	b, err := io.ReadAll(c)
	if err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 200 ") {
		return fmt.Errorf("%.40q, %w", b, err)
	}
	return nil
}

// The closes of a drain are spread evenly over timeouts.drain, each 1001, and the
// server is done when the last client is: a thousand of them, by the fake clock.
func TestDrainIsSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const clients, spread = 1000, 20 * time.Second
		s, err := config.Parse("site.json5", []byte(`{ listen: '127.0.0.1:80', timeouts: { drain: '20 s' }, log: { requests: false }, routes: [{ handler: 'echo' }] }`))
		if err != nil {
			t.Fatal(err)
		}
		network := wstest.NewNetwork(nil)
		srv, err := server.New(s, server.Options{
			Handlers: basic(), Listen: func(_, address string) (net.Listener, error) { return network.Listen(address), nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := srv.Listen(); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- srv.Serve(ctx) }()

		var mu sync.Mutex
		var closed []time.Time
		var open []*curlew.Conn
		var done sync.WaitGroup
		for range clients {
			c, err := curlew.Dial(t.Context(), "ws://127.0.0.1:80/", &curlew.DialOptions{DialContext: network.DialContext})
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, c)
			done.Go(func() {
				_, _, err := c.Read(context.Background(), nil)
				e, ok := err.(*curlew.CloseError)
				mu.Lock()
				defer mu.Unlock()
				closed = append(closed, time.Now())
				if !ok || e.Code != curlew.GoingAway || !e.Remote {
					t.Errorf("%v", err)
				}
			})
		}
		synctest.Wait()
		if n := server.Open(srv); n != clients {
			t.Fatalf("%d are open", n)
		}
		began := time.Now()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		took := time.Since(began)
		done.Wait()
		if took < spread*9/10 || took > spread+time.Second {
			t.Errorf("the server was done after %v", took)
		}
		slices.SortFunc(closed, time.Time.Compare)
		for i, at := range closed {
			want := spread * time.Duration(i) / clients
			if late := at.Sub(began) - want; late < 0 || late > 100*time.Millisecond {
				t.Fatalf("close %d came %v after the time that is its", i, late)
			}
		}
		for _, c := range open {
			<-c.Done()
		}
	})
}
