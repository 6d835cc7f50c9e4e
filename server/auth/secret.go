package auth

import (
	"bytes"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// parseSecret returns the secret of a file: all its bytes, but for the line end
// behind a text. What is public is none, since whoever has it could make tokens: a
// public key in a form that is not read, or an address where keys are.
func parseSecret(file []byte) ([]byte, error) {
	if b64 := decodeAny(file); isDER(file) || isDER(b64) {
		return nil, errors.New("this is a key or a certificate, not a secret: it needs its frame, as PEM has it: -----BEGIN PUBLIC KEY-----")
	}
	for _, public := range []string{"ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-", "---- BEGIN", "http://", "https://", "<"} {
		if bytes.HasPrefix(bytes.TrimSpace(file), []byte(public)) {
			return nil, fmt.Errorf("what begins with %q is no secret; public keys are wanted as JSON Web Keys or PEM", public)
		}
	}
	if utf8.Valid(file) {
		file = bytes.TrimRight(file, "\r\n")
		if bytes.ContainsFunc(file, unicode.IsSpace) { // an error that was saved in the place of keys, perhaps
			return nil, errors.New("a text with spaces is no secret; one is made by: openssl rand -hex 32")
		}
	}
	return bytes.Clone(file), nil
}

// isDER reports whether b is a sequence of ASN.1, as keys and certificates are, or
// begins like a long one that was not copied whole. Of what is random hardly
// anything does.
func isDER(b []byte) bool {
	if bytes.HasPrefix(b, []byte{0x30, 0x82}) {
		return true
	}
	var v asn1.RawValue
	rest, err := asn1.Unmarshal(b, &v)
	return err == nil && len(rest) == 0 && v.Class == asn1.ClassUniversal && v.Tag == asn1.TagSequence && v.IsCompound
}

// decodeAny decodes base64 of either alphabet, in lines or not; nil if it is none.
func decodeAny(text []byte) []byte {
	text = bytes.Map(func(r rune) rune {
		switch r {
		case '-':
			return '+'
		case '_':
			return '/'
		case '=', ' ', '\t', '\r', '\n':
			return -1
		}
		return r
	}, text)
	b, err := base64.RawStdEncoding.DecodeString(string(text))
	if err != nil {
		return nil
	}
	return b
}
