package proxy

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/frame"
	"curlew.example/curlew/wstest"
)

// RP2: fields of the backend's 101 that a client cannot be sent are left out, or the
// answer is not taken; the backend's connection ends in both cases when the client's
// does.
func TestRP2_OddFields(t *testing.T) {
	for field, want := range map[string]int{
		"X Odd: a": 101, "X-Odd: \xff\xfe": 101, "Content-Length: 5": 101, "Keep-Alive: timeout=5": 101, "Sec-WebSocket-Odd: a": 101, "Trailer: X": 101, "X-Odd: a\r\n b": 101,
		"X-Odd: a\x01b": 502, "X-Odd: a\rb": 502, "X-Odd: a\x00b": 502, ": a": 502,
	} {
		synctest.Test(t, func(t *testing.T) {
			h := open(t, "", "")
			left := make(chan struct{})
			h.scripted(func(conn net.Conn, r *http.Request, body *bufio.Reader) {
				defer close(left)
				io.WriteString(conn, switching(r, "X-Fine: yes\r\n"+field+"\r\n"))
				conn.(*wstest.End).CloseWrite()
				io.Copy(io.Discard, body)
			})
			c := h.connect()
			io.WriteString(c, upgrade("GET /"))
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != want || want == 101 && (resp.Header.Get("X-Fine") != "yes" || resp.Header["X Odd"] != nil || resp.Header.Get("Sec-Websocket-Odd") != "") {
				t.Errorf("%q: %d %q", field, resp.StatusCode, resp.Header)
			}
			c.Close()
			<-left
		})
	}
}

// A backend that says nothing for timeouts.inactivity inside an answer is given up,
// and the client does not take what it has for the whole; a client that reads slowly
// is something else.
func TestSilenceInAnswer(t *testing.T) {
	for _, head := range []string{"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "Content-Length: 10\r\n\r\nabc", "Content-Type: text/event-stream\r\n\r\nabc"} {
		synctest.Test(t, func(t *testing.T) {
			h := open(t, "", "timeouts: { inactivity: '3 mins' }")
			left := make(chan struct{})
			h.scripted(func(conn net.Conn, _ *http.Request, body *bufio.Reader) {
				defer close(left)
				io.WriteString(conn, "HTTP/1.1 200 OK\r\n"+head)
				io.Copy(io.Discard, body)
			})
			c := h.connect()
			began := time.Now()
			io.WriteString(c, ask("GET /"))
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err == nil { // with a length nothing may have left so far
				_, err = io.Copy(io.Discard, resp.Body)
			}
			if err != io.ErrUnexpectedEOF {
				t.Errorf("%q: %v", head, err)
			}
			if d := time.Since(began); d != 3*time.Minute {
				t.Errorf("%q: after %v", head, d)
			}
			<-left
		})
	}
	synctest.Test(t, func(t *testing.T) {
		h := open(t, "", "timeouts: { inactivity: '3 mins', write: 'never' }")
		const size = 3_000_000
		h.scripted(func(conn net.Conn, _ *http.Request, _ *bufio.Reader) {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n")
			conn.Write(make([]byte, size))
		})
		c := h.connect()
		io.WriteString(c, ask("GET /"))
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if n, err := io.Copy(io.Discard, resp.Body); n != size || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
	})
}

// RFC 9110, 15.2: answers before the answer are passed on, to whom may get them, and
// do not make the wait for the answer any longer.
func TestInterimAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, "", "")
		h.scripted(func(conn net.Conn, _ *http.Request, _ *bufio.Reader) {
			io.WriteString(conn, "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		})
		if got := h.say(ask("GET /")); statuses(got) != "103 200" || !strings.Contains(got, "Link: </style.css>\r\n") || !strings.HasSuffix(got, "ok") {
			t.Errorf("%q", got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		h := open(t, "", "")
		h.scripted(func(conn net.Conn, r *http.Request, body *bufio.Reader) {
			io.WriteString(conn, "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"+switching(r, "")+"\x81\x02ok")
			io.Copy(io.Discard, body)
		})
		c := h.connect()
		io.WriteString(c, upgrade("GET /")+"\x88\x82\x00\x00\x00\x00\x03\xe8")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != 101 {
			t.Error(resp, err)
		}
		c.Close()
	})
	synctest.Test(t, func(t *testing.T) {
		h := open(t, "", "")
		h.scripted(func(conn net.Conn, _ *http.Request, _ *bufio.Reader) {
			for {
				if _, err := io.WriteString(conn, "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"); err != nil {
					break
				}
				time.Sleep(100 * time.Millisecond)
			}
		})
		began := time.Now()
		got := h.say(ask("GET /"))
		if !strings.HasSuffix(statuses(got), "103 504") {
			t.Errorf("%.300q", got)
		}
		if d := time.Since(began); d > 11*time.Second {
			t.Errorf("after %v", d)
		}
	})
}

// Codes that must not be on the wire are not passed on (RFC 6455, 7.4): who sends one
// has broken a rule.
func TestForbiddenCloseCodes(t *testing.T) {
	for _, code := range []frame.Code{0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535} {
		for _, from := range []string{"client", "backend"} {
			synctest.Test(t, func(t *testing.T) {
				h := open(t, "", "")
				client, backend, _ := h.pair(nil)
				one, other, want := client, backend, frame.Code(curlew.GoingAway)
				if from == "backend" {
					one, other, want = backend, client, curlew.InternalError
				}
				one.Send(wstest.Op(frame.Close, binary.BigEndian.AppendUint16(nil, uint16(code))))
				one.WantClose("it is told", curlew.ProtocolError, wstest.AnyReason)
				other.WantClose("from the "+from, want, wstest.AnyReason)
				other.Send(wstest.Close(want, ""))
			})
		}
	}
}

// A side that falls silent inside a frame is found out by the ping that it does not
// answer, and the other side is told.
func TestSilenceInFrame(t *testing.T) {
	for _, from := range []string{"client", "backend"} {
		synctest.Test(t, func(t *testing.T) {
			h := open(t, "", "")
			client, backend, _ := h.pair(nil)
			one, other, want := client, backend, frame.Code(curlew.GoingAway)
			if from == "backend" {
				one, other, want = backend, client, curlew.ServiceRestart
			}
			begun := time.Now()
			one.Send(wstest.Text("0123456789").Length(100)) // announced
			for {
				f := other.Next("the end")
				if f.Opcode == frame.Ping {
					other.Send(wstest.Pong(string(f.Payload)))
					continue
				}
				if got, _, _ := frame.ParseClose(f.Payload); f.Opcode != frame.Close || got != want {
					if f.Opcode == frame.Text { // as much as has come
						continue
					}
					t.Errorf("from the %s: %v, want %d", from, f, want)
				}
				break
			}
			if took := time.Since(begun); took > 40*time.Second {
				t.Errorf("from the %s: after %v", from, took)
			}
		})
	}
}
