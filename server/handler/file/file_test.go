package file

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/frame"
	"curlew.example/curlew/server/config"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/wstest"
)

// A house is a site in memory, with a folder of the test for its files.
type house struct {
	t       *testing.T
	dir     string
	network *wstest.Network
	conns   chan *curlew.Conn // the server's side, as they open
	opening func()            // called before the event Open
	server  *wstest.End       // of the last connection
}

// open runs the routes of a site file, in the bubble of the test.
func open(t *testing.T, dir, routes string) *house {
	t.Helper()
	h := &house{t: t, dir: dir, conns: make(chan *curlew.Conn, 100), opening: func() {}}
	h.network = wstest.NewNetwork(&wstest.NetworkOptions{Dialed: func(_, server *wstest.End) { h.server = server }})
	s, err := config.Parse(filepath.Join(dir, "site.json5"), []byte("{ routes: ["+routes+"] }"))
	if err != nil {
		t.Fatal(err)
	}
	table := new(route.Table)
	for _, r := range s.Routes {
		handler, err := New(r, func(f func(*http.Request) (*curlew.Events, error)) http.Handler {
			return curlew.Handle(config.Options(r), func(r *http.Request) (*curlew.Events, error) {
				ev, err := f(r)
				if err != nil {
					return nil, err
				}
				with := *ev
				with.Open = func(c *curlew.Conn) {
					h.conns <- c
					h.opening()
					ev.Open(c)
				}
				return &with, nil
			})
		})
		if err == nil {
			err = table.Add(r, handler)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	server := &http.Server{Handler: table}
	go server.Serve(h.network.Listen("site:80"))
	t.Cleanup(func() { server.Close() })
	return h
}

// write makes a file of the folder.
func write(t *testing.T, dir, name string, content []byte) {
	t.Helper()
	name = filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// peer connects and returns the client's side, played by the test.
func (h *house) peer(path string, header http.Header) *wstest.Peer {
	h.t.Helper()
	c, err := h.network.DialContext(h.t.Context(), "tcp", "site:80")
	if err != nil {
		h.t.Fatal(err)
	}
	p, _ := wstest.Open(h.t, c, path, header)
	return p
}

// dial connects with our own client. An error is one of the handshake.
func (h *house) dial(path string, o curlew.Options) (*curlew.Conn, error) {
	o.MaxMessage, o.MaxFragments = -1, -1
	return curlew.Dial(h.t.Context(), "ws://site:80"+path, &curlew.DialOptions{Options: o, DialContext: h.network.DialContext})
}

// all reads one message and what ends the connection.
func all(t *testing.T, c *curlew.Conn) (curlew.Type, []byte, *curlew.CloseError) {
	t.Helper()
	typ, p, err := c.Read(t.Context(), nil)
	if err == nil {
		_, _, err = c.Read(t.Context(), nil)
	}
	<-c.Done()
	e, ok := err.(*curlew.CloseError)
	if !ok {
		t.Fatal(err)
	}
	return typ, p, e
}

// numbered is n bytes that say where they are.
func numbered(n int) []byte {
	p := make([]byte, 0, n+8)
	for i := 0; len(p) < n; i++ {
		p = fmt.Appendf(p, "%7d\n", i)
	}
	return p[:n]
}

const one = `{ match: '/one', handler: 'file', file: { path: 'one' } }`

func TestSizes(t *testing.T) {
	for _, settings := range []string{
		``, `limits: { sendQueue: 1000, maxFrame: 300 }`, `limits: { maxMessage: 10 }`, `webSockets: { preserveFrames: true }`,
		`webSockets: { compression: true }`, `webSockets: { compression: { serverContext: true } }, limits: { maxFrame: 'unlimited' }`,
	} {
		dir := t.TempDir()
		for _, n := range []int{0, 1, 1000, maxPiece - 1, maxPiece, maxPiece + 1, 256 << 10, 1<<20 + 3} {
			for _, typ := range []curlew.Type{curlew.Binary, curlew.Text} {
				t.Run(fmt.Sprintf("%s/%d/%v", settings, n, typ), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						content := []byte(strings.Repeat("üä", n/4+1)[:n/2*2])
						if typ == curlew.Binary {
							content = numbered(n)
						}
						write(t, dir, "one", content)
						h := open(t, dir, fmt.Sprintf(`{ handler: 'file', file: { path: './one', type: '%v' }, %s }`, typ, settings))
						c, err := h.dial("/", curlew.Options{Compression: &curlew.Compression{}})
						if err != nil {
							t.Fatal(err)
						}
						got, p, e := all(t, c)
						if got != typ || !bytes.Equal(p, content) {
							t.Errorf("%v of %d bytes, want %v of %d", got, len(p), typ, len(content))
						}
						if e.Code != curlew.NormalClosure || !e.Remote || !e.Orderly() {
							t.Errorf("ended by %v", e)
						}
					})
				})
			}
		}
	}
}

