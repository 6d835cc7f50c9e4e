//go:build !race && !invariants

package conform

import (
	"bytes"
	"compress/flate"
	"io"
	"slices"
	"strings"

	"curlew.example/curlew"
)

const extensions = "Sec-WebSocket-Extensions"

// someBits are the windows that there are.
var someBits = strings.Fields("8 9 10 11 12 13 14 15")

// disobeys agrees to a parameter that our connection does not know of: it is taken
// out of what our connection gets, and put into what it sends if it is a server.
// The value that stands in the offer is kept.
func disobeys(parameter string) damage {
	return damage{
		hears: func(m *middle, h *head) {
			e := h.list(extensions)
			var left []string
			for p := range strings.SplitSeq(e, ";") {
				name, value, has := strings.Cut(strings.TrimSpace(p), "=")
				right := !has && strings.HasSuffix(name, "takeover") || isBits(name) && slices.Contains(someBits, value)
				if name == parameter && right && m.begun == nil {
					m.begun = []byte(strings.TrimSpace(p))
				} else {
					left = append(left, p)
				}
			}
			if m.begun != nil && !strings.Contains(e, ",") && wellFormed(e) {
				set(extensions, strings.Join(left, ";"))(h)
			} else {
				m.begun = nil
			}
		},
		says: func(m *middle, h *head) {
			if e := h.get(extensions); e != "" && m.begun != nil && m.server {
				set(extensions, e+"; "+string(m.begun))(h)
			}
		},
	}
}

// believes makes our connection believe in a parameter that was not agreed: it is
// put into what our connection gets, and taken out of what it sends.
func believes(parameter string) damage {
	name, _, _ := strings.Cut(parameter, "=")
	return damage{
		hears: func(m *middle, h *head) {
			if e := h.get(extensions); e != "" && !strings.Contains(e, name+"=") && !strings.Contains(e, ",") && strings.HasPrefix(e, deflateName) && wellFormed(e) {
				if strings.Contains(e, "client_max_window_bits") && strings.Contains(parameter, "client_max") {
					e = strings.Replace(e, "; client_max_window_bits", "", 1)
				}
				if !strings.Contains(e, parameter) {
					set(extensions, e+"; "+parameter)(h)
					m.flags["believes"] = true
				}
			}
		},
		says: func(m *middle, h *head) {
			if e := h.get(extensions); e != "" && m.flags["believes"] && m.server {
				set(extensions, strings.Replace(e, "; "+parameter, "", 1))(h)
			}
		},
	}
}

// packsWell makes our connection find what repeats itself.
func packsWell(o *curlew.Options) {
	c := *o.Compression
	c.Level = 9
	o.Compression = &c
}

