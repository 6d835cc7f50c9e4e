package conform

import (
	"encoding/base64"
	mathbits "math/bits"
	"sync"
)

// A keyring remembers what a client sent as Sec-WebSocket-Key.
type keyring struct {
	mu          sync.Mutex // guards the following
	seen        map[string]bool
	twice       bool
	ones, zeros [16]byte // bits that were ever so
}

const (
	maxKeys    = 10000 // that are remembered
	enoughKeys = 32    // after which no random bit has always been the same
)

// add notes the key of a connection. One that is none is a case's business.
func (k *keyring) add(key string) {
	p, err := base64.StdEncoding.DecodeString(key)
	if err != nil || len(p) != 16 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.seen == nil {
		k.seen = make(map[string]bool)
	}
	if k.twice = k.twice || k.seen[key]; len(k.seen) < maxKeys {
		k.seen[key] = true
	}
	for i, b := range p {
		k.ones[i] |= b
		k.zeros[i] |= ^b
	}
}

// repeated reports whether a key was used on two connections.
func (k *keyring) repeated() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.twice
}

// stuck is how many bits were the same on all connections, if there were enough of
// them.
func (k *keyring) stuck() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := 0
	if len(k.seen) >= enoughKeys {
		for i := range k.ones {
			n += 8 - mathbits.OnesCount8(k.ones[i]&k.zeros[i])
		}
	}
	return n
}
