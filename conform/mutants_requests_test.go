//go:build !race && !invariants

package conform

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/textproto"
	"slices"
	"strings"
	"time"
)

// hears is a man in the middle who changes the heads that our connection gets,
// says those that it sends.
func hears(e func(m *middle, h *head)) damage { return damage{hears: e} }
func says(e func(m *middle, h *head)) damage  { return damage{says: e} }

// edited is a change that does not depend on the connection.
func edited(edits ...edit) func(*middle, *head) {
	return func(_ *middle, h *head) {
		for _, e := range edits {
			e(h)
		}
	}
}

// spoil makes a request one that is refused, and an answer one that is wrong.
func spoil(h *head) {
	del("Upgrade")(h)
	del("Sec-WebSocket-Accept")(h)
}

// onlyIf spoils what is not as it says.
func onlyIf(ok func(m *middle, h *head) bool) damage {
	return hears(func(m *middle, h *head) {
		if !ok(m, h) {
			spoil(h)
		}
	})
}

// has reports whether a field has exactly one of these values.
func (h *head) has(name string, values ...string) bool {
	return slices.Contains(values, h.get(name))
}

func (h *head) count(name string) (n int) {
	for _, f := range h.fields {
		if strings.EqualFold(f.name, name) {
			n++
		}
	}
	return n
}

// words are those of the first line.
func (h *head) words() []string { return append(strings.SplitN(h.first, " ", 3), "", "")[:3] }

func (h *head) setWord(i int, to string) {
	w := h.words()
	w[i] = to
	h.first = strings.TrimSpace(strings.Join(w, " "))
}

// canonical keeps of a request what a right one has, and makes it right.
func canonical(h *head) {
	key := h.get("Sec-WebSocket-Key")
	if p, err := base64.StdEncoding.DecodeString(key); err != nil || len(p) != 16 {
		key = rightKey
	}
	*h = head{first: "GET /echo HTTP/1.1", fields: []field{{"Host", "example.com"}, {"Upgrade", "websocket"}, {"Connection", "Upgrade"},
		{"Sec-WebSocket-Key", key}, {"Sec-WebSocket-Version", "13"}}}
}

const rightKey = "dGhlIHNhbXBsZSBub25jZQ=="

// a server that takes a request although a field is wrong: fix makes the field
// right if there is something to take it from.
func lenient(name, value string, fits func(values []string) bool) damage {
	return hears(func(_ *middle, h *head) {
		var values []string
		for _, f := range h.fields {
			if strings.EqualFold(f.name, name) {
				values = append(values, f.value)
			}
		}
		if fits(values) {
			del(name)(h)
			add(name, value)(h)
		}
	})
}

// isKey reports whether there is one right key.
func isKey(values []string) bool {
	if len(values) != 1 {
		return false
	}
	p, err := base64.StdEncoding.DecodeString(values[0])
	return err == nil && len(p) == 16
}

func missing(values []string) bool  { return len(values) == 0 }
func repeated(values []string) bool { return len(values) > 1 }
func anyValue(values []string) bool { return true }

func contains(part string) func([]string) bool {
	return func(values []string) bool { return strings.Contains(strings.ToLower(strings.Join(values, ",")), part) }
}

func begins(part string) func([]string) bool {
	return func(values []string) bool { return len(values) == 1 && strings.HasPrefix(values[0], part) }
}

