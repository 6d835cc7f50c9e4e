package wstest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/frame"
)

// A Peer is the other side of a connection under test, played by the test frame
// by frame. It does nothing by itself: it reads only to see what a Want asks
// for and it answers neither pings nor closes, so that a test is a transcript of
// all that is said. What is not as wanted ends the test, with everything that
// was said so far.
//
// A Peer belongs to the goroutine of its test.
type Peer struct {
	t    testing.TB
	conn net.Conn
	role curlew.Role

	// Patience is how long one Send or Want may take: 10 s, in a bubble of
	// testing/synctest a day of its time.
	Patience time.Duration

	chunk []byte // what Reads read into
	in    []byte // received and not yet looked at
	end   error  // how reading ended
	key   uint32 // the next masking key
	pings int    // barriers sent
	log   []string
}

// NewPeer returns a Peer on its end of a stream whose other end the connection
// under test has. role is the side that the Peer plays: the other one. The end
// is closed when the test is over.
func NewPeer(t testing.TB, end net.Conn, role curlew.Role) *Peer {
	t.Cleanup(func() { end.Close() })
	p := &Peer{t: t, conn: end, role: role, key: 0x5eed0001, chunk: make([]byte, 16<<10), Patience: 10 * time.Second}
	if inBubble() {
		p.Patience = 24 * time.Hour
	}
	return p
}

// inBubble reports whether the time is that of testing/synctest, which begins
// with the year 2000.
func inBubble() bool { return time.Now().Year() < 2010 }

// Send sends frames, in one piece.
func (p *Peer) Send(frames ...Frame) {
	p.t.Helper()
	var b []byte
	for _, f := range frames {
		var key [4]byte
		binary.BigEndian.PutUint32(key[:], p.key)
		p.key = p.key*1664525 + 1013904223
		b = f.Append(b, p.role == curlew.Client, key)
		p.note("send", f.String())
	}
	p.conn.SetWriteDeadline(time.Now().Add(p.Patience))
	if _, err := p.conn.Write(b); err != nil {
		p.fail("sending", "could not send: %v", err)
	}
}

// Want reads the next frames and compares them, masks aside. That the masking
// is right for the side of the connection under test is checked too.
func (p *Peer) Want(why string, frames ...Frame) {
	p.t.Helper()
	for _, want := range frames {
		got, err := p.read()
		if err != nil {
			p.fail(why, "want %v\n got %v", want, err)
		}
		if !want.same(got) {
			p.fail(why, "want %v\n got %v%s", want, got, difference(want.Payload, got.Payload))
		}
	}
}

// Next reads the next frame, whatever it is.
func (p *Peer) Next(why string) Frame {
	p.t.Helper()
	got, err := p.read()
	if err != nil {
		p.fail(why, "want a frame\n got %v", err)
	}
	return got
}

// WantMessage reads one message, in any number of fragments and not compressed,
// and compares it.
func (p *Peer) WantMessage(why string, t curlew.Type, payload []byte) {
	p.t.Helper()
	want := Op(frame.Opcode(t), payload)
	got := p.Next(why)
	for last := got.Fin; !last; {
		f := p.Next(why)
		if f.Opcode != frame.Continuation || f.RSV != 0 {
			p.fail(why, "want a continuation\n got %v", f)
		}
		got.Payload = append(got.Payload, f.Payload...)
		last = f.Fin
	}
	got.Fin = true
	if !want.same(got) {
		p.fail(why, "want %v\n got %v%s", want, got, difference(want.Payload, got.Payload))
	}
}

// WantClose reads the next frame, which is to be a Close with this code and
// reason; frame.NoStatus is an empty one. AnyReason stands for every reason.
func (p *Peer) WantClose(why string, code frame.Code, reason string) {
	p.t.Helper()
	want := Close(code, reason)
	got, err := p.read()
	if err != nil {
		p.fail(why, "want %v\n got %v", want, err)
	}
	if reason == AnyReason && got.Opcode == frame.Close && got.Fin && got.RSV == 0 {
		c, _, bad := frame.ParseClose(got.Payload)
		if bad != nil || c != code {
			p.fail(why, "want close %d with any reason\n got %v", uint16(code), got)
		}
		return
	}
	if !want.same(got) {
		p.fail(why, "want %v\n got %v", want, got)
	}
}

// AnyReason, given to WantClose, is every reason.
const AnyReason = "\x00any reason"

