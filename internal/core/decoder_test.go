package core

import (
	"strings"
	"testing"

	"curlew.example/curlew/frame"
)

// A vector is bytes of the peer and what they mean.
type vector struct {
	name   string
	config Config
	wire   *wire
	want   string
}

const long = "0123456789abcdefghijklmnopqrstuvwxyz, over and over again: "

// vectors are checked whole, at every prefix and in every split. RFC 6455, 5.7
// is among them.
func vectors() []vector {
	server, clnt := open, client(open)
	small := open
	small.MaxMessage, small.MaxFragments = 5, 2
	loose := open
	loose.CheckUTF8 = false
	keep := packed(client(open))
	keep.KeepContext = true
	tight := packed(small)

	mid := strings.Repeat(long, 3) // a length of 16 bits
	both := func(name string, f func(*wire) *wire, want string) []vector {
		return []vector{
			{name + "/server", server, f(to(server)), want},
			{name + "/client", clnt, f(to(clnt)), want},
		}
	}
	var all []vector
	all = append(all, both("hello", func(w *wire) *wire { return w.text("Hello") }, read(frame.Text, "Hello"))...)
	all = append(all, both("nothing", func(w *wire) *wire { return w.text("").binary("") },
		read(frame.Text, "")+"\n"+read(frame.Binary, ""))...)
	all = append(all, both("FR15 ping between fragments", func(w *wire) *wire {
		return w.more(frame.Text, "He").ping("1").pong("").last("llo").ping("2")
	}, `text first "He" end
ping "1"
pong ""
text last "llo" end
ping "2"`)...)
	all = append(all, both("FR20 empty fragments", func(w *wire) *wire {
		return w.more(frame.Binary, "").more(frame.Continuation, "").last("")
	}, `binary first "" end
binary "" end
binary last "" end`)...)
	all = append(all, both("FR25 longest ping", func(w *wire) *wire { return w.ping(mid[:125]).text("x") },
		"ping "+brief2(mid[:125])+"\n"+read(frame.Text, "x"))...)
	all = append(all, both("16 bits", func(w *wire) *wire { return w.binary(mid).text("x") },
		read(frame.Binary, mid)+"\n"+read(frame.Text, "x"))...)
	all = append(all, both("text cut in characters", func(w *wire) *wire {
		return w.more(frame.Text, "\xce").more(frame.Continuation, "\xba\xe2\x82").ping("x").last("\xac")
	}, "text first \"\\xce\" end\ntext \"\\xba\\xe2\\x82\" end\nping \"x\"\ntext last \"\\xac\" end")...)
	all = append(all, both("UT text ends in a character", func(w *wire) *wire { return w.text("a\xe2\x82").text("x") },
		"fail 1007 RFC 6455, 8.1: text is not valid UTF-8")...)
	all = append(all, both("UT bad byte in the second fragment", func(w *wire) *wire {
		return w.more(frame.Text, "good").last("\xc0\x80").text("x")
	}, "text first \"good\" end\nfail 1007 RFC 6455, 8.1: text is not valid UTF-8")...)
	all = append(all, both("CL1", func(w *wire) *wire { return w.close(frame.NoStatus, "").text("x").raw("\xff\xff") }, `close 1005 ""`)...)
	all = append(all, both("CL2", func(w *wire) *wire { return w.op(frame.Close, "\x03").text("x") },
		"fail 1002 RFC 6455, 5.5.1: close body of one byte")...)
	all = append(all, both("CL3", func(w *wire) *wire { return w.op(frame.Close, "\x03\xec") },
		"fail 1002 RFC 6455, 7.4: close code that may not be sent")...)
	all = append(all, both("CL6", func(w *wire) *wire { return w.op(frame.Close, "\x03\xe8\xff") },
		"fail 1007 RFC 6455, 5.5.1: close reason is not valid UTF-8")...)
	all = append(all, both("CL8 after a Close", func(w *wire) *wire {
		return w.text("a").close(1000, "bye").ping("x").close(1001, "").text("b")
	}, read(frame.Text, "a")+"\n"+`close 1000 "bye"`)...)
	all = append(all, both("FR16 Close between fragments", func(w *wire) *wire {
		return w.more(frame.Text, "\xe2").close(4999, "ü").last("x")
	}, "text first \"\\xe2\" end\nclose 4999 \"ü\"")...)
	all = append(all, both("FR13", func(w *wire) *wire { return w.last("x") },
		"fail 1002 RFC 6455, 5.4: continuation without a message to continue")...)
	all = append(all, both("FR14", func(w *wire) *wire { return w.more(frame.Text, "a").binary("b") },
		"text first \"a\" end\nfail 1002 RFC 6455, 5.4: new message before the last frame of the one before")...)
	all = append(all, both("FR6 ping", func(w *wire) *wire { return w.raw("\x89\x7e\x00\x05") },
		"fail 1002 RFC 6455, 5.2: length not in its shortest form")...)
	all = append(all, both("FR7", func(w *wire) *wire { return w.raw("\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00") },
		"fail 1002 RFC 6455, 5.2: length with the most significant bit set")...)
	all = append(all, both("FR29", func(w *wire) *wire { return w.raw("GET / HTTP/1.1\r\n\r\n") },
		"fail 1002 RFC 6455, 5.2: reserved bit without an extension that defines it")...)
	all = append(all,
		vector{"FR1", server, to(clnt).text("x"), "fail 1002 RFC 6455, 5.1: frame of a client is not masked"},
		vector{"FR2", clnt, to(server).text("x"), "fail 1002 RFC 6455, 5.1: frame of a server is masked"},
		vector{"invalid text that is allowed", loose, to(loose).text("\xff").close(1000, ""), read(frame.Text, "\xff") + "\n" + `close 1000 ""`},
		vector{"invalid reason that is not", loose, to(loose).op(frame.Close, "\x03\xe8\xff"),
			"fail 1007 RFC 6455, 5.5.1: close reason is not valid UTF-8"},
		vector{"FR31 at the limit", small, to(small).text("12345").more(frame.Binary, "123").ping("a ping is not of the message").last("45"),
			read(frame.Text, "12345") + "\nbinary first \"123\" end\nping \"a ping is not of the message\"\nbinary last \"45\" end"},
		vector{"FR31 over the limit", small, to(small).text("123456"), "fail 1009 RFC 6455, 7.4.1: message too big"},
		vector{"FR31 over by fragments", small, to(small).more(frame.Text, "12345").last("6"),
			"text first \"12345\" end\nfail 1009 RFC 6455, 7.4.1: message too big"},
		vector{"FR17 fragments", small, to(small).more(frame.Text, "").more(frame.Continuation, "").last(""),
			"text first \"\" end\ntext \"\" end\nfail 1008 RFC 6455, 10.4: too many fragments"},
		vector{"PD6 both kinds", packed(server), to(server).text("plain").compressed(true, frame.Text, compress("packed")).binary("plain"),
			read(frame.Text, "plain") + "\n" + read(frame.Text, "packed") + "\n" + read(frame.Binary, "plain")},
		vector{"PD26", packed(clnt), to(clnt).
			compressed(false, frame.Text, compress(mid)[:20]).ping("x").compressed(false, frame.Continuation, nil).
			pong("y").compressed(true, frame.Continuation, compress(mid)[20:]).text("z"), "?"},
		vector{"PD7", packed(server), to(server).compressed(true, frame.Text, nil).compressed(true, frame.Binary, []byte{0}).
			compressed(false, frame.Text, nil).compressed(true, frame.Continuation, nil),
			read(frame.Text, "") + "\n" + read(frame.Binary, "") + "\ntext first \"\" end\ntext last \"\" end"},
		vector{"PD8", packed(server), to(server).compressed(true, frame.Text, []byte("\x06")).text("x"),
			"fail 1007 RFC 7692, 7.2.2: corrupt deflate data: block of type 3 (RFC 1951, 3.2.3)"},
		vector{"PD8 cut short", packed(server), to(server).compressed(true, frame.Binary, compress("abc")[:3]).text("x"),
			"fail 1007 RFC 7692, 7.2.2: corrupt deflate data: message ends within a block (RFC 7692, 7.2.1)"},
		vector{"PD4 control", packed(server), to(server).put(frame.Header{Fin: true, RSV: frame.RSV1, Opcode: frame.Ping}, ""),
			"fail 1002 RFC 7692, 6: compression bit on a frame that does not begin a message"},
		vector{"PD5", packed(server), to(server).more(frame.Text, "a").put(frame.Header{Fin: true, RSV: frame.RSV1}, ""),
			"text first \"a\" end\nfail 1002 RFC 7692, 6: compression bit on a frame that does not begin a message"},
		vector{"FR32", packed(server), to(server).compressed(false, frame.Text, compress("a")).put(frame.Header{RSV: frame.RSV2}, ""),
			"text first \"a\" end\nfail 1002 RFC 6455, 5.2: reserved bit without an extension that defines it"},
		vector{"UT compressed", packed(server), to(server).compressed(true, frame.Text, compress("a\xff")),
			"fail 1007 RFC 6455, 8.1: text is not valid UTF-8"},
		vector{"UT compressed, ends in a character", packed(server), to(server).compressed(true, frame.Text, compress("a\xce")),
			"fail 1007 RFC 6455, 8.1: text is not valid UTF-8"},
		vector{"PD1 at the limit", tight, to(tight).compressed(true, frame.Text, compress("aaaaa")), read(frame.Text, "aaaaa")},
		vector{"PD1 over the limit", tight, to(tight).compressed(true, frame.Text, compress("aaaaaa")), "fail 1009 RFC 6455, 7.4.1: message too big"},
		vector{"CL17", packed(server), to(server).compressed(false, frame.Text, compress(mid)[:30]).close(1001, ""), "?"},
		// RFC 7692, 7.2.3.2: the second Hello refers back to the first.
		vector{"context takeover", keep, to(keep).compressed(true, frame.Text, []byte("\xf2\x48\xcd\xc9\xc9\x07\x00")).
			compressed(true, frame.Text, []byte("\xf2\x00\x11\x00\x00")), read(frame.Text, "Hello") + "\n" + read(frame.Text, "Hello")},
		vector{"PD17", packed(server), to(server).compressed(true, frame.Text, []byte("\xf2\x48\xcd\xc9\xc9\x07\x00")).
			compressed(true, frame.Text, []byte("\xf2\x00\x11\x00\x00")), read(frame.Text, "Hello") +
			"\nfail 1007 RFC 7692, 7.2.2: corrupt deflate data: distance beyond the window or its content (RFC 7692, 7.1)"},
	)
	return all
}

