package curlew_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/frame"
)

var churnConns = flag.Int("churn", 300, "connections of TestEngineChurn")

// TestEngineChurn plays at random, over TCP, what ends connections of the engine and
// what they wait for: peers that do not read, that send piece by piece, that end
// politely, half or with a reset; callbacks that pause, block, write, abort, panic or
// end their goroutine. Callbacks come one at a time; messages come whole, once and in
// order, both ways; each Close comes, once and last; and no descriptor is left.
func TestEngineChurn(t *testing.T) {
	seed := *stressSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-seed=%d", seed)
	before := descriptors()
	x := &churn{t: t, seed: seed, of: map[string]*churned{}}
	o := &curlew.Options{
		PingInterval: 5 * time.Millisecond, RequestTimeout: 200 * time.Millisecond, InactivityTimeout: 100 * time.Millisecond,
		WriteTimeout: 50 * time.Millisecond, CloseTimeout: 30 * time.Millisecond,
		SendQueue: 300_000, WhenFull: curlew.WhenFullDropNewest,
	}
	b := build(t, tcpHouse, curlew.Handle(o, func(r *http.Request) (*curlew.Events, error) { return x.get(r.URL.Path).events(), nil }), nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(*churnConns) && !t.Failed(); i = next.Add(1) {
				x.get(fmt.Sprintf("/%d", i)).play(b.addr)
			}
		})
	}
	wg.Wait()
	b.srv.Close()
	until(t, "all descriptors are closed", func() bool { return descriptors() <= before })
}

type churn struct {
	t    *testing.T
	seed uint64

	mu sync.Mutex
	of map[string]*churned
}

// get returns what is known of a connection, by the path of its request.
func (x *churn) get(path string) *churned {
	x.mu.Lock()
	defer x.mu.Unlock()
	k := x.of[path]
	if k == nil {
		k = &churned{x: x, t: x.t, path: path, closed: make(chan struct{})}
		x.of[path] = k
	}
	return k
}

// churned is one connection.
type churned struct {
	x      *churn
	t      *testing.T
	path   string
	rng    *rand.Rand // of callbacks
	in     atomic.Int32
	opened bool   // owned by callbacks, as is
	next   uint32 // the number of the message that must come next
	over   bool
	closed chan struct{} // Close was called
}

// random returns numbers for the side of a connection.
func (k *churned) random(side uint64) *rand.Rand {
	var n uint64
	fmt.Sscanf(k.path, "/%d", &n)
	return rand.New(rand.NewPCG(k.x.seed, n<<2|side))
}

// numbered is the message number n.
func numbered(n uint32, size int) []byte {
	return append(binary.BigEndian.AppendUint32(nil, n), bytes.Repeat([]byte{byte(n)}, size)...)
}

// number is that of a message, which must be whole.
func (k *churned) number(p []byte) uint32 {
	if len(p) < 4 {
		k.t.Errorf("%s: a message of %d bytes", k.path, len(p))
		return 0
	}
	n := binary.BigEndian.Uint32(p)
	for i, b := range p[4:] {
		if b != byte(n) {
			k.t.Errorf("%s: byte %d of message %d is %d", k.path, i, n, b)
			break
		}
	}
	return n
}

// callback checks that callbacks come one at a time, between the first and the last.
func (k *churned) callback(what string) (leave func()) {
	if k.in.Add(1) != 1 {
		k.t.Errorf("%s: two callbacks at once, one is %s", k.path, what)
	}
	if k.opened == (what == "Open") || k.over {
		k.t.Errorf("%s: %s, opened: %t, over: %t", k.path, what, k.opened, k.over)
	}
	return func() { k.in.Add(-1) }
}

func (k *churned) events() *curlew.Events {
	k.rng = k.random(0)
	return &curlew.Events{
		Open: func(c *curlew.Conn) {
			defer k.callback("Open")()
			k.opened = true
			k.act(c, k.rng.IntN(300))
		},
		Message: func(c *curlew.Conn, typ curlew.Type, p []byte) {
			defer k.callback("Message")()
			if n := k.number(p); n != k.next {
				k.t.Errorf("%s: message %d, want %d", k.path, n, k.next)
			}
			k.next++
			c.Send(typ, p)
			k.act(c, k.rng.IntN(300))
		},
		Writable: func(c *curlew.Conn) {
			defer k.callback("Writable")()
			k.act(c, k.rng.IntN(300))
		},
		Error: func(c *curlew.Conn, err error) { defer k.callback("Error")(); k.act(c, k.rng.IntN(30)) },
		Close: func(c *curlew.Conn, e *curlew.CloseError) {
			defer k.callback("Close")()
			k.over = true
			close(k.closed)
			k.act(c, k.rng.IntN(30))
		},
	}
}

