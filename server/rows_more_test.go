package server_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"curlew.example/curlew/frame"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/wstest"
)

// limits.head: a head of so many bytes, its last empty line among them, and not one
// more; 16 KB by default. It stands at the top level only.
func TestRowHead(t *testing.T) {
	for setting, most := range map[string]int{"": 16 << 10, "limits: { head: 300 }, ": 300, "limits: { head: '64 KB' }, ": 64 << 10} {
		inBubble(t, "", setting+"routes: [{ handler: 'respond' }]", nil, func(t *testing.T, b *bubble) {
			for n, want := range map[int]string{most: "200", most + 1: "431"} {
				c := b.connect()
				head := strings.Replace(get, "\r\n\r\n", "\r\nA: \r\n\r\n", 1)
				head = strings.Replace(head, "A: ", "A: "+strings.Repeat("a", n-len(head)), 1)
				go c.Write([]byte(head))
				if got := codes(answers(c)); got != want {
					t.Errorf("{ %s}: a head of %d bytes: %s, want %s", setting, len(head), got, want)
				}
				c.Close()
			}
		})
	}
}

// webSockets.compression.level: 9 packs better than 1, which is the default, and is
// inherited, set back and said like the others.
func TestRowLevel(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var words strings.Builder
	for words.Len() < 60_000 {
		fmt.Fprintf(&words, "word%d ", random.IntN(300))
	}
	sizes := map[string]int{}
	for top, routes := range map[string]string{
		"webSockets: { compression: { level: 9 } }, ": "{ match: '/inherits', handler: 'echo' }, { match: '/back', handler: 'echo', webSockets: { compression: { level: 1 } } }",
		"": "{ match: '/own', handler: 'echo', webSockets: { compression: { level: 9 } } }, { match: '/default', handler: 'echo', webSockets: { compression: true } }",
	} {
		inBubble(t, "", top+"routes: ["+routes+"]", map[string]route.Constructor{}, func(t *testing.T, b *bubble) {
			for _, path := range []string{"/inherits", "/back", "/own", "/default"} {
				if !strings.Contains(routes, path) {
					continue
				}
				p, _ := wstest.Open(t, b.connect(), path, http.Header{"Sec-Websocket-Extensions": {"permessage-deflate"}})
				p.Send(wstest.Text(words.String()))
				for {
					f := nextBut(p, "the echo", frame.Ping)
					sizes[path] += len(f.Payload)
					if f.Fin {
						break
					}
				}
			}
		})
	}
	if sizes["/inherits"] != sizes["/own"] || sizes["/back"] != sizes["/default"] || sizes["/own"] >= sizes["/default"] {
		t.Errorf("%v", sizes)
	}
}
