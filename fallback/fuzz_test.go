package fallback

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A model is what a session has to be, as numbers: a byte's value is its position's.
type model struct {
	t       *testing.T
	v       *visit
	s       *session
	history strings.Builder

	acked, sent    int // towards the client
	read, received int // from the client
	closed, gone   bool
	until          time.Time // it lasts, unless it is asked for

	stream *http.Response
	from   int // of the stream
}

const modelWindow = 16

func run(from, to int) string {
	p := make([]byte, to-from)
	for i := range p {
		p[i] = byte((from + i) * 7)
	}
	return string(p)
}

func (m *model) failf(format string, args ...any) {
	m.t.Helper()
	m.t.Fatalf("%s\nbehind%s\nmodel: acked %d, sent %d, read %d, received %d, closed %v, gone %v",
		fmt.Sprintf(format, args...), m.history.String(), m.acked, m.sent, m.read, m.received, m.closed, m.gone)
}

// want compares an answer.
func (m *model) want(a *answer, status int) {
	m.t.Helper()
	if m.gone {
		status = 404
	}
	if a.status != status || a.err != nil {
		m.failf("answered %d %q, %v; want %d", a.status, a.body, a.err, status)
	}
}

// ack is that of a valid position.
func (m *model) ack(at int) {
	if m.acked = max(m.acked, at); m.closed && m.acked == m.sent {
		m.gone = true
	}
}

// end ends the stream that is open, and looks at what it has given.
func (m *model) end(to int) {
	if m.stream == nil {
		return
	}
	m.stream.Body.Close()
	b, _ := io.ReadAll(m.stream.Body)
	if want := greeting + run(m.from, to); string(b) != want && !strings.HasPrefix(want, string(b)) {
		m.failf("the stream from %d gave %q, want %q", m.from, b, want)
	}
	m.stream = nil
	synctest.Wait()
}

func (m *model) step(op, arg byte) {
	m.t.Helper()
	fmt.Fprintf(&m.history, " %d:%d", op%9, arg)
	k := int(arg % 24)
	switch op % 9 {
	case 0: // the handler writes what has room
		k = min(k, modelWindow-(m.sent-m.acked))
		if n, err := io.WriteString(m.v.conn, run(m.sent, m.sent+k)); (err == nil) != !(m.closed || m.gone) {
			m.failf("Write = %d, %v", n, err)
		} else if err == nil {
			m.sent += k
		}
	case 1: // the handler reads what there is
		if k = min(k, m.received-m.read); k > 0 && !m.closed {
			p := make([]byte, k)
			if n, err := m.v.conn.Read(p); string(p[:n]) != run(m.read, m.read+k) || err != nil {
				m.failf("Read = %q, %v", p[:n], err)
			}
			m.read += k
		}
	case 2:
		m.poll(m.acked + k - 3)
	case 3, 4:
		m.post(m.received+int(arg%5)-3, int(arg/5)%24, -1)
	case 5:
		m.post(m.received, 0, m.acked+k-3)
	case 6: // a stream
		at := m.acked + k - 3
		if at < m.acked || at > m.sent || m.gone || m.closed {
			return
		}
		m.end(m.sent)
		r, err := m.v.start("GET", fmt.Sprintf("%s?curlew=%s&at=%d&mode=stream", m.v.base, m.v.id, at), nil)
		if err != nil || r.StatusCode != 200 {
			m.failf("stream: %v, %v", r, err)
		}
		m.stream, m.from = r, at
		m.ack(at)
	case 7:
		m.v.pass(time.Duration(k) * time.Second)
		if !time.Now().Before(m.until) {
			m.gone = true
		}
	case 8:
		switch arg % 8 {
		case 0:
			m.end(m.sent)
			m.want(m.v.delete(), 204)
			m.gone = true
		case 1:
			m.end(m.sent)
			if err := m.v.conn.Close(); (err == nil) != !m.closed {
				m.failf("Close: %v", err)
			}
			if !m.closed && !m.gone {
				m.until = time.Now().Add(idleTime)
			}
			m.closed = true
			m.ack(m.acked)
		}
	}
}

// asked: the session lasts on, unless it has ended.
func (m *model) asked(at time.Time) {
	if !m.closed {
		m.until = at.Add(idleTime)
	}
}

func (m *model) poll(at int) {
	m.t.Helper()
	if at < 0 {
		return
	}
	a := m.v.get(fmt.Sprintf("at=%d&mode=poll&wait=0", at))
	switch {
	case at < m.acked || at > m.sent:
		m.want(a, 409)
	case m.closed && at == m.sent:
		m.want(a, 410)
		m.ack(at)
	case at == m.sent:
		m.want(a, 204)
		m.ack(at)
		m.end(m.sent)
		m.asked(time.Now())
	default:
		m.want(a, 200)
		m.asked(time.Now())
		if !m.gone && a.body != run(at, m.sent) {
			m.failf("poll at %d gave %q", at, a.body)
		}
		m.ack(at)
		m.end(m.sent)
	}
}