// brief2 is a payload as said writes those of control frames.
func brief2(p string) string { return `"` + p + `"` }

// TestFR21_Vectors: whole, byte by byte, in pieces of 2, 3, 5 and 7 bytes, and
// in every two pieces, the same comes out; and every prefix, in one piece or
// byte by byte, means the same, which the rest then continues.
func TestFR21_Vectors(t *testing.T) {
	balanced(t)
	for _, v := range vectors() {
		t.Run(v.name, func(t *testing.T) {
			b := v.wire.b
			want := decode(t, v.config, b)
			if v.want != "?" && want != v.want {
				t.Fatalf("got\n%s\nwant\n%s", want, v.want)
			}
			same := func(how, got string) {
				t.Helper()
				if got != want {
					t.Fatalf("%s\n%s\nwhole\n%s", how, got, want)
				}
			}
			for _, n := range []int{1, 2, 3, 5, 7} {
				same("chopped", decode(t, v.config, chop(b, n)...))
			}
			for i := range b {
				same("in two", decode(t, v.config, b[:i], b[i:]))
				same("with nothing between", decode(t, v.config, b[:i], nil, nil, b[i:]))
				one, many := decode(t, v.config, b[:i]), decode(t, v.config, chop(b[:i], 1)...)
				if one != many {
					t.Fatalf("the first %d bytes\n%s\nbyte by byte\n%s", i, one, many)
				}
				if done := complete(one); !strings.HasPrefix(want, done) {
					t.Fatalf("the first %d bytes\n%s\nwhole\n%s", i, one, want)
				}
			}
		})
	}
}

