package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"

	"curlew.example/curlew/frame"
)

// A batch is what a connection sends in one write, and what it expects back.
type batch struct {
	wire    []byte // depth masked frames
	opcode  frame.Opcode
	payload []byte
	depth   int
}

func newBatch(size, depth int, text bool) *batch {
	b := &batch{opcode: frame.Binary, payload: make([]byte, size), depth: depth}
	if text {
		b.opcode = frame.Text
		const sample = "Брачвогел, the curlew, 大杓鷸, говорит: ça va? "
		b.payload = bytes.Repeat([]byte(sample), size/len(sample)+1)[:size]
		// The cut may be inside a character.
		b.payload = bytes.ToValidUTF8(b.payload, []byte("."))
	} else {
		rand.Read(b.payload)
	}
	for range depth {
		h := frame.Header{Fin: true, Opcode: b.opcode, Masked: true, Length: int64(len(b.payload))}
		rand.Read(h.Key[:])
		b.wire = h.Append(b.wire)
		at := len(b.wire)
		b.wire = append(b.wire, b.payload...)
		frame.Mask(b.wire[at:], h.Key, 0)
	}
	return b
}

// A conn is one connection of the load. It holds as little as it can, so that
// ten thousand of them fit beside the server.
type conn struct {
	nc net.Conn

	// Only while replies are awaited:
	store *[]byte // from the pool
	buf   []byte  // in store: what was read and not yet looked at
}

var stores = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}

func dial(u *url.URL) (*conn, error) { return dialBy(narrow(false), u) }

func dialBy(d *net.Dialer, u *url.URL) (*conn, error) {
	nc, err := d.Dial("tcp", u.Host)
	if err != nil {
		return nil, err
	}
	raw := make([]byte, 16)
	rand.Read(raw)
	key := base64.StdEncoding.EncodeToString(raw)
	fmt.Fprintf(nc, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n", u.RequestURI(), u.Host, key)
	r := bufio.NewReaderSize(nc, 512)
	answer, err := http.ReadResponse(r, nil)
	if err != nil {
		nc.Close()
		return nil, err
	}
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	if want := base64.StdEncoding.EncodeToString(sum[:]); answer.StatusCode != 101 || answer.Header.Get("Sec-WebSocket-Accept") != want || r.Buffered() != 0 {
		nc.Close()
		return nil, fmt.Errorf("handshake: %s", answer.Status)
	}
	return &conn{nc: nc}, nil
}

// exchange sends the batch and reads the replies.
func (c *conn) exchange(b *batch) error {
	if _, err := c.nc.Write(b.wire); err != nil {
		return err
	}
	return c.replies(b)
}

// replies reads those to a batch, or what others have sent. A reply may come in
// several frames.
func (c *conn) replies(b *batch) error {
	c.store = stores.Get().(*[]byte)
	defer func() {
		stores.Put(c.store)
		c.store, c.buf = nil, nil
	}()
	for range b.depth {
		rest := b.payload
		for first := true; ; first = false {
			h, err := c.header()
			if err != nil {
				return err
			}
			want := b.opcode
			if !first {
				want = frame.Continuation
			}
			if h.Opcode != want || h.RSV != 0 || h.Masked || h.Length > int64(len(rest)) {
				return fmt.Errorf("wrong reply: %+v", h)
			}
			if err := c.compare(rest[:h.Length]); err != nil {
				return err
			}
			if rest = rest[h.Length:]; h.Fin {
				break
			}
		}
		if len(rest) != 0 {
			return fmt.Errorf("reply is %d bytes short", len(rest))
		}
	}
	if len(c.buf) != 0 {
		return fmt.Errorf("%d bytes too many", len(c.buf))
	}
	return nil
}

// answer answers pings, which it counts, until the connection ends. It takes
// nothing from the pool.
func (c *conn) answer(pings *atomic.Int64) error {
	store := make([]byte, 256)
	c.store, c.buf = &store, nil
	for {
		h, err := c.header()
		if err != nil {
			return err
		}
		if h.Opcode != frame.Ping || h.Length > 125 {
			return fmt.Errorf("not a ping: %+v", h)
		}
		for int64(len(c.buf)) < h.Length {
			if err := c.fill(); err != nil {
				return err
			}
		}
		pong := frame.Header{Fin: true, Opcode: frame.Pong, Masked: true, Length: h.Length, Key: [4]byte{1, 2, 3, 4}}
		p := append(pong.Append(nil), c.buf[:h.Length]...)
		frame.Mask(p[len(p)-int(h.Length):], pong.Key, 0)
		c.buf = c.buf[h.Length:]
		if _, err := c.nc.Write(p); err != nil {
			return err
		}
		pings.Add(1)
	}
}

// fill reads more behind what is in buf.
func (c *conn) fill() error {
	kept := copy(*c.store, c.buf)
	n, err := c.nc.Read((*c.store)[kept:])
	c.buf = (*c.store)[:kept+n]
	if n > 0 {
		return nil
	}
	return err
}

func (c *conn) header() (frame.Header, error) {
	for {
		h, n, err := frame.Parse(c.buf)
		if err != nil {
			return h, err
		}
		if n > 0 {
			c.buf = c.buf[n:]
			return h, nil
		}
		if err := c.fill(); err != nil {
			return h, err
		}
	}
}

// compare reads len(want) bytes.
func (c *conn) compare(want []byte) error {
	for len(want) > 0 {
		if len(c.buf) == 0 {
			if err := c.fill(); err != nil {
				return err
			}
		}
		n := min(len(c.buf), len(want))
		if !bytes.Equal(c.buf[:n], want[:n]) {
			return fmt.Errorf("reply differs from what was sent")
		}
		c.buf, want = c.buf[n:], want[n:]
	}
	return nil
}