// inflates reports whether a message is DEFLATE by itself.
func inflates(p []byte) bool {
	r := flate.NewReader(io.MultiReader(bytes.NewReader(p), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff")))
	_, err := io.Copy(io.Discard, io.LimitReader(r, 1<<20))
	return err == nil
}

// firstPacked chooses the first message, if it is compressed and in one frame.
func firstPacked(m *middle, f *frame) bool {
	first := isData(f) && !m.inside(f) && !m.flags["first"]
	if first {
		m.flags["first"] = true
	}
	return first && m.packs && f.rsv == rsv1 && !f.open && *f.claim < 1<<16
}

// plainOffer puts the simplest offer in the place of those that are chosen.
func plainOffer(which func(e string) bool) damage {
	return hears(func(m *middle, h *head) {
		if e := h.list(extensions); h.count(extensions) > 0 && which(e) {
			del(extensions)(h)
			add(extensions, deflateName)(h)
		}
	})
}

// noOffer takes away the offers that are chosen, which declines them.
func noOffer(which func(e string, h *head) bool) damage {
	return hears(func(m *middle, h *head) {
		if e := h.list(extensions); h.count(extensions) > 0 && which(e, h) {
			del(extensions)(h)
			if !m.server {
				spoil(h)
			}
		}
	})
}

// parametersOf are those of all offers, as they are written.
func parametersOf(e string) (all []string) {
	for p := range strings.FieldsFuncSeq(e, func(r rune) bool { return r == ';' || r == ',' }) {
		all = append(all, strings.TrimSpace(p))
	}
	return all
}

func anyParameter(e string, which func(name, value string, has bool) bool) bool {
	return slices.ContainsFunc(parametersOf(e), func(p string) bool {
		name, value, has := strings.Cut(p, "=")
		return which(strings.TrimSpace(name), strings.TrimSpace(value), has)
	})
}

func isBits(name string) bool { return strings.HasSuffix(name, "max_window_bits") }

// deflateMutants are wrong about permessage-deflate.
func deflateMutants() []mutant {
	packed := func(f *frame) bool { return f.rsv&rsv1 != 0 }
	all := "12 13.1 13.2 13.3 13.4 13.5 13.6 13.7 13.8 13.9 13.10 13.11 13.12 13.13"
	return []mutant{
		// What is sent.
		{name: "what is compressed has no RSV1", guards: "12.7.3", long: all, damage: sends(packed, oneFrame(func(f *frame) { f.rsv = 0 }))},
		{name: "long messages that are compressed have no RSV1", guards: "12.7.7", long: all, damage: sends(
			func(f *frame) bool { return packed(f) && len(f.payload) > 200 }, oneFrame(func(f *frame) { f.rsv = 0 }))},
		{name: "pongs have RSV1", guards: "12.7.14", damage: damage{sends: func(m *middle, f frame) []frame {
			if isPong(&f) && m.packs {
				f.rsv = rsv1
			}
			return []frame{f}
		}}},
		{name: "all fragments of what is compressed have RSV1", guards: "12.7.8", long: all, options: func(o *curlew.Options) { o.MaxFrame = 100 },
			damage: damage{sends: func(m *middle, f frame) []frame {
				if isData(&f) {
					if f.op != opCont {
						m.kind = f.rsv
					}
					f.rsv = m.kind
				}
				return []frame{f}
			}}},
		{name: "what is compressed lacks its last byte", guards: "12.7.3", long: all, damage: sends(
			func(f *frame) bool { return packed(f) && len(f.payload) > 1 }, oneFrame(func(f *frame) { f.payload = f.payload[:len(f.payload)-1] }))},
		{name: "the answer to an empty message is nothing, compressed", guards: "12.7.1", damage: sends(
			func(f *frame) bool { return packed(f) && len(f.payload) == 1 }, oneFrame(func(f *frame) { f.payload = []byte{7} }))},
		{name: "the first message is sent once more", guards: "12.7.9", damage: damage{sends: func(m *middle, f frame) []frame {
			if packed(&f) && m.begun == nil {
				m.begun = f.payload
			} else if packed(&f) {
				f.payload = m.begun
			}
			return []frame{f}
		}}},
		{name: "server_no_context_takeover is not obeyed", roles: ForServers, guards: "13.17.1", long: all, damage: disobeys("server_no_context_takeover")},
		{name: "client_no_context_takeover is not obeyed", roles: ForClients, guards: "13.17.1", long: all, damage: disobeys("client_no_context_takeover")},
		{name: "server_max_window_bits is not obeyed", roles: ForServers, guards: "13.14", long: all, options: packsWell, damage: disobeys("server_max_window_bits")},
		{name: "client_max_window_bits is not obeyed", roles: ForClients, guards: "13.14", long: all, options: packsWell, damage: disobeys("client_max_window_bits")},

		// What is taken.
		{name: "the context of clients is not kept", roles: ForServers, guards: "13.16 13.18.1", long: all, damage: believes("client_no_context_takeover")},
		{name: "the context of servers is not kept", roles: ForClients, guards: "13.16 13.18.1", long: all, damage: believes("server_no_context_takeover")},
		{name: "the window of clients is 9 bits", roles: ForServers, guards: "13.18.10", long: all, damage: believes("client_max_window_bits=9")},
		{name: "the window of servers is 9 bits", roles: ForClients, guards: "13.18.10", long: all, damage: believes("server_max_window_bits=9")},
		{name: "the window of clients is 1 bit less", guards: "13.15.2 13.16.2", roles: ForServers, long: all, damage: damage{
			hears: func(m *middle, h *head) {
				for i := range someBits[1:] {
					from, to := "client_max_window_bits="+someBits[i+1], "client_max_window_bits="+someBits[i]
					if e := h.list(extensions); strings.Contains(e, from) && h.count(extensions) == 1 {
						set(extensions, strings.Replace(e, from, to, 1))(h)
						m.swap = [2]string{to, from}
						return
					}
				}
			},
			says: func(m *middle, h *head) {
				if e := h.get(extensions); e != "" && m.swap[0] != "" {
					set(extensions, strings.Replace(e, m.swap[0], m.swap[1], 1))(h)
				}
			},
		}},
		{name: "the window of servers is 1 bit less", guards: "13.15.2 13.16.2", roles: ForClients, long: all, damage: hears(func(m *middle, h *head) {
			for i := range someBits[1:] {
				from, to := "server_max_window_bits="+someBits[i+1], "server_max_window_bits="+someBits[i]
				if e := h.list(extensions); strings.Contains(e, from) && h.count(extensions) == 1 {
					set(extensions, strings.Replace(e, from, to, 1))(h)
					return
				}
			}
		})},
		{name: "what does not inflate comes back as something", guards: "14.3 14.4.1 14.5.1", damage: damage{
			opens: func(m *middle, f *frame) bool {
				m.flags["packed"] = m.flags["packed"] || packed(f)
				return true
			},
			sends: func(m *middle, f frame) []frame {
				if isClose(&f) && m.flags["packed"] && codeOf(&f) != 1000 {
					return append(m.said(bin([]byte("something"))), f)
				}
				return []frame{f}
			},
		}},
		{name: "RSV1 is taken without compression", guards: "14.1.1", damage: damage{opens: func(m *middle, f *frame) bool {
			if !m.packs {
				f.rsv &^= rsv1
			}
			return true
		}}},
		{name: "RSV1 of continuations means nothing", guards: "14.2.6", damage: overlook(func(f *frame) {
			if f.op == opCont {
				f.rsv &^= rsv1
			}
		})},
		{name: "RSV1 of control frames means nothing", guards: "14.2.1", damage: overlook(func(f *frame) {
			if isControl(f) {
				f.rsv &^= rsv1
			}
		})},
		{name: "RSV2 and RSV3 beside RSV1 mean nothing", guards: "14.2.13", damage: overlook(func(f *frame) {
			if f.rsv&rsv1 != 0 {
				f.rsv = rsv1
			}
		})},
		{name: "what does not inflate is skipped", guards: "14.3", damage: alter(
			firstPacked,
			func(_ *middle, f frame) []frame {
				if !inflates(f.payload) {
					return nil
				}
				return []frame{f}
			})},
		{name: "what does not inflate is empty", guards: "14.3 14.4.1", damage: alter(
			firstPacked,
			func(_ *middle, f frame) []frame {
				if !inflates(f.payload) {
					f.payload, f.rsv, f.width = nil, 0, 0
				}
				return []frame{f}
			})},
		{name: "what is cut off inflates as far as it goes", guards: "14.4.3 14.4.5", damage: alter(
			firstPacked,
			func(_ *middle, f frame) []frame {
				r := flate.NewReader(io.MultiReader(bytes.NewReader(f.payload), strings.NewReader("\x00\x00\xff\xff")))
				p, err := io.ReadAll(io.LimitReader(r, 1<<20))
				if err == io.ErrUnexpectedEOF && !inflates(f.payload) {
					f.payload, f.rsv, f.width = p, 0, 0
				}
				return []frame{f}
			})},
		{name: "compressed text is not checked", guards: "14.6.1", options: func(o *curlew.Options) { o.AllowInvalidUTF8 = true }},
		{name: "compressed messages have 10 KB at most", guards: "12.7.16", long: all, options: func(o *curlew.Options) { o.MaxMessage = 10_000 }},
		{name: "fragments of compressed messages are not put together", guards: "12.7.13", long: all, damage: damage{opens: func(m *middle, f *frame) bool {
			if before := m.inside(f); isData(f) && !before && f.open && packed(f) {
				f.rsv |= rsv2
			}
			return true
		}}},
		{name: "compressed messages have one block", guards: "14.10.1 14.10.11", damage: alter(
			firstPacked,
			func(_ *middle, f frame) []frame {
				if len(f.payload) > 0 && (f.payload[0]&1 == 1 || f.payload[0]&6 == 0) {
					f.rsv |= rsv2
				}
				return []frame{f}
			})},
		{name: "fixed Huffman codes are refused", guards: "14.10.2 14.10.12", damage: overlookFirst(func(b byte) bool { return b&6 == 2 })},
		{name: "stored blocks are refused", guards: "14.10.1", damage: overlookFirst(func(b byte) bool { return b&6 == 0 })},
		{name: "dynamic Huffman codes are refused", guards: "14.10.10 14.10.13", damage: overlookFirst(func(b byte) bool { return b&6 == 4 })},
		{name: "uncompressed messages are refused where compression was agreed", guards: "12.7.11 12.7.12", damage: damage{opens: func(m *middle, f *frame) bool {
			if before := m.inside(f); m.packs && isData(f) && !before && f.rsv == 0 {
				f.rsv = rsv2
			}
			return true
		}}},

		// What is agreed.
		{name: "offers are not looked at", guards: "13.20", damage: plainOffer(func(e string) bool { return strings.Contains(e, deflateName) }), roles: ForServers},
		{name: "any extension is permessage-deflate", guards: "13.24", damage: plainOffer(func(string) bool { return true }), roles: ForServers},
		{name: "offers are looked for permessage-deflate", guards: "13.24.4 13.24.5", roles: ForServers, damage: plainOffer(func(e string) bool {
			return strings.Contains(e, deflateName) && !anyParameter(e, func(name, _ string, _ bool) bool { return name == deflateName })
		})},
		{name: "malformed offers are taken", guards: "13.25.1 13.25.9", roles: ForServers, damage: plainOffer(func(e string) bool { return strings.Contains(e, "deflate") && !wellFormed(e) })},
		{name: "windows of any bits are taken", guards: "13.20.9 13.20.10", roles: ForServers, damage: plainOffer(func(e string) bool {
			return anyParameter(e, func(name, value string, has bool) bool {
				return isBits(name) && !slices.Contains(someBits, strings.Trim(value, `"\`)) && (has || name[0] == 's')
			})
		})},
		{name: "windows are numbers of any form", guards: "13.20.12 13.20.15", roles: ForServers, damage: plainOffer(func(e string) bool {
			return anyParameter(e, func(name, value string, has bool) bool {
				return isBits(name) && has && slices.Contains(strings.Fields("08 010 +9 10.0 1e1 0xa 4294967306 18446744073709551626 9x"), value)
			})
		})},
		{name: "unknown parameters are taken", guards: "13.20.1 13.20.2", roles: ForServers, damage: plainOffer(func(e string) bool {
			return strings.HasPrefix(e, deflateName) && !strings.Contains(e, ",") && anyParameter(e, func(name, _ string, _ bool) bool {
				return name == "unknown" || name == "mode"
			})
		})},
		{name: "parameters may be there twice", guards: "13.20.30", roles: ForServers, damage: plainOffer(func(e string) bool {
			p := parametersOf(e)
			return !strings.Contains(e, ",") && len(p) == 3 && cutAt(p[1]) == cutAt(p[2])
		})},
		{name: "takeover may have a value", guards: "13.20.4 13.20.6", roles: ForServers, damage: plainOffer(func(e string) bool {
			return !strings.Contains(e, ",") && anyParameter(e, func(name, _ string, has bool) bool { return has && strings.HasSuffix(name, "takeover") })
		})},
		{name: "only the first offer counts", guards: "13.23.14", roles: ForServers, damage: noOffer(func(e string, h *head) bool {
			first, _, more := strings.Cut(e, ",")
			return more && (!wellFormed(first) || strings.TrimSpace(first) != deflateName && strings.TrimSpace(first) != deflateName+"; client_max_window_bits")
		})},
		{name: "offers have no quotes", guards: "13.23.1", damage: noOffer(func(e string, _ *head) bool { return strings.Contains(e, `"`) })},
		{name: "offers have no empty members", guards: "13.23.5 13.23.6", damage: noOffer(func(e string, _ *head) bool {
			return slices.ContainsFunc(strings.Split(e, ","), func(m string) bool { return strings.TrimSpace(m) == "" })
		})},
		{name: "offers have a space behind the semicolon", guards: "13.23.3", damage: noOffer(func(e string, _ *head) bool {
			return strings.Contains(e, ";") && strings.Count(e, "; ") != strings.Count(e, ";") || strings.Contains(e, "\t")
		})},
		{name: "offers stand on one line", guards: "13.23.11", roles: ForServers, damage: noOffer(func(_ string, h *head) bool { return h.count(extensions) > 1 })},
		{name: "an unknown extension declines all", guards: "13.23.8 13.23.10", roles: ForServers, damage: noOffer(func(e string, _ *head) bool {
			return strings.Contains(e, "x-") || strings.Contains(e, "foo")
		})},
		{name: "the answer leaves out its window", guards: "13.22.6", roles: ForServers, damage: says(func(_ *middle, h *head) {
			if e := h.get(extensions); strings.Contains(e, "; server_max_window_bits") {
				before, after, _ := strings.Cut(e, "; server_max_window_bits")
				_, after, more := strings.Cut(after, ";")
				if more {
					before += ";"
				}
				set(extensions, before+after)(h)
			}
		})},
		{name: "the answer leaves out server_no_context_takeover", guards: "13.22.2", roles: ForServers, damage: says(func(_ *middle, h *head) {
			if e := h.get(extensions); e != "" {
				set(extensions, strings.Replace(e, "; server_no_context_takeover", "", 1))(h)
			}
		})},
		{name: "the answer has a larger window than was offered", guards: "13.22.6", roles: ForServers, damage: says(func(m *middle, h *head) {
			if e := h.get(extensions); strings.Contains(m.extensions, "server_max_window_bits") {
				for _, b := range []string{"=8", "=9", "=10", "=11", "=12"} {
					e = strings.Replace(e, "server_max_window_bits"+b, "server_max_window_bits=15", 1)
				}
				set(extensions, e)(h)
			}
		})},
		{name: "the answer has client_max_window_bits, offered or not", guards: "13.22.1", long: "13.1", roles: ForServers, damage: says(func(_ *middle, h *head) {
			if e := h.get(extensions); e != "" && !strings.Contains(e, "client_max_window_bits") {
				set(extensions, e+"; client_max_window_bits=15")(h)
			}
		})},
		{name: "the answer has client_max_window_bits without a value", guards: "13.22.9", roles: ForServers, damage: says(func(m *middle, h *head) {
			if e := h.get(extensions); e != "" && strings.Contains(m.extensions, "client_max_window_bits") && !strings.Contains(e, "client_max_window_bits") {
				set(extensions, e+"; client_max_window_bits")(h)
			}
		})},
		{name: "the answer has an unknown parameter", guards: "13.22.1", long: all, roles: ForServers, damage: says(func(_ *middle, h *head) {
			if e := h.get(extensions); e != "" {
				set(extensions, e+"; unknown")(h)
			}
		})},
		{name: "the answer stands there twice", guards: "13.22.1", long: all, roles: ForServers, damage: says(func(_ *middle, h *head) {
			if e := h.get(extensions); e != "" {
				add(extensions, e)(h)
			}
		})},

		// What clients take and offer.
		{name: "answers about compression are not looked at", guards: "13.30", roles: ForClients, damage: hears(func(_ *middle, h *head) {
			if h.count(extensions) > 0 {
				del(extensions)(h)
				add(extensions, deflateName)(h)
			}
		})},
		{name: "only the first extension of an answer counts", guards: "13.30.24 13.30.27", roles: ForClients, damage: hears(func(_ *middle, h *head) {
			if e := h.list(extensions); strings.HasPrefix(e, deflateName) {
				first, _, _ := strings.Cut(e, ",")
				del(extensions)(h)
				add(extensions, first)(h)
			}
		})},
		{name: "windows of any bits are taken from servers", guards: "13.30.6 13.30.7", roles: ForClients, damage: plainAnswer(func(e string) bool {
			return anyParameter(e, func(name, value string, has bool) bool {
				return isBits(name) && !slices.Contains(someBits, strings.Trim(value, `"\`))
			})
		})},
		{name: "unknown parameters are taken from servers", guards: "13.30.1 13.30.2", roles: ForClients, damage: plainAnswer(func(e string) bool {
			return !strings.Contains(e, ",") && wellFormed(e) && anyParameter(e, func(name, _ string, _ bool) bool {
				return !isBits(name) && !strings.HasSuffix(name, "takeover") && name != deflateName
			})
		})},
		{name: "parameters may be there twice in answers", guards: "13.30.20", roles: ForClients, damage: plainAnswer(func(e string) bool {
			p := parametersOf(e)
			return !strings.Contains(e, ",") && len(p) == 3 && cutAt(p[1]) == cutAt(p[2])
		})},
		{name: "takeover may have a value in answers", guards: "13.30.3", roles: ForClients, damage: plainAnswer(func(e string) bool {
			return anyParameter(e, func(name, _ string, has bool) bool { return has && strings.HasSuffix(name, "takeover") })
		})},
		{name: "malformed answers about compression are taken", guards: "13.30.32", roles: ForClients, damage: plainAnswer(func(e string) bool { return !wellFormed(e) })},
		{name: "the client forgets what it offered", guards: "13.31.1", long: all, roles: ForClients, damage: says(edited(del(extensions)))},
		{name: "the client forgets that it asked for small windows", guards: "13.31.3 13.31.4", roles: ForClients, damage: damage{
			says: func(_ *middle, h *head) {
				if e := h.get(extensions); e != "" {
					set(extensions, e+"; server_max_window_bits=9; server_no_context_takeover")(h)
				}
			},
		}},
		{name: "the client forgets that it offered client_max_window_bits", guards: "13.31.2", roles: ForClients, damage: says(func(_ *middle, h *head) {
			if e := h.get(extensions); e != "" {
				set(extensions, strings.Replace(e, "; client_max_window_bits", "", 1))(h)
			}
		})},
		{name: "answers without an extension are refused", guards: "13.32.1", roles: ForClients, damage: onlyIf(func(_ *middle, h *head) bool { return isEarly(h) || h.count(extensions) > 0 })},
		{name: "answers with takeover parameters are refused", guards: "13.32.2 13.32.3", long: all, roles: ForClients, damage: noOffer(func(e string, _ *head) bool { return strings.Contains(e, "takeover") })},
		{name: "answers with windows are refused", guards: "13.32.5 13.32.8", long: all, roles: ForClients, damage: noOffer(func(e string, _ *head) bool { return strings.Contains(e, "bits=") })},
	}
}

func cutAt(p string) string {
	name, _, _ := strings.Cut(p, "=")
	return name
}

// plainAnswer puts the simplest answer in the place of those that are chosen.
func plainAnswer(which func(e string) bool) damage {
	return hears(func(_ *middle, h *head) {
		if e := h.list(extensions); h.count(extensions) > 0 && which(e) {
			del(extensions)(h)
			add(extensions, deflateName)(h)
		}
	})
}

// overlookFirst refuses compressed messages by the first byte of the first block.
func overlookFirst(which func(b byte) bool) damage {
	return alter(
		firstPacked,
		func(_ *middle, f frame) []frame {
			if len(f.payload) > 0 && which(f.payload[0]) {
				f.rsv |= rsv2
			}
			return []frame{f}
		})
}