// TestFrames: one message, in frames of limits.maxFrame at most, the last one
// marked.
func TestFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, content := t.TempDir(), numbered(10_000)
		write(t, dir, "one", content)
		p := open(t, dir, strings.Replace(one, "file:", "limits: { maxFrame: 4000 }, file:", 1)).peer("/one", nil)
		var got []byte
		for op := frame.Binary; ; op = frame.Continuation {
			f := p.Next("a frame")
			got = append(got, f.Payload...)
			if f.Opcode != op || len(f.Payload) > 4000 {
				t.Fatalf("%v", f)
			}
			if f.Fin {
				break
			}
		}
		if !bytes.Equal(got, content) {
			t.Errorf("got %d bytes", len(got))
		}
		p.WantClose("the end", curlew.NormalClosure, "")
	})
}

// TestSL1_SlowReader: a client that does not read costs its queue, whatever the
// size of the file, is answered its pings, and gets all once it reads.
func TestSL1_SlowReader(t *testing.T) {
	const size = 32 << 20
	dir := t.TempDir()
	write(t, dir, "one", nil)
	if err := os.Truncate(filepath.Join(dir, "one"), size); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		h := open(t, dir, `{ match: '/one', handler: 'file', file: { path: 'one' }, timeouts: { write: 'never' } }`)
		before := heap()
		c, err := h.dial("/one", curlew.Options{})
		if err != nil {
			t.Fatal(err)
		}
		server := <-h.conns
		h.server.Stall(true)
		synctest.Wait()
		if n := server.Info().Queued; n < 128<<10 || n > 256<<10 {
			t.Errorf("%d bytes are queued", n)
		}
		if n := heap() - before; n > 4<<20 {
			t.Errorf("%d bytes of memory", n)
		}
		go c.Write(context.Background(), curlew.Text, []byte("nobody cares"))
		synctest.Wait()
		h.server.Stall(false)
		_, r, err := c.Reader(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		largest := 0
		n, err := io.Copy(watcher(func(p []byte) { largest = max(largest, server.Info().Queued) }), r)
		if n != size || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
		if largest > 256<<10+maxPiece {
			t.Errorf("%d bytes were queued", largest)
		}
		if _, _, err := c.Read(t.Context(), nil); err.(*curlew.CloseError).Code != curlew.NormalClosure {
			t.Error(err)
		}
	})
}

type watcher func(p []byte)

func (w watcher) Write(p []byte) (int, error) { w(p); return len(p), nil }

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestSL2_SlowerThanClose: a client that takes longer for what waits than an
// ending may take gets all of it.
func TestSL2_SlowerThanClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, content := t.TempDir(), numbered(400_000)
		write(t, dir, "one", content)
		h := open(t, dir, `{ match: '/one', handler: 'file', file: { path: 'one' }, timeouts: { close: '1 s' }, webSockets: { ping: 'never' } }`)
		c, err := h.dial("/one", curlew.Options{PingInterval: -1}) // what it said to who is gone would reset the stream
		if err != nil {
			t.Fatal(err)
		}
		_, r, err := c.Reader(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got []byte
		for p := make([]byte, 10_000); ; {
			time.Sleep(time.Second)
			n, err := io.ReadFull(r, p)
			got = append(got, p[:n]...)
			if err != nil {
				break
			}
		}
		if !bytes.Equal(got, content) {
			t.Errorf("%d bytes", len(got))
		}
		if _, _, err := c.Read(t.Context(), nil); err.(*curlew.CloseError).Code != curlew.NormalClosure {
			t.Error(err)
		}
	})
}

// TestSL1_NeverReads: timeouts.write ends a connection that takes nothing.
func TestSL1_NeverReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		write(t, dir, "one", numbered(1<<20))
		h := open(t, dir, `{ match: '/one', handler: 'file', file: { path: 'one' }, timeouts: { write: '3 s' } }`)
		h.peer("/one", nil)
		began := time.Now()
		server := <-h.conns
		<-server.Done()
		if d := time.Since(began); d < 3*time.Second || d > 3300*time.Millisecond {
			t.Errorf("%v after %v", server.Err(), d)
		}
	})
}

