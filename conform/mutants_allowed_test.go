//go:build !race && !invariants

package conform

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"curlew.example/curlew"
)

// allowedMutants are peers that are not as ours is and nevertheless right: no case
// blames them, the guards among them.
func allowedMutants() []mutant {
	return []mutant{
		{name: "targets with a query are unknown", guards: "8.5.1 8.5.2", roles: ForServers,
			allowed: "RFC 9110, 15.5.5: what there is at a target is the server's business",
			damage: onlyIf(func(_ *middle, h *head) bool {
				w := h.words()
				return !strings.Contains(w[1], "?") || strings.Contains(w[1], "://")
			})},
		{name: "subprotocols are refused", guards: "8.24", roles: ForServers,
			allowed: "RFC 6455, 1.9: a client that asks for one is answered with one, or not connected",
			damage:  onlyIf(func(_ *middle, h *head) bool { return h.count("Sec-WebSocket-Protocol") == 0 })},
		{name: "the same subprotocol twice is once", guards: "8.25.1 8.25.2", roles: ForServers,
			allowed: "RFC 6455, 4.1 and 4.2.1: that they are unique is said to clients only",
			damage: hears(func(_ *middle, h *head) {
				all := split(h.list("Sec-WebSocket-Protocol"))
				if once := slices.Compact(slices.Sorted(slices.Values(all))); len(once) < len(all) && len(once) > 0 && isToken(once[0]) {
					del("Sec-WebSocket-Protocol")(h)
				}
			})},
		{name: "bits of the key that count for nothing are refused", guards: "8.15.14", roles: ForServers,
			allowed: "RFC 4648, 3.5: decoders MAY refuse them",
			damage: onlyIf(func(_ *middle, h *head) bool {
				p, err := base64.StdEncoding.Strict().DecodeString(h.get("Sec-WebSocket-Key"))
				return err == nil && len(p) == 16
			})},
		{name: "a request behind a refused one is served", guards: "8.29.1 8.29.2 8.29.3", roles: ForServers,
			allowed: "RFC 9112, 9.3.2: it is one more request",
			damage: hears(func(m *middle, h *head) {
				wrong := !h.has("Sec-WebSocket-Version", "13") || h.count("Sec-WebSocket-Key") == 0 || h.count("Upgrade") == 0
				behind := bytes.HasPrefix(m.in.buf, []byte("GET "))
				if wrong && behind && !m.flags["refused"] {
					m.flags["refused"] = true
					m.sayBytes("HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
					h.raw = []byte{}
				}
			})},
		{name: "codes from 5000 on are answered 1000", guards: "7.13",
			allowed: "RFC 6455, 7.4.2, says nothing of them",
			damage:  takesCode(between(5000, 65535))},
		{name: "1012 to 1014 are refused", guards: "7.8",
			allowed: "RFC 6455, 7.4.1, does not know them yet",
			damage:  refusesCode(func(f *frame) bool { return codeOf(f) >= 1012 && codeOf(f) <= 1014 })},
		{name: "what came right before a Close is not returned", guards: "7.15 7.16.5",
			allowed: "RFC 6455, 5.5.1: a Close is answered as soon as practical, and nothing is sent behind the answer",
			events:  delayed(time.Millisecond)},
	}
}

// delayed is an application that returns what it is sent in order, but later.
func delayed(d time.Duration) func() *curlew.Events {
	return func() *curlew.Events {
		turn := make(chan struct{}, 1) // held by whoever uses the following
		var waiting []func()
		release := func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			for _, send := range waiting {
				send()
			}
			waiting = nil
		}
		return &curlew.Events{Message: func(c *curlew.Conn, t curlew.Type, p []byte) {
			turn <- struct{}{}
			defer func() { <-turn }()
			p = bytes.Clone(p)
			if waiting = append(waiting, func() { put(c, t, p) }); len(waiting) == 1 {
				time.AfterFunc(d, release)
			}
		}}
	}
}
