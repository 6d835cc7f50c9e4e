package server_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/chacha20poly1305"
)

// A recordWriter writes records of TLS 1.3 in the place of a client whose handshake
// is over: RFC 8446, 5.2, with the keys that the client has logged.
type recordWriter struct {
	t      *testing.T
	to     io.Writer
	suite  uint16
	secret []byte
	seq    uint64
}

func (w *recordWriter) hash() (func() hash.Hash, int) {
	if w.suite == tls.TLS_AES_256_GCM_SHA384 {
		return sha512.New384, 32
	}
	return sha256.New, map[uint16]int{tls.TLS_AES_128_GCM_SHA256: 16, tls.TLS_CHACHA20_POLY1305_SHA256: 32}[w.suite]
}

// derive is HKDF-Expand-Label, RFC 8446, 7.1.
func (w *recordWriter) derive(label string, n int) []byte {
	h, _ := w.hash()
	info := binary.BigEndian.AppendUint16(nil, uint16(n))
	info = append(info, byte(6+len(label)))
	info = append(append(info, "tls13 "+label...), 0)
	out, err := hkdf.Expand(h, w.secret, string(info), n)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// record writes one record of content type kind.
func (w *recordWriter) record(kind byte, content []byte) error {
	_, n := w.hash()
	var aead cipher.AEAD
	key, nonce := w.derive("key", n), w.derive("iv", 12)
	if w.suite == tls.TLS_CHACHA20_POLY1305_SHA256 {
		aead, _ = chacha20poly1305.New(key)
	} else {
		block, err := aes.NewCipher(key)
		if err != nil {
			w.t.Fatal(err)
		}
		aead, _ = cipher.NewGCM(block)
	}
	for i := range 8 {
		nonce[4+i] ^= byte(w.seq >> (56 - 8*i))
	}
	w.seq++
	plain := append(append([]byte(nil), content...), kind)
	head := []byte{23, 3, 3, 0, 0}
	binary.BigEndian.PutUint16(head[3:], uint16(len(plain)+aead.Overhead()))
	_, err := w.to.Write(aead.Seal(head, nonce, plain, head))
	return err
}

const (
	handshakeRecord   = 22
	applicationRecord = 23
)

// update sends n KeyUpdates in one record; only one is right (RFC 8446, 5.1). Each
// asks for one of the other side's, if asking.
func (w *recordWriter) update(n int, asking byte) error {
	var messages []byte
	for range n {
		messages = append(messages, 24, 0, 0, 1, asking)
	}
	err := w.record(handshakeRecord, messages)
	h, _ := w.hash()
	w.secret, w.seq = w.derive("traffic upd", h().Size()), 0
	return err
}

// raw opens a connection by TLS 1.3 and takes over what its client would write.
func (r *running) raw(t *testing.T) (*tls.Conn, *recordWriter) {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(r.first, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	log := new(strings.Builder)
	s := tls.Client(c, &tls.Config{RootCAs: r.roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS13, KeyLogWriter: log})
	if err := s.Handshake(); err != nil {
		t.Fatal(err)
	}
	w := &recordWriter{t: t, to: c, suite: s.ConnectionState().CipherSuite}
	for line := range strings.Lines(log.String()) {
		if f := strings.Fields(line); f[0] == "CLIENT_TRAFFIC_SECRET_0" {
			w.secret, _ = hex.DecodeString(f[2])
		}
	}
	if w.secret == nil {
		t.Fatalf("no secret in\n%s", log)
	}
	return s, w
}

// TL2: a change of keys is followed; many at once, or many that say nothing else,
// end the connection, and others are served.
func TestTL2_KeyUpdates(t *testing.T) {
	t.Parallel()
	r := start(t, `{ @tls, routes: [{ handler: 'respond', respond: { body: 'hello' } }] }`, nil)
	for name, c := range map[string]struct {
		do func(w *recordWriter) error
		ok bool
	}{
		"none": {func(*recordWriter) error { return nil }, true},
		"one":  {func(w *recordWriter) error { return w.update(1, 0) }, true},
		"two, each asking": {func(w *recordWriter) error {
			w.update(1, 1)
			return w.update(1, 1)
		}, true},
		"two in one record":         {func(w *recordWriter) error { return w.update(2, 0) }, false},
		"a thousand in one record":  {func(w *recordWriter) error { return w.update(1000, 1) }, false},
		"a KeyUpdate of 16 MB":      {func(w *recordWriter) error { return w.record(handshakeRecord, []byte{24, 255, 255, 255, 1}) }, false},
		"one that asks for what is": {func(w *recordWriter) error { return w.update(1, 7) }, false},
		"a hundred thousand, asking": {func(w *recordWriter) error {
			for range 100_000 {
				if err := w.update(1, 1); err != nil {
					return nil // it has had enough
				}
			}
			return io.ErrNoProgress
		}, false},
	} {
		s, w := r.raw(t)
		if err := c.do(w); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		w.record(applicationRecord, []byte(get))
		s.SetReadDeadline(time.Now().Add(time.Minute))
		b, _ := io.ReadAll(s)
		if got := strings.HasPrefix(string(b), "HTTP/1.1 200 ") && strings.HasSuffix(string(b), "hello"); got != c.ok {
			t.Errorf("%s: %.60q", name, b)
		}
		s.NetConn().Close()
		if got := codes(r.say(get)); got != "200" {
			t.Errorf("after %s: %s", name, got)
		}
	}
}