// TestMeanwhile: pings are answered between the frames, a Close is answered, and
// messages mean nothing.
func TestMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		write(t, dir, "one", numbered(1<<20))
		h := open(t, dir, one)
		p := h.peer("/one", nil)
		p.Send(wstest.Text("hello"), wstest.Ping("?"))
		synctest.Wait() // the queue is full, and the ping was read
		for {
			f := p.Next("the pong in the middle of the file")
			if f.Opcode == frame.Pong {
				break
			}
			if f.Fin {
				t.Fatalf("%v", f)
			}
		}
		p.Send(wstest.Close(curlew.GoingAway, ""))
		synctest.Wait()
		for {
			f := p.Next("the Close in the middle of the file")
			if f.Opcode == frame.Close {
				break
			}
			if f.Fin {
				t.Fatalf("%v", f)
			}
		}
		<-(<-h.conns).Done()
	})
}

// TestSF11: a file that changes while it is sent.
func TestSF11(t *testing.T) {
	for what, change := range map[string]func(name string) error{
		"shrinks": func(name string) error { return os.Truncate(name, 500_000) },
		"grows": func(name string) error {
			f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
			if err == nil {
				_, err = f.WriteString("more")
				f.Close()
			}
			return err
		},
		"is removed": os.Remove,
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir, content := t.TempDir(), numbered(1<<20)
				write(t, dir, "one", content)
				h := open(t, dir, one)
				p := h.peer("/one", nil)
				synctest.Wait()
				if err := change(filepath.Join(dir, "one")); err != nil {
					t.Fatal(err)
				}
				if what != "shrinks" {
					p.WantMessage("what it was", curlew.Binary, content)
					p.WantClose("the end", curlew.NormalClosure, "")
					return
				}
				n := 0
				for {
					f := p.Next("a part of it")
					if f.Opcode == frame.Close {
						break
					}
					if n += len(f.Payload); f.Fin || n > 500_000 {
						t.Fatalf("%v, after %d bytes", f, n)
					}
				}
				p.Send(wstest.Close(curlew.InternalError, ""))
				server := <-h.conns
				<-server.Done()
				if e := server.Err().(*curlew.CloseError); e.Code != curlew.InternalError {
					t.Error(e)
				}
			})
		})
	}
}

// TestGoneBehindTheHandshake: the file can no more be opened when the connection
// opens.
func TestGoneBehindTheHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		write(t, dir, "one", []byte("content"))
		h := open(t, dir, one)
		h.opening = func() { os.Remove(filepath.Join(dir, "one")) }
		h.peer("/one", nil).WantClose("no file", curlew.InternalError, "file cannot be read")
	})
}

// TestClosedAtOnce: a connection that is closed before it opens, as in a drain.
func TestClosedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		write(t, dir, "one", []byte("content"))
		h := open(t, dir, one)
		h.opening = func() { (<-h.conns).Close(curlew.GoingAway, "") }
		h.peer("/one", nil).WantClose("no file", curlew.GoingAway, "")
	})
}

// TestU8_InvalidText: text that is none ends where that shows; with the check off
// it is sent.
func TestU8_InvalidText(t *testing.T) {
	for content, code := range map[string]curlew.Code{
		"bad \xff": curlew.InternalError, "cut \xc3": curlew.InternalError, strings.Repeat("x", 300_000) + "\xff" + strings.Repeat("x", 300_000): curlew.InternalError,
		"good ü": curlew.NormalClosure,
	} {
		synctest.Test(t, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, "one", []byte(content))
			h := open(t, dir, `{ match: '/one', handler: 'file', file: { path: 'one', type: 'text' } },
				{ match: '/loose', handler: 'file', file: { path: 'one', type: 'text' }, webSockets: { validateUTF: false } }`)
			c, err := h.dial("/one", curlew.Options{})
			if err != nil {
				t.Fatal(err)
			}
			_, _, e := all(t, c)
			if e.Code != code {
				t.Errorf("%.20q: %v", content, e)
			}
			if c, err = h.dial("/loose", curlew.Options{AllowInvalidUTF8: true}); err != nil {
				t.Fatal(err)
			}
			if _, p, e := all(t, c); string(p) != content || e.Code != curlew.NormalClosure {
				t.Errorf("%.20q: %d bytes, %v", content, len(p), e)
			}
		})
	}
}

// status is what a handshake is answered.
func (h *house) status(path string) int {
	c, err := h.dial(path, curlew.Options{})
	if err != nil {
		e, ok := err.(*curlew.HandshakeError)
		if !ok {
			h.t.Fatal(err)
		}
		return e.Status
	}
	c.Abort(nil)
	return http.StatusSwitchingProtocols
}

