package conform

import (
	"bytes"
	"fmt"
	"strings"
)

// Section 1: messages come back as they were sent.
func messages() []Case {
	var all, cut []Case

	// The lengths at which the header changes its form, and those beside them.
	for k, kind := range []string{"text", "binary"} {
		message := func(n int) frame {
			if kind == "text" {
				return text(letters(n))
			}
			return bin(octets(n))
		}
		var whole, chopped []Case
		for _, v := range []struct{ size, chop int }{
			{0, 0}, {125, 0}, {126, 0}, {127, 0}, {128, 0}, {65535, 0}, {65536, 0}, {65536, 997}, {1, 0}, {124, 0}, {65534, 0}, {65537, 0},
		} {
			c := Case{Title: fmt.Sprintf("a %s message of %d bytes", kind, v.size), Script: script{echo(message(v.size))}}
			if v.chop > 0 {
				c.Title += fmt.Sprintf(" in writes of %d", v.chop)
				c.Script = script{chop(v.chop, message(v.size)), want(message(v.size))}
			}
			if v.size > 65535 {
				c.Size = v.size
			}
			whole = append(whole, c)
		}
		for _, v := range []struct{ size, chop int }{
			{0, 1}, {1, 1}, {125, 1}, {126, 1}, {128, 1}, {126, 2}, {127, 3}, {128, 5}, {1000, 7}, {65535, 4096}, {65536, 101},
		} {
			c := Case{Title: fmt.Sprintf("a %s message of %d bytes in writes of %d", kind, v.size, v.chop),
				Script: script{chop(v.chop, message(v.size)), want(message(v.size))}}
			if v.size > 65535 {
				c.Size = v.size
			}
			chopped = append(chopped, c)
		}
		all = append(all, group(fmt.Sprintf("1.%d", 1+k), "RFC 6455, 5.2 and 5.6", "a message may have any length, coded in the header in 7, 16 or 64 bits", whole...)...)
		cut = append(cut, group(fmt.Sprintf("1.%d", 3+k), "RFC 6455, 5.2", "TCP is a stream: how it is cut into segments means nothing", chopped...)...)
	}
	all = append(all, cut...)

	// Several messages.
	var many, mixed, sizes, beside []frame
	for i := range 10 {
		many = append(many, text(fmt.Sprintf("message %d", i)))
		mixed = append(mixed, text(fmt.Sprintf("text %d", i)), bin([]byte(fmt.Sprintf("binary %d", i))))
	}
	for i := range 256 {
		sizes = append(sizes, bin(octets(i)))
	}
	for i := range 6 {
		beside = append(beside, text(""), text(strings.Repeat("x", i)), bin(nil))
	}
	var steps []Step
	for _, n := range []int{0, 1, 65536, 2, 125, 126, 40000, 127, 65535, 0, 3} {
		steps = append(steps, echo(bin(octets(n))), echo(text(letters(n))))
	}
	all = append(all, group("1.5", "RFC 6455, 5.4 and 5.6", "each message comes back with its type, in the order sent",
		Case{Title: "ten text messages in one write", Script: script{echo(many...)}},
		Case{Title: "text and binary messages in turns, in one write", Script: script{echo(mixed...)}},
		Case{Title: "text and binary messages in turns, octet by octet", Script: script{octetwise(mixed...), want(mixed...)}},
		Case{Title: "messages of 0 to 255 bytes in one write", Script: script{echo(sizes...)}},
		Case{Title: "messages of 0 to 255 bytes in writes of 100", Script: script{chop(100, sizes...), want(sizes...)}},
		Case{Title: "empty messages between others", Script: script{echo(beside...)}},
		Case{Title: "large and small messages one after another", Size: 65536, Script: steps},
	)...)

	// Contents.
	var every []byte
	for i := range 256 {
		every = append(every, byte(i))
	}
	lookalike := []byte{0x81, 0x05, 'h', 'e', 'l', 'l', 'o', 0x88, 0x02, 0x03, 0xE8, 0x89, 0x00, 0x88, 0x80, 0, 0, 0, 0}
	all = append(all, group("1.6", "RFC 6455, 5.6", "a payload is the application's: it is neither looked into nor changed",
		Case{Title: "a binary message of all byte values", Script: script{echo(bin(every))}},
		Case{Title: "a text message of control characters and line ends",
			Script: script{echo(text("\x00 \t \n \r\n \x1b[2J \x7f \" \\ </script> \x00"))}},
		Case{Title: "a binary message that is not UTF-8", Script: script{echo(bin([]byte("\xff\xfe\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80\xe2\x82")))}},
		Case{Title: "a binary message that looks like frames", Script: script{echo(bin(lookalike)), quiet()}},
		Case{Title: "a text message that looks like a request", Script: script{echo(text("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"))}},
		Case{Title: "a text message of two, three and four byte characters", Script: script{echo(text(strings.Repeat("é€𝄞", 30)))}},
		Case{Title: "a text message that begins with U+FEFF", Script: script{echo(text("\ufeffnot a mark"))}},
		Case{Title: "64 KiB of zeros", Size: 65536, Script: script{echo(bin(make([]byte, 65536)))}},
		Case{Title: "64 KiB of the byte 0xFF", Size: 65536, Script: script{echo(bin(bytes.Repeat([]byte{0xFF}, 65536)))}},
	)...)
	return all
}
