package handshake

import (
	"slices"
	"strings"
	"testing"
)

// huge inputs of 64 KiB take minutes where the time is not linear.
const huge = 64 << 10

func TestParseTokens(t *testing.T) {
	for _, c := range []struct {
		name  string
		lines []string
		want  []string
		err   error
	}{
		{"none", nil, nil, nil},
		{"one", []string{"Upgrade"}, []string{"Upgrade"}, nil},
		{"HS9 two", []string{"keep-alive, Upgrade"}, []string{"keep-alive", "Upgrade"}, nil},
		{"HS9 second line", []string{"keep-alive", "Upgrade"}, []string{"keep-alive", "Upgrade"}, nil},
		{"HS9 odd spacing", []string{" \tkeep-alive\t ,\tUpgrade "}, []string{"keep-alive", "Upgrade"}, nil},
		{"HS9 empty members", []string{",, ,Upgrade,", ""}, []string{"Upgrade"}, nil},
		{"no comma", []string{"foo websocket"}, nil, errListToken},
		{"inner tab", []string{"foo\twebsocket"}, nil, errListToken},
		{"quoted", []string{`"Upgrade"`}, nil, errListToken},
		{"NUL", []string{"a\x00"}, nil, errListToken},
		{"8 bit", []string{"a\x80"}, nil, errListToken},
		{"all characters", []string{"!#$%&'*+-.^_`|~09azAZ"}, []string{"!#$%&'*+-.^_`|~09azAZ"}, nil},
		{"many", []string{strings.Repeat("a,", maxMembers+1)}, nil, errListLong},
		{"commas", []string{strings.Repeat(",", huge) + "a"}, []string{"a"}, nil},
		{"spaces", []string{strings.Repeat(" ", huge) + "a" + strings.Repeat("\t", huge)}, []string{"a"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseTokens(c.lines)
			if err != c.err || !slices.Equal(got, c.want) {
				t.Errorf("ParseTokens = %q, %v; want %q, %v", got, err, c.want, c.err)
			}
		})
	}
}

func TestHS22_ParseSubprotocols(t *testing.T) {
	for _, c := range []struct {
		name  string
		lines []string
		want  []string
		err   error
	}{
		{"none", nil, nil, nil},
		{"two", []string{"chat, superchat"}, []string{"chat", "superchat"}, nil},
		{"two lines", []string{"chat", "superchat"}, []string{"chat", "superchat"}, nil},
		{"case differs", []string{"chat,Chat"}, []string{"chat", "Chat"}, nil},
		{"empty", []string{""}, nil, errListEmpty},
		{"comma", []string{","}, nil, errListEmpty},
		{"comma behind", []string{"chat,"}, nil, errListEmpty},
		{"twice", []string{"chat, chat"}, nil, errListTwice},
		{"twice on two lines", []string{"chat", "chat"}, nil, errListTwice},
		{"separator", []string{"chat/1"}, nil, errListToken},
		{"space", []string{"chat 1"}, nil, errListToken},
		{"not a token", []string{"caf\u00e9"}, nil, errListToken},
		{"commas", []string{strings.Repeat(",", huge)}, nil, errListEmpty},
		{"spaces", []string{strings.Repeat(" ", huge)}, nil, errListEmpty},
		{"spaces between", []string{"a" + strings.Repeat(" ", huge) + "b"}, nil, errListToken},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseSubprotocols(c.lines)
			if err != c.err || !slices.Equal(got, c.want) {
				t.Errorf("ParseSubprotocols = %q, %v; want %q, %v", got, err, c.want, c.err)
			}
		})
	}
}

// Wherever a list is cut into two header lines, it stays the same list.
func TestListsOverLines(t *testing.T) {
	const list = "chat, superchat ,v1.example,\tv2"
	want, err := ParseSubprotocols([]string{list})
	if err != nil || len(want) != 4 {
		t.Fatal(want, err)
	}
	for i := range list {
		if list[i] != ',' {
			continue
		}
		lines := []string{list[:i], list[i+1:]}
		if got, err := ParseSubprotocols(lines); err != nil || !slices.Equal(got, want) {
			t.Errorf("ParseSubprotocols(%q) = %q, %v", lines, got, err)
		}
		if got, err := ParseTokens(lines); err != nil || !slices.Equal(got, want) {
			t.Errorf("ParseTokens(%q) = %q, %v", lines, got, err)
		}
	}
}
