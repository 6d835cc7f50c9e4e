package auth

import (
	"crypto/sha256"
	"encoding/binary"
	"net/http"
	"slices"
)

// Credentials returns a digest of what a request carries to say who makes it, and
// whether that is anything: the same digest for the same, whether it is right or
// not. It costs next to nothing and leaves the request as it is.
func (g *Guard) Credentials(r *http.Request) (d Digest, any bool) {
	return digestOf(r, g.from, g.basic != nil, g.salt)
}

// Credentials is that of Guard.
func (t *Tokens) Credentials(r *http.Request) (d Digest, any bool) {
	return digestOf(r, t.from, false, t.salt)
}

func digestOf(r *http.Request, from []source, basic bool, salt [16]byte) (d Digest, any bool) {
	r = r.Clone(r.Context())
	tokens, lines := take(r, from), r.Header["Authorization"]
	any = len(tokens) > 0 || basic && slices.ContainsFunc(lines, isBasic)
	if !any {
		return d, false
	}
	h := sha256.New()
	h.Write(salt[:])
	for _, list := range [][]string{tokens, lines} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(list))))
		for _, s := range list {
			h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(s))))
			h.Write([]byte(s))
		}
	}
	h.Sum(d[:0])
	return d, true
}

// A Digest is of credentials. Nobody can turn it back.
type Digest [sha256.Size]byte
