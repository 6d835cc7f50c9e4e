// Command gobwas echoes with github.com/gobwas/ws, in one of the two ways that
// its README shows: by the functions of wsutil that do everything, without
// compression, or, with -deflate, by wsutil's Reader and Writer and wsflate.
package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
	"github.com/gobwas/ws/wsutil"

	"curlew.example/curlew/bench/internal/peer"
)

func main() {
	wsutil.SetMaxMessageSize(peer.MaxMessage)
	peer.Main(func(o *peer.Options) *peer.Peer {
		deflate := o.Deflate != "" // without takeover; it has no other
		return &peer.Peer{
			Serve: func(addr string) error { return serve(addr, deflate) },
			Dial:  func(url string, message func([]byte) bool) error { return dial(url, deflate, message) },
		}
	})
}

func serve(addr string, deflate bool) error {
	always := func([]byte) bool { return true }
	return http.ListenAndServe(addr, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var u ws.HTTPUpgrader
		e := wsflate.Extension{Parameters: wsflate.DefaultParameters}
		if deflate {
			u.Negotiate = e.Negotiate
		}
		c, _, _, err := u.Upgrade(r, w)
		if err != nil {
			return
		}
		go func() {
			if _, ok := e.Accepted(); ok {
				echoDeflated(c, ws.StateServerSide, always)
			} else {
				echo(c, ws.StateServerSide, always)
			}
		}()
	}))
}

func dial(url string, deflate bool, message func([]byte) bool) error {
	var d ws.Dialer
	if deflate {
		d.Extensions = append(d.Extensions, wsflate.DefaultParameters.Option())
	}
	c, rest, shake, err := d.Dial(context.Background(), url)
	if err != nil {
		return err
	}
	if rest != nil { // what came right behind the answer
		c = &ahead{c, rest}
	}
	for _, e := range shake.Extensions {
		if string(e.Name) == wsflate.ExtensionName {
			echoDeflated(c, ws.StateClientSide, message)
			return nil
		}
	}
	echo(c, ws.StateClientSide, message)
	return nil
}

// ahead is a connection of which something was read already.
type ahead struct {
	net.Conn
	r *bufio.Reader
}

func (a *ahead) Read(p []byte) (int, error) { return a.r.Read(p) }

func echo(c net.Conn, state ws.State, message func([]byte) bool) {
	defer c.Close()
	for {
		p, op, err := wsutil.ReadData(c, state)
		if err != nil {
			return
		}
		if message(p) && wsutil.WriteMessage(c, state, op, p) != nil {
			return
		}
	}
}

func echoDeflated(c net.Conn, state ws.State, message func([]byte) bool) {
	defer c.Close()
	var m wsflate.MessageState
	state |= ws.StateExtended
	control := wsutil.ControlFrameHandler(c, state)
	rd := &wsutil.Reader{
		Source: c, State: state, OnIntermediate: control, MaxMessageSize: peer.MaxMessage,
		Extensions: []wsutil.RecvExtension{&m},
	}
	wr := wsutil.NewWriter(c, state, 0)
	wr.SetExtensions(&m)
	inflater := wsflate.NewReader(nil, wsflate.DefaultHelper.Decompressor)
	deflater := wsflate.NewWriter(nil, wsflate.DefaultHelper.Compressor)
	for {
		h, err := rd.NextFrame()
		if err != nil {
			return
		}
		if h.OpCode.IsControl() {
			if control(h, rd) != nil {
				return
			}
			continue
		}
		p, err := whole(rd, inflater, m.IsCompressed(), h.OpCode == ws.OpText)
		if err != nil {
			return
		}
		if !message(p) {
			continue
		}
		wr.ResetOp(h.OpCode)
		if m.IsCompressed() {
			deflater.Reset(wr)
			if _, err = deflater.Write(p); err == nil {
				err = deflater.Close()
			}
		} else {
			_, err = wr.Write(p)
		}
		if err != nil || wr.Flush() != nil {
			return
		}
	}
}

// whole reads a message to its end. The Reader's own check of UTF-8 would see
// what is compressed.
func whole(src io.Reader, inflater *wsflate.Reader, compressed, text bool) ([]byte, error) {
	if compressed {
		inflater.Reset(src)
		src = inflater
	}
	if !text {
		return io.ReadAll(src)
	}
	u := wsutil.NewUTF8Reader(src)
	p, err := io.ReadAll(u)
	if err == nil && !u.Valid() {
		err = wsutil.ErrInvalidUTF8
	}
	return p, err
}
