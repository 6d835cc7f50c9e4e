//go:build !race && !invariants

package conform

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"

	"slices"
	"strings"
	"sync/atomic"
)

// rightAnswer makes an answer right.
func rightAnswer(m *middle, h *head) {
	*h = head{first: "HTTP/1.1 101 Switching Protocols", fields: []field{
		{"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Sec-WebSocket-Accept", acceptKey(m.key)}}}
}

// known1xx are answers before the one that counts.
func isEarly(h *head) bool {
	return strings.HasPrefix(h.words()[1], "1") && h.words()[1] != "101"
}

// answerMutants are clients whose handshake is wrong.
func answerMutants() []mutant {
	request := func(edits ...edit) damage { return says(edited(edits...)) }
	list := []mutant{
		// Requests that are wrong.
		{name: "the request is a POST", guards: "8.40.1", damage: says(func(_ *middle, h *head) { h.setWord(0, "POST") })},
		{name: "the request is of HTTP 1.0", guards: "8.40.2", damage: says(func(_ *middle, h *head) { h.setWord(2, "HTTP/1.0") })},
		{name: "the request's target has a fragment", guards: "8.40.3", damage: says(func(_ *middle, h *head) { h.setWord(1, h.words()[1]+"&x=#y") })},
		{name: "the request has no Host", guards: "8.40.4", damage: request(del("Host"))},
		{name: "the request has Host twice", guards: "8.40.4", damage: request(add("Host", "example.com"))},
		{name: "the request's Host is an URL", guards: "8.40.4", damage: request(set("Host", "ws://example.com/"))},
		{name: "the request has no Upgrade", guards: "8.40.5", damage: request(del("Upgrade"))},
		{name: "the request has no Connection", guards: "8.40.6", damage: request(set("Connection", "keep-alive"))},
		{name: "the request has no key", guards: "8.40.7", damage: request(del("Sec-WebSocket-Key"))},
		{name: "the request's key is short", guards: "8.40.7", damage: says(func(m *middle, h *head) { m.rekey(h, bytes.Repeat([]byte{1, 2, 3}, 5)) }), options: nil},
		{name: "the request's key is always the same", guards: "8.40.8", damage: says(func(m *middle, h *head) { m.rekey(h, []byte("0123456789abcdef")) })},
		{name: "the request's key is a counter", guards: "8.40.9", fresh: func() damage {
			var n atomic.Uint64
			return says(func(m *middle, h *head) {
				m.rekey(h, binary.BigEndian.AppendUint64(make([]byte, 8), n.Add(1)))
			})
		}},
		{name: "the request has no version", guards: "8.40.10", damage: request(del("Sec-WebSocket-Version"))},
		{name: "the request is of version 8", guards: "8.40.10", damage: request(set("Sec-WebSocket-Version", "8"))},
		{name: "the request has its version twice", guards: "8.40.10 8.40.11", damage: request(add("Sec-WebSocket-Version", "13"))},
		{name: "the request has its key twice", guards: "8.40.7", damage: says(func(_ *middle, h *head) { add("Sec-WebSocket-Key", h.get("Sec-WebSocket-Key"))(h) })},
		{name: "the request has Origin twice", guards: "8.40.11", damage: request(add("Origin", "http://example.com"), add("Origin", "http://example.com"))},
		{name: "the request offers a subprotocol with a space", guards: "8.40.12", damage: request(set("Sec-WebSocket-Protocol", "my chat"))},
		{name: "the request offers a subprotocol twice", guards: "8.40.12", damage: request(set("Sec-WebSocket-Protocol", "chat, chat"))},
		{name: "the request offers malformed extensions", guards: "8.40.13", damage: says(func(_ *middle, h *head) {
			set("Sec-WebSocket-Extensions", h.get("Sec-WebSocket-Extensions")+"; =")(h)
		})},
		{name: "the request announces a body", guards: "8.40.14", damage: request(add("Content-Length", "5"))},
		{name: "the request has a body in chunks", guards: "8.40.14", damage: request(add("Transfer-Encoding", "chunked"))},
		{name: "the request has Sec-WebSocket-Accept", guards: "8.40.15", damage: request(add("Sec-WebSocket-Accept", acceptKey(rightKey)))},
		{name: "the request's Origin is none", guards: "8.40.16", damage: request(set("Origin", "example"))},
		{name: "frames come before the answer", guards: "8.40.17", damage: says(func(m *middle, h *head) {
			h.raw = append(h.bytes(), frame{op: opPing, mask: always}.append(nil, true, m.random)...)
		})},
		{name: "the request has a space before a colon", guards: "8.40.5", damage: says(func(_ *middle, h *head) {
			del("Upgrade")(h)
			add("Upgrade ", "websocket")(h)
		})},

		// Answers that are right and not taken.
		{name: "names in answers are sensitive to case", guards: "8.41.2 8.41.3", damage: onlyIf(func(_ *middle, h *head) bool {
			return !slices.ContainsFunc(h.fields, func(f field) bool {
				return strings.EqualFold(f.name, "Upgrade") && f.name != "Upgrade"
			})
		})},
		{name: "Upgrade in answers is sensitive to case", guards: "8.41.5 8.41.6", damage: onlyIf(func(_ *middle, h *head) bool { return h.has("Upgrade", "websocket", "") })},
		{name: "Connection in answers is sensitive to case", guards: "8.41.7 8.41.8", damage: onlyIf(func(_ *middle, h *head) bool { return strings.Contains(h.list("Connection"), "Upgrade") })},
		{name: "Connection in answers is one token", guards: "8.41.9", damage: onlyIf(func(_ *middle, h *head) bool { return strings.EqualFold(h.list("Connection"), "upgrade") })},
		{name: "of Connection in answers the first line counts", guards: "8.41.10", damage: onlyIf(func(_ *middle, h *head) bool {
			return hasToken([]string{h.get("Connection")}, "upgrade")
		})},
		{name: "lists in answers have no empty members", guards: "8.41.11", damage: onlyIf(func(_ *middle, h *head) bool {
			return !slices.Contains(strings.Split(strings.ReplaceAll(h.list("Connection"), " ", ""), ","), "")
		})},
		{name: "values in answers stand behind a space", guards: "8.42.1", damage: damage{reads: func(m *middle, p []byte) []byte {
			if m.in.stage == heading && bytes.Contains(p, []byte("\r\nUpgrade:")) && !bytes.Contains(bytes.ToLower(p), []byte("\r\nupgrade: w")) {
				return bytes.Replace(p, []byte("\r\nUpgrade:"), []byte("\r\nX:"), 1)
			}
			return p
		}}},
		{name: "fields of answers have an order", guards: "8.42.3", damage: onlyIf(func(_ *middle, h *head) bool {
			return isEarly(h) || len(h.fields) > 0 && strings.EqualFold(h.fields[0].name, "Upgrade") || h.count("Server") > 0
		})},
		{name: "unknown fields in answers are refused", guards: "8.42.5 8.42.6 8.42.7", damage: onlyIf(func(_ *middle, h *head) bool {
			return !slices.ContainsFunc(h.fields, func(f field) bool { return !known(f.name) })
		})},
		{name: "the fields that servers send are refused", guards: "8.42.4", damage: onlyIf(func(_ *middle, h *head) bool { return h.count("Server") == 0 && h.count("Date") == 0 })},
		{name: "the reason must be Switching Protocols", guards: "8.42.8 8.42.9", damage: onlyIf(func(_ *middle, h *head) bool {
			return isEarly(h) || h.words()[2] == "Switching Protocols"
		})},
		{name: "a reason is needed", guards: "8.42.9", damage: onlyIf(func(_ *middle, h *head) bool { return h.words()[2] != "" })},
		{name: "the first answer counts", guards: "8.43", damage: hears(func(_ *middle, h *head) {
			if isEarly(h) {
				h.first = "HTTP/1.1 400 Bad Request"
			}
		})},
		{name: "an answer comes in one read", guards: "8.44.5 8.44.6 8.44.7", damage: damage{reads: func(m *middle, p []byte) []byte {
			if m.in.stage == heading && !bytes.Contains(p, []byte("\r\n\r\n")) {
				m.Conn.Close()
			}
			return p
		}}},

		// Answers that are wrong and taken.
		{name: "status 200 is taken", guards: "8.45.1", damage: hears(func(_ *middle, h *head) {
			if h.words()[1] == "200" {
				h.setWord(1, "101")
				del("Content-Length")(h)
				set("Connection", "Upgrade")(h)
			}
		})},
		{name: "the status is not looked at", guards: "8.45.1 8.45.8", damage: hears(func(_ *middle, h *head) {
			if h.words()[1] != "101" && !isEarly(h) {
				h.first = "HTTP/1.1 101 X"
				del("Content-Length")(h)
				set("Connection", "Upgrade")(h)
			}
		})},
		{name: "HTTP 1.0 is taken from servers", guards: "8.46.1", damage: hears(func(_ *middle, h *head) { h.first = strings.Replace(h.first, "HTTP/1.0 ", "HTTP/1.1 ", 1) })},
		{name: "any version of HTTP is taken from servers", guards: "8.46", damage: damage{reads: func(m *middle, p []byte) []byte {
			if _, rest, ok := bytes.Cut(p, []byte(" 101 ")); ok && m.in.stage == heading && len(m.in.buf) == 0 {
				return append([]byte("HTTP/1.1 101 "), rest...)
			}
			return p
		}}},
		{name: "answers need no Upgrade", guards: "8.47.1", damage: lenient("Upgrade", "websocket", missing)},
		{name: "Upgrade in answers is not looked at", guards: "8.47", damage: lenient("Upgrade", "websocket", anyValue)},
		{name: "Upgrade in answers is looked for websocket", guards: "8.47.4 8.47.7", damage: lenient("Upgrade", "websocket", contains("websocket"))},
		{name: "Upgrade in answers is looked for web", guards: "8.47.5 8.47.6", damage: lenient("Upgrade", "websocket", begins("web"))},
		{name: "answers need no Connection", guards: "8.48.1", damage: lenient("Connection", "Upgrade", missing)},
		{name: "Connection in answers is not looked at", guards: "8.48", damage: lenient("Connection", "Upgrade", anyValue)},
		{name: "Connection in answers is looked for upgrade", guards: "8.48.5 8.48.6 8.48.7", damage: lenient("Connection", "Upgrade", contains("upgrade"))},
		{name: "answers need no Accept", guards: "8.49.1", damage: hears(func(m *middle, h *head) {
			if h.count("Sec-WebSocket-Accept") == 0 {
				add("Sec-WebSocket-Accept", acceptKey(m.key))(h)
			}
		})},
		{name: "Accept is not looked at", guards: "8.49", damage: hears(func(m *middle, h *head) {
			del("Sec-WebSocket-Accept")(h)
			add("Sec-WebSocket-Accept", acceptKey(m.key))(h)
		})},
		{name: "Accept is not sensitive to case", guards: "8.49.6 8.49.7", damage: hears(func(m *middle, h *head) {
			if strings.EqualFold(h.get("Sec-WebSocket-Accept"), acceptKey(m.key)) {
				set("Sec-WebSocket-Accept", acceptKey(m.key))(h)
			}
		})},
		{name: "Accept needs no padding", guards: "8.49.8", damage: hears(func(m *middle, h *head) {
			if h.get("Sec-WebSocket-Accept")+"=" == acceptKey(m.key) {
				set("Sec-WebSocket-Accept", acceptKey(m.key))(h)
			}
		})},
		{name: "of Accept the first twenty characters count", guards: "8.49.9 8.49.10", damage: hears(func(m *middle, h *head) {
			if a := h.get("Sec-WebSocket-Accept"); len(a) >= 20 && strings.HasPrefix(acceptKey(m.key), a[:20]) {
				set("Sec-WebSocket-Accept", acceptKey(m.key))(h)
			}
		})},
		{name: "Accept may be there twice", guards: "8.49.15 8.49.16 8.49.17", damage: hears(func(m *middle, h *head) {
			if h.count("Sec-WebSocket-Accept") > 1 {
				del("Sec-WebSocket-Accept")(h)
				add("Sec-WebSocket-Accept", acceptKey(m.key))(h)
			}
		})},
		{name: "a subprotocol that was not offered is taken", guards: "8.50", damage: hears(edited(del("Sec-WebSocket-Protocol")))},
		{name: "an extension that was not offered is taken", guards: "8.51", damage: hears(edited(func(h *head) {
			if e := h.list("Sec-WebSocket-Extensions"); e != "" {
				del("Sec-WebSocket-Extensions")(h)
				if strings.HasPrefix(e, deflateName) {
					first, _, _ := strings.Cut(e, ",")
					add("Sec-WebSocket-Extensions", first)(h)
				}
			}
		}))},
		{name: "malformed extensions are taken from servers", guards: "8.52.1 8.52.2", damage: hears(edited(func(h *head) {
			if wellFormed(h.list("Sec-WebSocket-Extensions")) {
				return
			}
			del("Sec-WebSocket-Extensions")(h)
		}))},
		{name: "whatever comes is a right answer", guards: "8.45.1 8.49.1 8.53.1 8.54.1 8.54.2", damage: damage{
			hears: func(m *middle, h *head) {
				if !isEarly(h) {
					rightAnswer(m, h)
				}
			},
			reads: func(m *middle, p []byte) []byte {
				if m.in.stage == heading && len(m.in.buf) == 0 && !bytes.HasPrefix(p, []byte("H")) {
					return rightAnswerFor(m)
				}
				return p
			},
			lost: func(m *middle) []byte {
				if m.in.stage == heading {
					m.in.buf = nil
					return append(rightAnswerFor(m), m.encode(nil, m.heard(text("go on")))...)
				}
				return nil
			},
		}},
		{name: "who gets no answer says so", guards: "8.54.1", damage: damage{lost: func(m *middle) []byte {
			if m.in.stage == heading {
				m.say(closing(1002, ""))
			}
			return nil
		}}},
		{name: "the client waits for a better answer", guards: "8.45.1", damage: damage{
			hears: func(m *middle, h *head) {
				if h.words()[1] != "101" && !isEarly(h) {
					h.raw = []byte{}
					m.flags["waits"] = true
				}
			},
			reads: deaf,
		}},
		{name: "folded lines in answers are put together", guards: "8.55.1 8.55.2", damage: damage{reads: func(m *middle, p []byte) []byte {
			if m.in.stage == heading {
				p = bytes.ReplaceAll(p, []byte("\r\n "), nil)
				p = bytes.ReplaceAll(p, []byte("\r\n\t"), nil)
			}
			return p
		}}},
		{name: "values in answers may have any bytes", guards: "8.55.3", damage: hears(func(_ *middle, h *head) {
			for i := range h.fields {
				h.fields[i].value = strings.Map(func(r rune) rune {
					if r < ' ' || r == 127 {
						return -1
					}
					return r
				}, h.fields[i].value)
			}
		})},
		{name: "strange answers are waited on", guards: "8.42.10 8.42.11 8.42.12 8.42.13 8.55.5 8.55.6 8.55.7 8.55.9 8.55.11", damage: damage{hears: func(m *middle, h *head) {
			strange := func(f field) bool {
				return strings.Trim(strings.ToLower(f.name), "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || f.name == "" || len(f.value) > 1024 ||
					strings.ContainsFunc(f.value, func(r rune) bool { return r < ' ' || r > 126 })
			}
			if strings.Count(h.first, " ") < 2 || len(h.fields) > 50 || slices.ContainsFunc(h.fields, strange) {
				h.raw = []byte{}
				m.flags["waits"] = true
			}
		}, reads: deaf}},
		{name: "answers have lines that end in CR LF", guards: "8.55.4", damage: damage{reads: func(m *middle, p []byte) []byte {
			if m.in.stage == heading && !bytes.Contains(p, []byte("\r\n")) && bytes.HasPrefix(p, []byte("HTTP/")) || m.flags["waits"] {
				m.flags["waits"] = true
				return nil
			}
			return p
		}}},
		{name: "long answers are waited for", guards: "8.56.1 8.56.3", long: "8.56", damage: damage{
			reads: func(m *middle, p []byte) []byte {
				if m.in.stage == heading {
					if m.count += len(p); m.count > 50_000 {
						return nil
					}
				}
				return p
			},
			ends: func(m *middle, _ bool) bool { return m.count <= 50_000 },
		}},
	}
	for i := range list {
		if list[i].roles == 0 {
			list[i].roles = ForClients
		}
	}
	return list
}

// deaf reads nothing any more of what is waited on in vain.
func deaf(m *middle, p []byte) []byte {
	if m.flags["waits"] {
		return nil
	}
	return p
}

func rightAnswerFor(m *middle) []byte {
	h := &head{}
	rightAnswer(m, h)
	return h.bytes()
}

// rekey gives the request another key; our connection gets the answer to its own.
func (m *middle) rekey(h *head, key []byte) {
	was := h.get("Sec-WebSocket-Key")
	k := base64.StdEncoding.EncodeToString(key)
	set("Sec-WebSocket-Key", k)(h)
	m.swap = [2]string{acceptKey(k), acceptKey(was)}
}

// wellFormed reports whether extensions look like some; it is not exact.
func wellFormed(e string) bool {
	for member := range strings.SplitSeq(e, ",") {
		for i, p := range strings.Split(member, ";") {
			name, value, has := strings.Cut(strings.TrimSpace(p), "=")
			if !isToken(name) || has && i == 0 || has && !isToken(strings.Trim(value, `"`)) {
				return false
			}
		}
	}
	return true
}
