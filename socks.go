package curlew

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"strconv"
)

// socks asks a SOCKS5 proxy on conn for a connection. Names are resolved by the
// proxy. It reads not a byte more than the answers, whose lengths are at most
// one byte's worth. RFC 1928; user and password as in RFC 1929.
func socks(conn io.ReadWriter, user *url.Userinfo, host, port string) error {
	const (
		version         = 5
		noAuth          = 0
		withPassword    = 2
		commandConnect  = 1
		passwordVersion = 1
	)
	greeting := []byte{version, 1, noAuth}
	if user != nil {
		greeting = []byte{version, 2, noAuth, withPassword}
	}
	target, err := socksAddress(host, port)
	if err != nil {
		return err
	}
	var answer [2]byte
	if err := ask(conn, greeting, answer[:]); err != nil {
		return err
	}
	switch {
	case answer[0] != version:
		return errors.New("not one, by its answer (RFC 1928, 3)")
	case answer[1] == withPassword && user != nil:
		name, secret := user.Username(), ""
		secret, _ = user.Password()
		if len(name) == 0 || len(name) > 255 || len(secret) > 255 {
			return errors.New("user or password is empty or longer than 255 bytes (RFC 1929, 2)")
		}
		m := append([]byte{passwordVersion, byte(len(name))}, name...)
		m = append(append(m, byte(len(secret))), secret...)
		if err := ask(conn, m, answer[:]); err != nil {
			return err
		}
		if answer[0] != passwordVersion || answer[1] != 0 {
			return errors.New("user or password is wrong (RFC 1929, 2)")
		}
	case answer[1] != noAuth:
		return errors.New("wants another kind of credentials (RFC 1928, 3)")
	}
	var reply [4]byte // version, reply, reserved, kind of address
	if err := ask(conn, append([]byte{version, commandConnect, 0}, target...), reply[:]); err != nil {
		return err
	}
	if reply[0] != version {
		return errors.New("malformed reply (RFC 1928, 6)")
	}
	if reply[1] != 0 {
		return fmt.Errorf("refused: %s (RFC 1928, 6)", socksReply(reply[1]))
	}
	return skipSocksAddress(conn, reply[3])
}

// ask sends m and reads an answer of a known length.
func ask(conn io.ReadWriter, m, answer []byte) error {
	if _, err := conn.Write(m); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, answer)
	return err
}

// The kinds of addresses. RFC 1928, 5.
const (
	socksIPv4 = 1
	socksName = 3
	socksIPv6 = 4
)

func socksAddress(host, port string) ([]byte, error) {
	var b []byte
	if a, err := netip.ParseAddr(host); err == nil && a.Is4() {
		b = append([]byte{socksIPv4}, a.AsSlice()...)
	} else if err == nil {
		b = append([]byte{socksIPv6}, a.AsSlice()...)
	} else if len(host) > 255 {
		return nil, errors.New("host name longer than 255 bytes (RFC 1928, 5)")
	} else {
		b = append([]byte{socksName, byte(len(host))}, host...)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return append(b, byte(n>>8), byte(n)), err
}

// skipSocksAddress reads the address that the proxy is bound to, and its port.
func skipSocksAddress(r io.Reader, kind byte) error {
	var b [255 + 2]byte
	n := 0
	switch kind {
	case socksIPv4:
		n = 4
	case socksIPv6:
		n = 16
	case socksName:
		if _, err := io.ReadFull(r, b[:1]); err != nil {
			return err
		}
		n = int(b[0])
	default:
		return errors.New("malformed reply (RFC 1928, 6)")
	}
	_, err := io.ReadFull(r, b[:n+2])
	return err
}

// socksReply: RFC 1928, 6.
func socksReply(code byte) string {
	switch code {
	case 1:
		return "general failure"
	case 2:
		return "not allowed by its rules"
	case 3:
		return "network unreachable"
	case 4:
		return "host unreachable"
	case 5:
		return "connection refused"
	case 6:
		return "time to live expired"
	case 7:
		return "command not supported"
	case 8:
		return "kind of address not supported"
	}
	return "reply " + strconv.Itoa(int(code))
}