// complete is an account without the frame that is not complete.
func complete(s string) string {
	i := strings.LastIndexByte(s, '\n')
	if strings.HasSuffix(s[i+1:], " ...") {
		return s[:max(i, 0)]
	}
	return s
}

// TestFR21_InThree: three pieces, for what keeps most state.
func TestFR21_InThree(t *testing.T) {
	c := packed(open)
	w := to(c).more(frame.Text, "\xe2\x82").ping("xy").last("\xac").
		compressed(false, frame.Text, compress("\xe2\x82\xac\xe2\x82\xac")[:4]).ping("z").
		compressed(true, frame.Continuation, compress("\xe2\x82\xac\xe2\x82\xac")[4:]).close(3000, "é")
	want := decode(t, c, w.b)
	if !strings.HasSuffix(want, `close 3000 "é"`) {
		t.Fatal(want)
	}
	for i := range w.b {
		for j := i; j < len(w.b); j += 1 + i%3 {
			if got := decode(t, c, w.b[:i], w.b[i:j], w.b[j:]); got != want {
				t.Fatalf("cut at %d and %d:\n%s\nwhole\n%s", i, j, got, want)
			}
		}
	}
}

// Many frames of all kinds in one piece are all heard, in order.
func TestFR22_ManyFramesInOnePiece(t *testing.T) {
	w := to(open)
	var want strings.Builder
	for i := range 10_000 {
		switch i % 3 {
		case 0:
			w.text("message")
			want.WriteString(read(frame.Text, "message") + "\n")
		case 1:
			w.ping("p")
			want.WriteString("ping \"p\"\n")
		case 2:
			w.more(frame.Binary, "a").last("b")
			want.WriteString("binary first \"a\" end\nbinary last \"b\" end\n")
		}
	}
	whole := decode(t, open, w.b)
	if whole+"\n" != want.String() {
		t.Fatal("not what was sent")
	}
	for _, n := range []int{13, 1000} {
		if decode(t, open, chop(w.b, n)...) != whole {
			t.Errorf("in pieces of %d bytes it is something else", n)
		}
	}
}