func (m *model) post(at, n, ack int) {
	m.t.Helper()
	if at < 0 || ack < -1 {
		return
	}
	query := fmt.Sprintf("at=%d", at)
	if ack >= 0 {
		query += fmt.Sprintf("&ack=%d", ack)
	}
	began := time.Now()
	a := m.v.post(query, run(at, at+n))
	switch {
	case m.gone:
		m.want(a, 404)
	case m.closed:
		m.want(a, 410)
		if ack <= m.sent {
			m.ack(ack)
		}
	case ack > m.sent, at > m.received:
		m.want(a, 409)
	case n > modelWindow:
		m.want(a, 413)
		m.ack(ack)
		m.asked(began)
	default:
		m.want(a, 204)
		m.ack(ack)
		m.asked(began)
		m.received = max(m.received, min(at+n, m.read+modelWindow))
	}
	if !m.gone && a.offset() != fmt.Sprint(m.received) {
		m.failf("the offset is %s", a.offset())
	}
}

// check looks inside.
func (m *model) check() {
	synctest.Wait()
	m.s.mu.Lock()
	defer m.s.mu.Unlock()
	if in, out := len(m.s.in), len(m.s.out); in > modelWindow || out > modelWindow ||
		!m.gone && !m.closed && (in != m.received-m.read || out != m.sent-m.acked) || m.gone && out > 0 {
		m.failf("%d bytes in, %d out", in, out)
	}
}

// FuzzSession plays with a session whatever bytes say: it does what the model does,
// and no byte is lost, doubled or out of place.
func FuzzSession(f *testing.F) {
	f.Add([]byte{2, 3, 0, 10, 2, 3, 2, 8, 3, 50, 1, 20, 5, 9, 8, 0})
	f.Add([]byte{0, 16, 6, 3, 6, 8, 3, 103, 3, 104, 1, 3, 3, 99, 8, 1, 2, 3, 2, 19})
	f.Add([]byte{2, 3, 7, 20, 7, 9, 2, 3, 7, 23, 7, 7, 2, 3})
	f.Add([]byte{6, 3, 0, 5, 0, 5, 5, 6, 0, 6, 6, 4, 2, 9, 7, 5, 3, 83, 4, 88, 1, 2, 3, 118})
	f.Fuzz(func(t *testing.T, ops []byte) {
		synctest.Test(t, func(t *testing.T) {
			h := &house{t: t, sessions: new(Sessions), base: "http://example.com/echo", logged: new(record)}
			m := &model{t: t}
			h.client = &http.Client{Transport: direct{Handler(http.HandlerFunc(h.accept), &Options{Window: modelWindow, Sessions: h.sessions})}}
			h.conns = make(chan net.Conn, 1)
			m.v = h.open()
			m.s = h.sessions.find(m.v.id)
			m.poll(0)
			for ops = ops[:min(len(ops), 200)]; len(ops) >= 2; ops = ops[2:] {
				m.step(ops[0], ops[1])
				m.check()
				if m.stream != nil { // not the 25 s that one of it lasts
					m.end(m.sent)
					m.asked(time.Now())
				}
			}
			m.v.delete()
			h.pass(time.Minute)
		})
	})
}

// FuzzTunnel gives the client whatever answers bytes make: it ends, holds no more
// than its window, and leaves nothing behind.
func FuzzTunnel(f *testing.F) {
	const ok = `{"session":"s","protocol":"","poll":25000,"window":16}`
	f.Add(ok, []byte("0curlew1\nabc\n0curlew1\ndef\n"), byte(0))
	f.Add(ok, []byte("1:ok\n\ndata:YWJj\n\n\xff1:ok\n\nid:7\ndata:?\n"), byte(1))
	f.Add(ok, []byte("0abc\xff3\xff4\xff5\xff6\xff07\xff8\xff9"), byte(2))
	f.Add(`{"session":"&\r\n","protocol":"\r\n\r\n","poll":-1,"window":-1}`, []byte("0x"), byte(3))
	f.Fuzz(func(t *testing.T, open string, answers []byte, flags byte) {
		synctest.Test(t, func(t *testing.T) {
			all := bytes.Split(answers[:min(len(answers), 5000)], []byte{0xff})
			var mu sync.Mutex
			next := func(*http.Request) *http.Response {
				mu.Lock()
				defer mu.Unlock()
				if len(all) == 0 {
					return reply(410, "", "")
				}
				p := all[0]
				all = all[1:]
				if len(p) == 0 {
					return reply(204, "", "", offsetField, "3")
				}
				kind := []string{"application/octet-stream", "text/event-stream", "text/html"}[p[0]%3]
				a := reply(int([...]int16{200, 200, 200, 204, 404, 409, 413, 500, 302, 206}[p[0]%10]), kind, string(p[1:]), offsetField, string(p[1:min(len(p), 3)]))
				if p[0]&0x40 != 0 {
					a.Body = io.NopCloser(io.MultiReader(a.Body, failing{}))
				}
				return a
			}
			s := &script{get: next, post: next, open: func(*http.Request) *http.Response { return reply(200, "", open) }}
			modes := [][]string{{"stream"}, {"sse"}, {"poll"}, nil}[flags%4]
			c := newTunnel(mustURL("http://example.com/"), &DialOptions{HTTP: s, Modes: modes})
			io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\nabc")
			if flags&4 == 0 {
				go io.Copy(io.Discard, onlyReader{c})
			}
			c.SetWriteDeadline(time.Now().Add(time.Minute))
			io.WriteString(c, strings.Repeat("x", 1000))
			<-time.After(time.Minute)
			c.mu.Lock()
			if n := len(c.in); n > c.window+pieceSize {
				t.Errorf("%d bytes wait in a window of %d", n, c.window)
			}
			c.mu.Unlock()
			c.Close()
			<-time.After(5 * time.Minute)
		})
	})
}