// WantIdle makes sure that nothing more is said for now. In a bubble of
// testing/synctest it waits until everything in it waits. Outside it sends a
// ping and wants nothing before the pong, so the connection must be open and
// read.
func (p *Peer) WantIdle(why string) {
	p.t.Helper()
	if !inBubble() {
		p.pings++
		mark := fmt.Sprintf("wstest %d", p.pings)
		p.Send(Ping(mark))
		p.Want(why, Pong(mark))
		return
	}
	synctest.Wait()
	if e, ok := p.conn.(*End); ok && e.Unread() == 0 && len(p.in) == 0 {
		return
	}
	// What has arrived can be read before a deadline however near.
	patience := p.Patience
	p.Patience = 1
	got, err := p.read()
	p.Patience = patience
	switch {
	case err == nil:
		p.fail(why, "want nothing\n got %v", got)
	case !errors.Is(err, os.ErrDeadlineExceeded):
		p.fail(why, "want nothing\n got %v", err)
	case len(p.in) > 0:
		p.fail(why, "want nothing\n got the beginning of a frame: %s", brief(p.in))
	}
}

// WantEOF makes sure that the stream has ended in order, after all that was
// wanted before.
func (p *Peer) WantEOF(why string) {
	p.t.Helper()
	p.wantEnd(why, "the end of the stream", func(err error) bool { return err == io.EOF })
}

// WantReset makes sure that the stream was reset.
func (p *Peer) WantReset(why string) {
	p.t.Helper()
	p.wantEnd(why, "a reset", func(err error) bool {
		return err != io.EOF && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, net.ErrClosed)
	})
}

func (p *Peer) wantEnd(why, what string, ok func(error) bool) {
	p.t.Helper()
	got, err := p.read()
	if err == nil {
		p.fail(why, "want %s\n got %v", what, got)
	}
	if !ok(err) {
		p.fail(why, "want %s\n got %v", what, err)
	}
	if len(p.in) > 0 {
		p.fail(why, "want %s\n got the beginning of a frame before: %s", what, brief(p.in))
	}
}

// CloseWrite ends the stream from the Peer's side and goes on reading.
func (p *Peer) CloseWrite() {
	p.t.Helper()
	c, ok := p.conn.(interface{ CloseWrite() error })
	if !ok {
		p.fail("closing", "a %T cannot be closed in one direction", p.conn)
	}
	p.note("send", "end of stream")
	if err := c.CloseWrite(); err != nil {
		p.fail("closing", "%v", err)
	}
}

// Close ends the stream. A Conn under test that reads sees its end.
func (p *Peer) Close() {
	p.note("send", "end of stream, both ways")
	p.conn.Close()
}

// Conn returns the end that the Peer was made with, to set faults.
func (p *Peer) Conn() net.Conn { return p.conn }

// read returns the next frame, unmasked.
func (p *Peer) read() (Frame, error) {
	p.conn.SetReadDeadline(time.Now().Add(p.Patience))
	for {
		f, ok, err := p.parse()
		if ok || err != nil {
			if ok {
				p.note("got ", f.String())
			}
			return f, err
		}
		if p.end != nil {
			return Frame{}, p.end
		}
		n, err := p.conn.Read(p.chunk)
		p.in = append(p.in, p.chunk[:n]...)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			p.end = err
			p.note("got ", "end of stream: "+err.Error())
		} else if err != nil {
			return Frame{}, err
		}
	}
}

func (p *Peer) parse() (f Frame, ok bool, err error) {
	h, n, err := frame.Parse(p.in)
	if err != nil {
		return f, false, fmt.Errorf("a broken frame: %w", err)
	}
	if n == 0 || int64(len(p.in)-n) < h.Length {
		return f, false, nil
	}
	payload := append([]byte(nil), p.in[n:n+int(h.Length)]...)
	p.in = p.in[n+int(h.Length):]
	f = Frame{Fin: h.Fin, RSV: h.RSV, Opcode: h.Opcode, Payload: payload}
	if h.Masked {
		frame.Mask(payload, h.Key, 0)
		f.key, f.keyed = h.Key, true
	}
	// RFC 6455, 5.1.
	if h.Masked != (p.role == curlew.Server) {
		f.mask = maskOff
		if h.Masked {
			f.mask = maskOn
		}
		return f, false, fmt.Errorf("%v, which is masked or not as the other side would", f)
	}
	return f, true, nil
}

func (p *Peer) note(who, what string) { p.log = append(p.log, who+" "+what) }

// keepLog is how much of what was said a failure shows.
const keepLog = 20

func (p *Peer) fail(why, format string, args ...any) {
	p.t.Helper()
	log := p.log
	more := ""
	if len(log) > keepLog {
		more = fmt.Sprintf("\n  ... %d before", len(log)-keepLog)
		log = log[len(log)-keepLog:]
	}
	said := "\n  nothing"
	if len(log) > 0 {
		said = more + "\n  " + strings.Join(log, "\n  ")
	}
	p.t.Fatalf("%s:\n%s\nwhat was said:%s", why, fmt.Sprintf(format, args...), said)
}

// difference says where two long payloads part.
func difference(want, got []byte) string {
	if len(want) <= briefLen && len(got) <= briefLen {
		return ""
	}
	i := 0
	for i < len(want) && i < len(got) && want[i] == got[i] {
		i++
	}
	if i == len(want) && i == len(got) {
		return ""
	}
	return fmt.Sprintf("\nthe payloads part at byte %d", i)
}
