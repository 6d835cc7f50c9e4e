package auth

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// A hash is what a password is stored as.
type hash interface {
	// matches takes the same time whatever the password is.
	matches(password []byte) bool

	// takes says how many processors that keeps busy, and how many KiB of memory.
	takes() (processors, memory int)

	// quick reports whether that is so little that somebody who has the file, or
	// much time, can try many passwords.
	quick() bool
}

// Bounds of what a hash may cost to check: about a second, a quarter of a GB.
const (
	maxBcrypt = 14
	maxMemory = 256 << 10 // KiB
	maxPasses = 64
	maxLanes  = 16
)

func parseHash(s string) (hash, error) {
	switch {
	case strings.HasPrefix(s, "$argon2id$"):
		return parseArgon2(s)
	case strings.HasPrefix(s, "$2"):
		cost, err := bcrypt.Cost([]byte(s))
		switch {
		case err != nil || len(s) != 60:
			return nil, errors.New("this is no bcrypt hash")
		case cost > maxBcrypt:
			return nil, fmt.Errorf("a bcrypt hash with cost %d takes too long to check; at most %d", cost, maxBcrypt)
		}
		return bcryptHash(s), nil
	}
	return nil, errors.New("neither a bcrypt nor an argon2id hash; one is made by: htpasswd -nB -C 10 NAME")
}

type bcryptHash string

// maxPassword is what bcrypt looks at.
const maxPassword = 72

func (h bcryptHash) matches(password []byte) bool {
	return bcrypt.CompareHashAndPassword([]byte(h), password[:min(len(password), maxPassword)]) == nil
}

func (bcryptHash) takes() (processors, memory int) { return 1, 4 }

func (h bcryptHash) quick() bool {
	cost, _ := bcrypt.Cost([]byte(h))
	return cost < 10
}

// An argon2Hash is "$argon2id$v=19$m=65536,t=3,p=4$salt$sum". RFC 9106.
type argon2Hash struct {
	memory, passes uint32
	lanes          uint8
	salt, sum      []byte
}

func parseArgon2(s string) (hash, error) {
	wrong := errors.New("this is no argon2id hash: $argon2id$v=19$m=65536,t=3,p=4$salt$hash")
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[2] != "v=19" {
		return nil, wrong
	}
	h := &argon2Hash{}
	n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.passes, &h.lanes)
	if err != nil || n != 3 || fmt.Sprintf("m=%d,t=%d,p=%d", h.memory, h.passes, h.lanes) != parts[3] {
		return nil, wrong
	}
	b64 := base64.RawStdEncoding.Strict()
	var err1, err2 error
	h.salt, err1 = b64.DecodeString(parts[4])
	h.sum, err2 = b64.DecodeString(parts[5])
	switch {
	case err1 != nil || err2 != nil || len(h.salt) < 8 || len(h.sum) < 16 || len(h.salt) > 64 || len(h.sum) > 64:
		return nil, wrong
	case h.passes == 0 || h.lanes == 0 || h.memory < 8*uint32(h.lanes):
		return nil, wrong
	case h.memory > maxMemory || h.passes > maxPasses || h.lanes > maxLanes || uint64(h.memory)*uint64(h.passes) > 4*maxMemory:
		return nil, fmt.Errorf("an argon2id hash with %s takes too much to check", parts[3])
	}
	return h, nil
}

func (h *argon2Hash) matches(password []byte) bool {
	sum := argon2.IDKey(password, h.salt, h.passes, h.memory, h.lanes, uint32(len(h.sum)))
	return subtle.ConstantTimeCompare(sum, h.sum) == 1
}

func (h *argon2Hash) takes() (processors, memory int) { return int(h.lanes), int(h.memory) }

func (h *argon2Hash) quick() bool { return uint64(h.memory)*uint64(h.passes) < 32<<10 }
