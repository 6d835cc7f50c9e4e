package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"
)

// known are the passwords that were right a while ago, as digests that nobody can
// turn back.
type known struct {
	key []byte // of the digests

	mu    sync.Mutex
	until map[digest]time.Time
}

// A digest is of a name, a password and the account that they are right for.
type digest [sha256.Size]byte

const (
	knownFor = 5 * time.Minute
	maxKnown = 4096
)

func newKnown() *known {
	k := &known{key: make([]byte, sha256.Size), until: make(map[digest]time.Time)}
	rand.Read(k.key)
	return k
}

// digest is of everything that decides, each with its length in front. The hash
// that a file has for the account is part of it: a new password makes another one.
func (k *known) digest(name, password string, a *account) (d digest) {
	m := hmac.New(sha256.New, k.key)
	for _, s := range []string{name, password, a.name, a.text} {
		m.Write(binary.BigEndian.AppendUint64(nil, uint64(len(s))))
		m.Write([]byte(s))
	}
	m.Sum(d[:0])
	return d
}

func (k *known) has(d digest, now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return now.Before(k.until[d])
}

// add remembers d. If there are too many some of them are forgotten: those whose time
// is over, and a few more.
func (k *known) add(d digest, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.until) >= maxKnown {
		more := maxKnown / 16
		for old, until := range k.until {
			if more--; more >= 0 || !now.Before(until) {
				delete(k.until, old)
			}
		}
	}
	k.until[d] = now.Add(knownFor)
}
