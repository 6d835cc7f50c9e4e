package handshake

import (
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
)

// guid is the constant of RFC 6455, 1.3.
const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// keyLen is the length of 16 bytes in base64.
const keyLen = 24

// NewKey returns a fresh Sec-WebSocket-Key: 16 random bytes in base64. Each
// attempt needs its own. RFC 6455, 4.1.
func NewKey() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return base64.StdEncoding.EncodeToString(b[:])
}

// AcceptKey returns the Sec-WebSocket-Accept that belongs to a
// Sec-WebSocket-Key. RFC 6455, 4.2.2.
func AcceptKey(key string) string {
	sum := sha1.Sum([]byte(key + guid))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// isKey: exactly 16 bytes in padded base64. Bits behind the last byte that are
// not zero are let through; no peer is harmed by them.
func isKey(s string) bool {
	if len(s) != keyLen {
		return false
	}
	var b [keyLen]byte
	n, err := base64.StdEncoding.Decode(b[:], []byte(s))
	return err == nil && n == 16
}