// act is what a callback does besides: mostly nothing.
func (k *churned) act(c *curlew.Conn, what int) {
	switch what {
	case 0:
		c.Abort(nil)
	case 1:
		go c.Abort(nil)
	case 2:
		c.Close(1000, "")
	case 3:
		go c.Close(1000, "")
	case 4:
		panic(http.ErrAbortHandler)
	case 5:
		runtime.Goexit()
	case 6:
		<-time.After(time.Duration(k.rng.IntN(25)) * time.Millisecond) // so that others take over
	case 7:
		c.Ping(context.Background())
	case 8, 9, 10:
		c.Pause()
		go func() { runtime.Gosched(); c.Resume() }()
	case 11, 12:
		c.Pause()
		time.AfterFunc(5*time.Millisecond, c.Resume)
	case 13:
		c.Pause() // until the end
	case 14, 15:
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(k.rng.IntN(3000))*time.Microsecond)
		c.Write(ctx, curlew.Text, []byte("written"))
		cancel()
	case 16:
		go c.Write(context.Background(), curlew.Text, []byte("written"))
	case 17, 18:
		if w, err := c.Writer(context.Background(), curlew.Text); err == nil {
			w.TryWrite(bytes.Repeat([]byte("w"), k.rng.IntN(400_000)))
			w.Close()
		}
	}
}

// A deaf stream sends nothing: what is sent is up to the test.
type deaf struct {
	net.Conn
	r *bufio.Reader
}

func (d deaf) Read(p []byte) (int, error)  { return d.r.Read(p) }
func (d deaf) Write(p []byte) (int, error) { return len(p), nil }

// play is the other side.
func (k *churned) play(addr string) {
	rng := k.random(1)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		k.t.Error(err)
		return
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", k.path)
	r := bufio.NewReader(conn)
	if _, err := http.ReadResponse(r, nil); err != nil { // WriteTimeout: it is a connection all the same
		wait(k.t, k.path+": Close", k.closed)
		return
	}
	var reading sync.WaitGroup
	if rng.IntN(4) > 0 {
		most := rng.IntN(200)
		reading.Go(func() { k.read(deaf{conn, r}, most) })
	}
	k.send(conn, rng)
	switch tcp := conn.(*net.TCPConn); rng.IntN(6) {
	case 0:
		conn.Close()
	case 1:
		tcp.SetLinger(0)
		conn.Close()
	case 2:
		tcp.CloseWrite()
	case 3:
		conn.Write(frame.Header{Fin: true, Opcode: frame.Close, Masked: true}.Append(nil))
	}
	wait(k.t, k.path+": Close", k.closed)
	conn.Close()
	reading.Wait()
}

// read reads so many messages at most, and then no more.
func (k *churned) read(s deaf, most int) {
	c := curlew.NewConn(s, curlew.Client, &curlew.Options{PingInterval: -1, CloseTimeout: time.Millisecond})
	defer c.Abort(nil)
	last := int64(-1)
	for range most {
		typ, p, err := c.Read(context.Background(), nil)
		if err != nil {
			return
		}
		if typ == curlew.Text {
			continue
		}
		if n := int64(k.number(p)); n <= last {
			k.t.Errorf("%s: answer %d after %d", k.path, n, last)
		} else {
			last = n
		}
	}
	<-k.closed
}

// send sends messages in pieces of any size.
func (k *churned) send(conn net.Conn, rng *rand.Rand) {
	conn.SetWriteDeadline(time.Now().Add(time.Minute)) // only so that a bug ends
	var b []byte
	for n := range uint32(rng.IntN(100)) {
		size := rng.IntN(300)
		if rng.IntN(20) == 0 {
			size = rng.IntN(200_000)
		}
		p := numbered(n, size)
		b = append(frame.Header{Fin: true, Opcode: frame.Binary, Masked: true, Length: int64(len(p))}.Append(b), p...)
		if rng.IntN(10) == 0 {
			b = frame.Header{Fin: true, Opcode: frame.Ping, Masked: true}.Append(b)
		}
		for len(b) > 0 && rng.IntN(3) > 0 {
			m := 1 + rng.IntN(min(len(b), 70_000))
			if _, err := conn.Write(b[:m]); err != nil {
				return
			}
			b = b[m:]
		}
	}
	io.Copy(conn, bytes.NewReader(b))
}