// TestSF1_SF2_SF3_SF5_SF8: what a client puts into a name stays in its place: 404
// for the rest, or 400 where the path itself is refused.
func TestSF1_SF2_SF3_SF5_SF8(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{
		"files/a", "files/b.txt", "files/.hidden", "files/ann/in.txt", "files/ann/.hidden", "files/%61", "files/..x", "files/a..", "secret", "files/sub/deep/x",
		"files/pre-a", "files/dot/.a",
	} {
		write(t, dir, name, []byte(name))
	}
	for name, to := range map[string]string{
		"files/out": "../secret", "files/abs": filepath.Join(dir, "secret"), "files/in": "a", "files/up": "..", "fixed": "secret", "files/loop": "loop",
	} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	routes := `
		{ match: '/one/{f}', handler: 'file', file: { path: './files/${f}' } },
		{ match: '/two/{d}/{f}', handler: 'file', file: { path: './files/${d}/${f}.txt' } },
		{ match: '/pre/{f}', handler: 'file', file: { path: './files/pre-${f}' } },
		{ match: '/dot/{f}', handler: 'file', file: { path: './files/.${f}' } },
		{ match: '/dots/{d}/{f}', handler: 'file', file: { path: './files/.${d}/${f}' } },
		{ match: '/both/{a}/{b}', handler: 'file', file: { path: './files/${a}${b}' } },
		{ pattern: '/pattern/(?P<f>.*)', handler: 'file', file: { path: './files/${f}' } },
		{ match: '/fixed', handler: 'file', file: { path: './fixed' } },
		{ match: '/folder', handler: 'file', file: { path: './files' } },
		{ match: '/none', handler: 'file', file: { path: './nothing/here' } }`
	synctest.Test(t, func(t *testing.T) {
		h := open(t, dir, routes)
		for path, want := range map[string]int{
			"/one/a": 101, "/one/b.txt": 101, "/one/%61": 101, "/one/%2561": 101, "/one/in": 101, "/one/a..": 101, "/two/ann/in": 101, "/pre/a": 101,
			"/dot/hidden": 101, "/pattern/a": 101, "/both/b./txt": 101, "/fixed": 101,

			"/one/none": 404, "/one/ann": 404, "/one/.hidden": 404, "/one/..x": 404, "/one/out": 404, "/one/abs": 404, "/one/up": 404, "/one/loop": 404, "/one/A": 404,
			"/one/a%2F": 404, "/one/ann%2Fin.txt": 404, "/one/..%2Fsecret": 404, "/one/%2E%2E%2Fsecret": 404, "/one/%2e%2e%2f%2e%2e%2fetc%2fpasswd": 404,
			"/one/%252e%252e%252fsecret": 404, "/one/a/": 404, "/one/": 404, "/one": 404, "/one/a/b": 404, "/one/" + strings.Repeat("a", 5000): 404,
			"/one/..;": 404, "/one/%C0%AE%C0%AE": 400,
			"/two/ann/.hidden": 404, "/two/..%2Ffiles/b": 404, "/two/.%2Fann/in": 404, "/two/up/b": 404, "/two/ann%2F/in": 404,
			"/pre/..%2Fa": 404, "/dot/.": 400, "/dots/%2E/secret": 400, "/dots/.x/a": 404, "/both/%2Ehid/den": 404,
			"/pattern/": 404, "/pattern/ann/in.txt": 404, "/pattern/.hidden": 404, "/pattern/ann%2Fin.txt": 404,
			"/folder": 404, "/none": 404,
			"/one/..": 400, "/one/%2e%2e": 400, "/one/.": 400, "/one/..%5Csecret": 400, "/one/a%00": 400, "/one/a%0A": 400,
		} {
			if _, err := url.ParseRequestURI(path); err != nil {
				t.Fatal(err)
			}
			if got := h.status(path); got != want {
				t.Errorf("%s: %d, want %d", path, got, want)
			}
		}
	})
}

// TestPlainRequest: what is no handshake learns how to ask, and nothing of files.
func TestPlainRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		write(t, dir, "one", nil)
		h := open(t, dir, one)
		client := &http.Client{Transport: &http.Transport{DialContext: h.network.DialContext, DisableKeepAlives: true}}
		r, err := client.Get("http://site:80/one")
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != http.StatusUpgradeRequired || r.Header.Get("Upgrade") != "websocket" {
			t.Errorf("%d %v", r.StatusCode, r.Header)
		}
		_, err = h.dial("/one/none", curlew.Options{})
		if e, ok := err.(*curlew.HandshakeError); !ok || strings.Contains(string(e.Body), dir) {
			t.Errorf("%v", err)
		}
	})
}

// TestWrongFolder: a site whose captures have no folder does not start.
func TestWrongFolder(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "plain", nil)
	for _, path := range []string{"none/${x}", "plain/${x}"} {
		s, err := config.Parse(filepath.Join(dir, "site.json5"), []byte(`{ routes: [{ match: '/{x}', handler: 'file', file: { path: '`+path+`' } }] }`))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := New(s.Routes[0], nil); err == nil || !strings.Contains(err.Error(), "site.json5:1:") {
			t.Errorf("%s: %v", path, err)
		}
	}
}
