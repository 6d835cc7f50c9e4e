package server_test

import (
	"strings"
	"testing"

	"curlew.example/curlew"
	"curlew.example/curlew/wstest"
)

// Rooms over sockets: everyone hears everyone, who comes and goes is announced,
// and a reload parts nobody.
func TestBroadcast(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"plain", "tls"} {
		t.Run(kind, func(t *testing.T) {
			r := start(t, "{ @"+kind+`, timeouts: { close: '200 ms' }, routes: [{ match: '/rooms/{room}', handler: 'broadcast', broadcast: { announce: true } }] }`, nil)
			a := r.peerOf("/rooms/1")
			a.Send(wstest.Text("alone"))
			a.Want("alone", wstest.Text("alone"))
			wants := func(why, event, count string) {
				t.Helper()
				f := a.Next(why)
				if s := string(f.Payload); !strings.HasPrefix(s, `{"event":"`+event+`","id":"`) || !strings.HasSuffix(s, `","count":`+count+`}`) {
					t.Errorf("%s: %v", why, f)
				}
			}
			b := r.dial("/rooms/1", curlew.Options{})
			wants("b comes", "join", "2")
			long := strings.Repeat("ü", 200_000)
			go b.Write(t.Context(), curlew.Text, []byte(long))
			a.WantMessage("a long message", curlew.Text, []byte(long))
			if _, p, err := b.Read(t.Context(), nil); string(p) != long || err != nil {
				t.Errorf("the echo: %d bytes, %v", len(p), err)
			}
			b.Close(curlew.NormalClosure, "")
			wants("b goes", "leave", "1")
			if err := r.Reload(r.next("{ @" + kind + `, routes: [{ match: '/rooms/{name}', handler: 'broadcast', broadcast: { announce: true } }] }`)); err != nil {
				t.Fatal(err)
			}
			c := r.peerOf("/rooms/1")
			wants("c comes, by the new site", "join", "2")
			a.Send(wstest.Text("hello"))
			c.Want("of the old site", wstest.Text("hello"))
		})
	}
}
