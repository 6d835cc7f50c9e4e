package fallback

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"curlew.example/curlew/internal/handshake"
)

// notOurs are the fields of a handshake that are not for requests of a session.
var notOurs = []string{
	"Connection", "Upgrade", "Sec-Websocket-Key", "Sec-Websocket-Version", "Sec-Websocket-Extensions",
}

// begin opens a session for a handshake, and answers that.
func (t *tunnel) begin(hs *http.Request) error {
	header := hs.Header.Clone()
	for _, name := range notOurs {
		header.Del(name)
	}
	t.header = header.Clone()
	t.header.Del("Sec-Websocket-Protocol")
	if version := hs.Header["Sec-Websocket-Version"]; len(version) > 0 {
		header["Sec-Websocket-Version"] = version
	}
	u := *t.base
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	u.RawQuery = with(u.RawQuery, Param, "open")
	answer, err := t.request(t.ctx, http.MethodPost, &u, header, nil)
	if err != nil {
		return err
	}
	defer done(answer)
	if answer.StatusCode != http.StatusOK {
		t.hand(refusal(answer), 0)
		return io.EOF
	}
	var is opened
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxHead)).Decode(&is); err != nil || is.Session == "" {
		return errors.New("the answer is that of no fallback")
	}
	t.keep(answer.Cookies())
	u.RawQuery = with(t.base.RawQuery, Param, is.Session)
	t.session = &u
	if t.poll = time.Duration(is.Poll) * time.Millisecond; is.Poll <= 0 || is.Poll > maxPoll.Milliseconds() {
		t.poll = maxPoll
	}
	t.mu.Lock()
	t.window, t.open = min(max(is.Window, 1), maxWindow), true
	t.most = firstBody
	closed := t.closed
	t.mu.Unlock()
	if closed {
		t.leave()
		return net.ErrClosed
	}
	t.hand(accepted(answer, hs.Header.Get("Sec-Websocket-Key"), is.Protocol), 0)
	return nil
}

// keep adds cookies to requests, as of a proxy that finds its server again by one.
func (t *tunnel) keep(cookies []*http.Cookie) {
	all := t.header["Cookie"]
	for _, c := range cookies {
		if c.MaxAge >= 0 {
			all = append(all, c.Name+"="+c.Value)
		}
	}
	if len(all) > 0 {
		t.header["Cookie"] = []string{strings.Join(all, "; ")}
	}
}

// What a server is believed.
const (
	maxPoll   = time.Hour
	maxWindow = 1 << 20
)

// refusal is the head and the beginning of the text of an answer, as an HTTP/1.1
// server would have written it.
func refusal(answer *http.Response) []byte {
	own := *answer
	own.Proto, own.ProtoMajor, own.ProtoMinor = "HTTP/1.1", 1, 1
	own.Close, own.ContentLength, own.TransferEncoding = true, -1, nil
	own.Body = io.NopCloser(io.LimitReader(answer.Body, maxHead))
	var b bytes.Buffer
	own.Write(&b)
	return b.Bytes()
}

// accepted is the 101 that stands for an answer.
func accepted(answer *http.Response, key, protocol string) []byte {
	header := answer.Header.Clone()
	for _, name := range []string{
		"Content-Type", "Content-Length", "Transfer-Encoding", "Cache-Control", "Date", "Vary", "Sec-Websocket-Extensions",
	} {
		header.Del(name)
	}
	header.Set("Connection", "Upgrade")
	header.Set("Upgrade", "websocket")
	header.Set("Sec-Websocket-Accept", handshake.AcceptKey(key))
	if header.Del("Sec-Websocket-Protocol"); protocol != "" {
		header.Set("Sec-Websocket-Protocol", protocol)
	}
	b := bytes.NewBufferString("HTTP/1.1 101 Switching Protocols\r\n")
	header.Write(b)
	b.WriteString("\r\n")
	return b.Bytes()
}

// with puts a parameter behind a query.
func with(query, name, value string) string {
	if query != "" {
		query += "&"
	}
	return query + name + "=" + url.QueryEscape(value)
}