// requestMutants are servers whose handshake is wrong.
func requestMutants() []mutant {
	list := []mutant{
		// Requests that are wrong and taken.
		{name: "any method is taken", guards: "8.8.1 8.8.5", damage: hears(func(_ *middle, h *head) { h.setWord(0, "GET") })},
		{name: "methods are not sensitive to case", guards: "8.8.8", damage: hears(func(_ *middle, h *head) {
			if strings.EqualFold(h.words()[0], "GET") {
				h.setWord(0, "GET")
			}
		})},
		{name: "HTTP 1.0 is taken", guards: "8.9.1 8.9.2", damage: hears(func(_ *middle, h *head) {
			if h.words()[2] == "HTTP/1.0" {
				h.setWord(2, "HTTP/1.1")
			}
		})},
		{name: "any version of HTTP is taken", guards: "8.9", damage: damage{
			reads: func(m *middle, p []byte) []byte {
				if first, rest, ok := bytes.Cut(p, []byte("\r\n")); ok && m.in.stage == heading && bytes.HasPrefix(first, []byte("GET /")) {
					return append([]byte("GET /echo HTTP/1.1\r\n"), rest...)
				}
				return p
			},
		}},
		{name: "no Host is needed", guards: "8.10.1", damage: lenient("Host", "example.com", missing)},
		{name: "Host may be there twice", guards: "8.10.2 8.10.3", damage: lenient("Host", "example.com", repeated)},
		{name: "Host is not looked at", guards: "8.10.1 8.10.2", damage: lenient("Host", "example.com", anyValue)},
		{name: "targets are not looked at", guards: "8.11.1 8.11.6", damage: hears(func(_ *middle, h *head) {
			w := strings.Split(h.first, " ")
			h.first = "GET /echo " + w[len(w)-1]
		})},
		{name: "no Upgrade is needed", guards: "8.12.1", damage: lenient("Upgrade", "websocket", missing)},
		{name: "Upgrade is not looked at", guards: "8.12.1 8.12.3", damage: lenient("Upgrade", "websocket", anyValue)},
		{name: "Upgrade is looked for websocket", guards: "8.12.4 8.12.5", damage: lenient("Upgrade", "websocket", contains("websocket"))},
		{name: "no Connection is needed", guards: "8.13.1", damage: lenient("Connection", "Upgrade", missing)},
		{name: "Connection is not looked at", guards: "8.13", damage: lenient("Connection", "Upgrade", anyValue)},
		{name: "Connection is looked for upgrade", guards: "8.13.6 8.13.7 8.13.8", damage: lenient("Connection", "Upgrade", contains("upgrade"))},
		{name: "Connection is looked for upgrad", guards: "8.13.5", damage: lenient("Connection", "Upgrade", contains("upgrad"))},
		{name: "no key is needed", guards: "8.14.1", damage: lenient("Sec-WebSocket-Key", rightKey, missing)},
		{name: "keys are not looked at", guards: "8.14 8.15.1 8.15.8", damage: lenient("Sec-WebSocket-Key", rightKey, func(v []string) bool { return !isKey(v) })},
		{name: "there may be two keys", guards: "8.14.4 8.14.5", damage: lenient("Sec-WebSocket-Key", rightKey, repeated)},
		{name: "keys may have any length", guards: "8.15.1 8.15.2 8.15.3", damage: lenient("Sec-WebSocket-Key", rightKey, func(v []string) bool {
			if len(v) != 1 || isKey(v) {
				return false
			}
			_, err := base64.StdEncoding.DecodeString(v[0])
			return err == nil
		})},
		{name: "keys are 24 bytes of anything", guards: "8.15.8", damage: lenient("Sec-WebSocket-Key", rightKey, func(v []string) bool { return len(v) == 1 && len(v[0]) == 24 && !isKey(v) })},
		{name: "keys need no padding", guards: "8.15.5 8.15.6", damage: lenient("Sec-WebSocket-Key", rightKey, func(v []string) bool {
			return len(v) == 1 && len(strings.TrimRight(v[0], "=")) == 22 && !isKey(v)
		})},
		{name: "no version is needed", guards: "8.16.1", damage: lenient("Sec-WebSocket-Version", "13", missing)},
		{name: "there may be two versions", guards: "8.16.2 8.16.3", damage: lenient("Sec-WebSocket-Version", "13", repeated)},
		{name: "versions are not looked at", guards: "8.17.5", damage: lenient("Sec-WebSocket-Version", "13", anyValue)},
		{name: "versions from 13 on are taken", guards: "8.17.6 8.17.7", damage: lenient("Sec-WebSocket-Version", "13", func(v []string) bool {
			var n int
			_, err := fmt.Sscan(strings.Join(v, ","), &n)
			return err == nil && n >= 13
		})},
		{name: "versions that begin with 13 are taken", guards: "8.17.9", damage: lenient("Sec-WebSocket-Version", "13", begins("13"))},
		{name: "versions are numbers", guards: "8.17.12", damage: lenient("Sec-WebSocket-Version", "13", func(v []string) bool {
			return len(v) == 1 && slices.Contains([]string{"013", "+13", "13.0", "0x0d"}, v[0])
		})},
		{name: "versions are a byte", guards: "8.17.21", damage: lenient("Sec-WebSocket-Version", "13", begins("10000"))},
		{name: "versions are a list", guards: "8.17.18 8.17.19", damage: lenient("Sec-WebSocket-Version", "13", func(v []string) bool { return hasToken(v, "13") })},
		{name: "a space before the colon is taken", guards: "8.19.1 8.19.2", damage: hears(func(_ *middle, h *head) {
			for i := range h.fields {
				h.fields[i].name = strings.TrimRight(h.fields[i].name, " ")
			}
		})},
		{name: "values may have any bytes", guards: "8.12.10", damage: hears(func(_ *middle, h *head) {
			for i := range h.fields {
				h.fields[i].value = strings.Map(func(r rune) rune {
					if r < ' ' || r == 127 {
						return -1
					}
					return r
				}, h.fields[i].value)
			}
		})},
		{name: "names may have any bytes", guards: "8.19.13 8.19.14 8.19.15 8.19.16", damage: hears(func(_ *middle, h *head) {
			h.fields = slices.DeleteFunc(h.fields, func(f field) bool {
				return strings.Trim(strings.ToLower(f.name), "abcdefghijklmnopqrstuvwxyz-") != "" || f.name == ""
			})
		})},
		{name: "lines that are no fields are passed over", guards: "8.19.17", damage: damage{hears: func(_ *middle, h *head) {
			h.fields = slices.DeleteFunc(h.fields, func(f field) bool { return f.value == "" && !known(f.name) })
		}}},
		{name: "folded lines are put together", guards: "8.19.3 8.19.4", damage: damage{reads: func(m *middle, p []byte) []byte {
			if m.in.stage == heading {
				p = bytes.ReplaceAll(p, []byte("\r\n "), nil)
				p = bytes.ReplaceAll(p, []byte("\r\n\t"), nil)
			}
			return p
		}}},
		{name: "a body is taken for frames", guards: "8.22.1 8.22.2", damage: hears(edited(del("Content-Length"), del("Transfer-Encoding")))},
		{name: "a body in chunks is taken for frames", guards: "8.22.3", damage: hears(edited(del("Transfer-Encoding")))},
		{name: "whatever comes is a right request", guards: "8.20 8.8 8.12.1", damage: damage{
			hears: edited(canonical),
			reads: func(m *middle, p []byte) []byte {
				if m.in.stage == heading && len(m.in.buf) == 0 && !bytes.HasPrefix(p, []byte("G")) && !m.flags["canonical"] {
					m.flags["canonical"] = true
					h := &head{}
					canonical(h)
					return h.bytes()
				}
				return p
			},
		}},
		{name: "what is no HTTP is waited for", guards: "8.20.1", damage: damage{reads: func(m *middle, p []byte) []byte {
			if m.in.stage == heading && len(m.in.buf) == 0 && (m.flags["bad"] || !isHead(p)) {
				m.flags["bad"] = true
				return nil
			}
			return p
		}}},
		{name: "what is no HTTP ends the server", guards: "8.20.1", single: true, fresh: func() damage {
			var dead time.Time
			return damage{reads: func(m *middle, p []byte) []byte {
				if m.in.stage == heading && len(m.in.buf) == 0 && !isHead(p) {
					dead = time.Now()
				}
				if time.Since(dead) < 30*time.Second {
					m.reset()
				}
				return p
			}}
		}},
		{name: "long heads are waited for", guards: "8.21", long: "8.21", damage: damage{reads: func(m *middle, p []byte) []byte {
			if m.in.stage == heading {
				if m.count += len(p); m.count > 50_000 {
					return nil
				}
			}
			return p
		}}},

		// Requests that are right and not taken.
		{name: "names are sensitive to case", guards: "8.2.1 8.2.2 8.2.3", damage: onlyIf(func(_ *middle, h *head) bool {
			return !slices.ContainsFunc(h.fields, func(f field) bool {
				return known(f.name) && f.name != textproto.CanonicalMIMEHeaderKey(f.name) && !strings.HasPrefix(f.name, "Sec-WebSocket-")
			})
		})},
		{name: "Upgrade is sensitive to case", guards: "8.2.4 8.2.5", damage: onlyIf(func(_ *middle, h *head) bool { return strings.Contains(h.list("Upgrade"), "websocket") })},
		{name: "Connection is sensitive to case", guards: "8.2.6 8.2.7", damage: onlyIf(func(_ *middle, h *head) bool { return strings.Contains(h.list("Connection"), "Upgrade") })},
		{name: "Connection is one token", guards: "8.3.1 8.3.2", damage: onlyIf(func(_ *middle, h *head) bool { return strings.EqualFold(h.list("Connection"), "upgrade") })},
		{name: "only the first of several lines counts", guards: "8.3.6 8.3.11", damage: onlyIf(func(_ *middle, h *head) bool {
			return hasToken([]string{h.get("Connection")}, "upgrade") && hasToken([]string{h.get("Upgrade")}, "websocket")
		})},
		{name: "Upgrade is one token", guards: "8.3.9 8.3.10", damage: onlyIf(func(_ *middle, h *head) bool { return strings.EqualFold(h.list("Upgrade"), "websocket") })},
		{name: "lists have no empty members", guards: "8.3.5", damage: onlyIf(func(_ *middle, h *head) bool {
			return !slices.Contains(strings.Split(strings.ReplaceAll(h.list("Connection"), " ", ""), ","), "")
		})},
		{name: "lists have a space behind the comma", guards: "8.3.3", damage: onlyIf(func(_ *middle, h *head) bool {
			return slices.Contains(strings.Split(strings.ToLower(h.list("Connection")), ", "), "upgrade")
		})},
		{name: "values stand behind a space", guards: "8.4.1 8.4.2 8.4.3", damage: damage{reads: func(m *middle, p []byte) []byte {
			if m.in.stage == heading && bytes.Contains(p, []byte("\r\nUpgrade:")) && !bytes.Contains(p, []byte("\r\nUpgrade: websocket\r\n")) {
				return bytes.Replace(p, []byte("\r\nUpgrade:"), []byte("\r\nX:"), 1)
			}
			return p
		}}},
		{name: "fields have an order", guards: "8.4.5", damage: onlyIf(func(_ *middle, h *head) bool {
			at := func(name string) int {
				return slices.IndexFunc(h.fields, func(f field) bool { return strings.EqualFold(f.name, name) })
			}
			return at("Host") <= at("Upgrade") && at("Connection") <= at("Sec-WebSocket-Version")
		})},
		{name: "unknown fields are refused", guards: "8.4.7 8.4.8 8.4.9 8.4.10", damage: onlyIf(func(_ *middle, h *head) bool {
			return !slices.ContainsFunc(h.fields, func(f field) bool { return !known(f.name) })
		})},
		{name: "there are ten fields at most", guards: "8.4.10 8.4.14", damage: onlyIf(func(_ *middle, h *head) bool { return len(h.fields) <= 10 })},
		{name: "values have 1 KiB at most", guards: "8.4.13", damage: onlyIf(func(_ *middle, h *head) bool {
			return !slices.ContainsFunc(h.fields, func(f field) bool { return len(f.value) > 1024 })
		})},
		{name: "values are ASCII", guards: "8.4.12", damage: onlyIf(func(_ *middle, h *head) bool {
			return !slices.ContainsFunc(h.fields, func(f field) bool { return strings.ContainsFunc(f.value, func(r rune) bool { return r > 126 }) })
		})},
		{name: "Content-Length is refused", guards: "8.4.11", damage: onlyIf(func(_ *middle, h *head) bool { return h.count("Content-Length") == 0 })},
		{name: "absolute targets are refused", guards: "8.5.3", damage: onlyIf(func(_ *middle, h *head) bool { return !strings.Contains(h.first, "://") })},
		{name: "a head comes in one read", guards: "8.6", damage: damage{reads: func(m *middle, p []byte) []byte {
			if m.in.stage == heading && !bytes.Contains(p, []byte("\r\n\r\n")) {
				m.Conn.Close()
			}
			return p
		}}},
		{name: "what comes in one read with the head is lost", guards: "8.7.1 8.7.2 8.44.1", damage: damage{reads: func(m *middle, p []byte) []byte {
			if i := bytes.Index(p, []byte("\r\n\r\n")); m.in.stage == heading && i >= 0 {
				return p[:i+4]
			}
			return p
		}}},
		{name: "what comes before the answer is lost", guards: "8.7.1 8.7.2 8.7.3", roles: ForServers, damage: damage{opens: func(m *middle, f *frame) bool {
			return m.out.stage != heading
		}, says: func(*middle, *head) {}}},
		{name: "a key is taken once", guards: "8.1.6", fresh: func() damage {
			seen := make(map[string]time.Time)
			return onlyIf(func(m *middle, h *head) bool {
				k := h.get("Sec-WebSocket-Key")
				again := !seen[k].IsZero() && time.Since(seen[k]) < 30*time.Second
				seen[k] = time.Now()
				return !again
			})
		}, single: true},
		{name: "Expect is answered by 500", guards: "8.4.15", damage: says(func(m *middle, h *head) {
			if strings.HasPrefix(h.first, "HTTP/1.1 417") {
				h.first = "HTTP/1.1 500 Oh"
			}
		})},
		{name: "unknown extensions are refused", guards: "8.26.1", damage: onlyIf(func(_ *middle, h *head) bool {
			e := h.list("Sec-WebSocket-Extensions")
			return e == "" || strings.HasPrefix(e, deflateName) && !strings.Contains(e, "unknown")
		})},
		{name: "every Origin is refused", guards: "8.28.1", damage: onlyIf(func(_ *middle, h *head) bool { return h.count("Origin") == 0 })},

		// Answers that are wrong.
		{name: "Sec-WebSocket-Accept is wrong", guards: "8.1.1", damage: says(edited(func(h *head) {
			if h.count("Sec-WebSocket-Accept") > 0 {
				set("Sec-WebSocket-Accept", acceptKey(rightKey+" "))(h)
			}
		}))},
		{name: "a plus in the key is a space", guards: "8.1.5", damage: says(func(m *middle, h *head) {
			if strings.Count(m.key, "+") > 5 {
				set("Sec-WebSocket-Accept", acceptKey(strings.ReplaceAll(m.key, "+", " ")))(h)
			}
		})},
		{name: "a key of zeros is none", guards: "8.1.3", damage: onlyIf(func(_ *middle, h *head) bool { return !strings.HasPrefix(h.get("Sec-WebSocket-Key"), "AAAA") })},
		{name: "a slash ends the key", guards: "8.1.4", damage: says(func(m *middle, h *head) {
			if key, _, _ := strings.Cut(m.key, "/"); strings.Count(m.key, "/") > 5 {
				set("Sec-WebSocket-Accept", acceptKey(key))(h)
			}
		})},
		{name: "the key of the RFC's example is a test", guards: "8.1.2", damage: onlyIf(func(_ *middle, h *head) bool { return h.get("Sec-WebSocket-Key") != rightKey })},
		{name: "the answer has no Upgrade", guards: "8.1.1", damage: says(edited(del("Upgrade")))},
		{name: "the answer has no Connection", guards: "8.1.1", damage: says(edited(del("Connection")))},
		{name: "the answer has no Sec-WebSocket-Accept", guards: "8.1.1", damage: says(edited(del("Sec-WebSocket-Accept")))},
		{name: "the answer has Sec-WebSocket-Accept twice", guards: "8.1.1", damage: says(func(_ *middle, h *head) {
			if a := h.get("Sec-WebSocket-Accept"); a != "" {
				add("Sec-WebSocket-Accept", a)(h)
			}
		})},
		{name: "the answer upgrades to h2c", guards: "8.1.1", damage: says(edited(set("Upgrade", "h2c")))},
		{name: "the answer says keep-alive", guards: "8.1.1", damage: says(edited(set("Connection", "keep-alive")))},
		{name: "the answer is 200", guards: "8.1.1", damage: says(edited(func(h *head) { h.first = strings.Replace(h.first, "101 Switching Protocols", "200 OK", 1) }))},
		{name: "the answer is of HTTP 1.0", guards: "8.1.7", damage: says(edited(func(h *head) { h.first = strings.Replace(h.first, "HTTP/1.1 101", "HTTP/1.0 101", 1) }))},
		{name: "the answer announces a body", guards: "8.1.7", damage: says(edited(func(h *head) {
			if strings.Contains(h.first, " 101 ") {
				add("Content-Length", "0")(h)
			}
		}))},
		{name: "the answer selects what was not offered", guards: "8.24.1", damage: says(func(m *middle, h *head) {
			if m.protocols != "" {
				add("Sec-WebSocket-Protocol", "none")(h)
			}
		})},
		{name: "the answer selects all that was offered", guards: "8.24.2", damage: says(func(m *middle, h *head) {
			if m.protocols != "" {
				add("Sec-WebSocket-Protocol", m.protocols)(h)
			}
		})},
		{name: "the answer selects in capitals", guards: "8.24.1", damage: says(func(m *middle, h *head) {
			if first, _, _ := strings.Cut(m.protocols, ","); first != "" {
				add("Sec-WebSocket-Protocol", strings.ToUpper(first))(h)
			}
		})},
		{name: "the answer selects twice", guards: "8.24.1", damage: says(func(m *middle, h *head) {
			if first, _, _ := strings.Cut(m.protocols, ","); first != "" {
				add("Sec-WebSocket-Protocol", first)(h)
				add("Sec-WebSocket-Protocol", first)(h)
			}
		})},
		{name: "wrong lists of subprotocols are passed over", guards: "8.25 -8.25.1 -8.25.2", damage: hears(edited(del("Sec-WebSocket-Protocol")))},
		{name: "the answer accepts any extension", guards: "8.26.1 8.26.12", damage: says(func(m *middle, h *head) {
			if first, _, _ := strings.Cut(m.extensions, ","); first != "" && !strings.Contains(first, deflateName) {
				add("Sec-WebSocket-Extensions", first)(h)
			}
		})},
		{name: "wrong extensions are passed over", guards: "8.27", damage: hears(edited(func(h *head) {
			if !strings.Contains(h.list("Sec-WebSocket-Extensions"), deflateName) {
				del("Sec-WebSocket-Extensions")(h)
			}
		}))},
		{name: "another origin is refused with 500", guards: "8.28.2", damage: says(func(_ *middle, h *head) { h.first = strings.Replace(h.first, "403 Forbidden", "500 Oh", 1) })},
		{name: "no version is told", guards: "8.18", damage: says(edited(del("Sec-WebSocket-Version")))},
		{name: "version 8 is told", guards: "8.18", damage: says(edited(func(h *head) {
			if h.count("Sec-WebSocket-Version") > 0 {
				set("Sec-WebSocket-Version", "8")(h)
			}
		}))},
		{name: "wrong requests are refused with 500", guards: "8.14.1", damage: says(edited(func(h *head) {
			if strings.HasPrefix(h.first, "HTTP/1.1 4") {
				h.first = "HTTP/1.1 500 Oh"
			}
		}))},
		{name: "wrong requests are answered with 200", guards: "8.14.1", damage: says(edited(func(h *head) {
			if strings.HasPrefix(h.first, "HTTP/1.1 4") {
				h.first = "HTTP/1.1 200 OK"
			}
		}))},
		{name: "wrong requests are not answered", guards: "8.14.1", damage: says(func(m *middle, h *head) {
			if strings.HasPrefix(h.first, "HTTP/1.1 4") {
				h.raw = []byte{}
			}
		})},
		{name: "405 does not say what is allowed", guards: "8.30.1", damage: says(edited(del("Allow")))},
		{name: "426 does not say what to upgrade to", guards: "8.30.2", damage: says(edited(func(h *head) {
			if strings.HasPrefix(h.first, "HTTP/1.1 426") {
				del("Upgrade")(h)
			}
		}))},
		{name: "refusals have Sec-WebSocket-Accept", guards: "8.30.3", damage: says(func(m *middle, h *head) {
			if !strings.Contains(h.first, " 101 ") {
				set("Sec-WebSocket-Accept", acceptKey(m.key))(h)
			}
		})},
		{name: "frames behind a refused request are answered", guards: "8.29.4 8.29.5", damage: damage{
			reads: func(m *middle, p []byte) []byte {
				head, rest, ok := bytes.Cut(p, []byte("\r\n\r\n"))
				if m.in.stage == heading && ok && len(rest) > 0 && !bytes.HasPrefix(rest, []byte("GET")) &&
					(!bytes.Contains(head, []byte("Version: 13")) || !bytes.Contains(head, []byte("Sec-WebSocket-Key"))) {
					m.sayBytes("HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n")
					m.say(text("hello"))
					return nil
				}
				return p
			},
		}},
	}
	for i := range list {
		if list[i].roles == 0 && !strings.Contains(list[i].guards, "8.44") {
			list[i].roles = ForServers
		}
	}
	return list
}

// known reports whether a field is part of a handshake.
func known(name string) bool {
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "host", "upgrade", "connection", "sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol",
		"sec-websocket-extensions", "sec-websocket-accept", "origin", "content-length", "transfer-encoding", "user-agent":
		return true
	}
	return false
}

// sayBytes sends bytes to the peer, from within hears and reads.
func (m *middle) sayBytes(s string) {
	m.turn <- struct{}{}
	defer func() { <-m.turn }()
	m.Conn.Write([]byte(s))
}