// A key of zero bytes is a key.
func TestFR26_ZeroKey(t *testing.T) {
	b := frame.Header{Fin: true, Opcode: frame.Text, Masked: true, Length: 2}.Append(nil)
	if got, want := decode(t, open, append(b, "hi"...)), read(frame.Text, "hi"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Every reserved bit and opcode, in both roles, with and without compression and
// within a message.
func TestFR3_FR5_Reserved(t *testing.T) {
	for _, c := range []Config{open, client(open), packed(open), packed(client(open))} {
		for op := range frame.Opcode(16) {
			for rsv := range byte(8) {
				for _, within := range []bool{false, true} {
					w := to(c)
					want := ""
					if within {
						w.more(frame.Binary, "a")
						want = "binary first \"a\" end\n"
					}
					if rsv&^frame.RSV1 == 0 && !op.IsReserved() && (rsv == 0 || c.InflateBits != 0) {
						continue // good, or refused for another reason
					}
					w.put(frame.Header{Fin: true, RSV: rsv, Opcode: op}, "").text("x")
					got := decode(t, c, w.b)
					if !strings.HasPrefix(got, want+"fail 1002 RFC 6455, 5.2: reserved") || strings.Contains(got, "text") {
						t.Errorf("opcode %d, bits %d: %s", op, rsv, got)
					}
				}
			}
		}
	}
}

// What a Decoder tells about itself.
func TestDecoderTells(t *testing.T) {
	d := NewDecoder(&open)
	var ev Event
	check := func(when string, idle, between bool, wanted int64) {
		t.Helper()
		if d.Idle() != idle || d.Fresh() != idle || d.Between() != between || d.Wanted() != wanted {
			t.Errorf("%s: Idle %t, Between %t, Wanted %d; want %t, %t, %d",
				when, d.Idle(), d.Between(), d.Wanted(), idle, between, wanted)
		}
	}
	say := func(w *wire) {
		for b := w.b; ; {
			b = b[d.Next(b, &ev):]
			if ev.Kind == None {
				return
			}
		}
	}
	check("new", true, true, 0)
	say(to(open).raw("\x81"))
	check("within a header", false, true, 0)
	say(to(open).raw("\x85\x00\x00\x00\x00he"))
	check("within a payload", false, false, 3)
	say(to(open).raw("llo"))
	check("between messages", true, true, 0)
	say(to(open).more(frame.Text, "x"))
	check("between fragments", false, false, 0)
	say(to(open).raw("\x89\x85\x00\x00\x00\x00he"))
	check("within a ping between fragments", false, false, 3)
	d.Release()
	say(to(open).text("x"))
	if ev.Kind != None {
		t.Error("heard after Release")
	}
}
