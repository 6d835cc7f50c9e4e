//go:build unix

package server_test

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"curlew.example/curlew/server"
	"curlew.example/curlew/server/config"
	"curlew.example/curlew/server/handler/exec"
	"curlew.example/curlew/server/handler/hub"
	"curlew.example/curlew/server/route"
)

// 100,000 is for a night.
var chaos = flag.Int("chaos", 400, "clients of TestChaos")

// Clients of every handler come, say something that may be wrong or unfinished, and
// go in every way, while sites follow each other: nothing of them is left, no place,
// no program, no descriptor, and by TestMain no goroutine.
func TestChaos(t *testing.T) {
	programs := &exec.Processes{AllowRoot: true}
	channels := new(hub.Hub)
	defer channels.Close()
	more := map[string]route.Constructor{"exec": programs.New, "hub": channels.New}
	backend := start(t, "{ @plain, routes: [{ match: '/ws', handler: 'echo' }, { handler: 'respond', respond: { body: 'back' } }] }", nil)
	site := `{ @plain, log: { requests: false }, limits: { webSockets: 1000, connections: 1000, connectionsPerIP: 1000 }, timeouts: { close: '200 ms', drain: '10 ms', inactivity: '1 s', pong: '500 ms' }, routes: [
		{ match: '/echo', handler: 'echo' }, { match: '/frames', handler: 'echo', webSockets: { preserveFrames: true } },
		{ match: '/rooms/{room}', handler: 'broadcast', broadcast: { announce: true } },
		{ match: '/file', handler: 'file', file: { path: './large' } },
		{ match: '/cat', handler: 'exec', exec: { command: ['/bin/cat'], maxPerIP: 'unlimited', killAfter: '200 ms' } },
		{ match: '/yes', handler: 'exec', exec: { command: ['/usr/bin/yes'], maxPerIP: 'unlimited', killAfter: '200 ms' } },
		{ match: '/back/', handler: 'proxy', proxy: { target: '` + backend.first + `' } },
		{ match: '/hub/', handler: 'hub' },
		{ match: '/ws', handler: 'proxy', webSockets: { compression: true }, proxy: { target: '` + backend.first + `' } },
		{ handler: 'static', static: { directory: '.' } }],
		hub: { namespaces: { room: { history: { size: 10 }, joinLeave: true, publish: 'anyone' } }, historyMemory: '64 KB', apiKeys: ['0123456789abcdef'] } }`
	r := start(t, strings.Replace(site, "./large", "./site.pem", 1), more)
	if err := os.WriteFile(filepath.Join(r.dir, "large"), make([]byte, 4<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	reload := func() {
		s, err := config.Parse(filepath.Join(r.dir, "site.json5"), []byte(r.expand(site)))
		if err != nil {
			t.Error(err)
			return
		}
		if err := r.Reload(s); err != nil {
			t.Error(err)
		}
	}
	reload()
	_, at, _ := strings.Cut(r.first, "://")
	paths := []string{"/echo", "/frames", "/rooms/a", "/rooms/b", "/file", "/cat", "/yes", "/ws", "/back/x", "/site.pem", "/none", "/hub", "/hub", "/hub/events?channel=room:1"}
	said := func(text string) string { return string([]byte{0x81, 0x80 | byte(len(text)), 0, 0, 0, 0}) + text }
	client := func(n int) {
		dice := rand.New(rand.NewPCG(1, uint64(n)))
		c, err := net.Dial("tcp", at)
		if err != nil {
			t.Errorf("client %d: %v", n, err)
			return
		}
		defer c.Close()
		tcp := c.(*net.TCPConn)
		c.SetDeadline(time.Now().Add(time.Second))
		path := paths[dice.IntN(len(paths))]
		text := "GET " + path + " HTTP/1.1\r\nHost: " + at + "\r\n"
		switch dice.IntN(6) {
		case 0:
			text = strings.Replace(text, "GET", "POST", 1) + "Content-Length: 1000\r\n\r\nabc"
		case 1:
			text = strings.Replace(text, "GET", "POST", 1) + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
		case 2:
			text += "\r\n"
		default:
			text += "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
				[]string{"", "Sec-WebSocket-Extensions: permessage-deflate\r\n", "Sec-WebSocket-Protocol: chat\r\n", "Origin: http://evil.example\r\n",
					"Sec-WebSocket-Protocol: curlew.v1\r\n"}[dice.IntN(5)] + "\r\n"
		}
		if strings.Contains(text, "curlew.v1") && dice.IntN(4) > 0 {
			text = strings.Replace(text, "GET "+path, "GET /hub", 1) + said(`{"id":1,"hello":{}}`)
		}
		frames := []string{"\x81\x85\x00\x00\x00\x00hello", "\x01\x82\x00\x00\x00\x00ab", "\x80\x81\x00\x00\x00\x00c", "\x89\x80\x00\x00\x00\x00",
			"\x88\x82\x00\x00\x00\x00\x03\xe8", "\x82\xfe\xff\xff\x00\x00\x00\x00xx", "\x81\x01a", "\x82\x85\x00\x00\x00\x00bytes", "\xc1\x81\x00\x00\x00\x00?",
			said(`{"id":2,"subscribe":{"channel":"room:1","presence":true}}`), said(`{"id":3,"publish":{"channel":"room:1","data":"said"}}`),
			said(`{"id":4,"publish":{"channel":"room:2","data":[]}}`), said(`{"id":5,"unsubscribe":{"channel":"room:1"}}`), said(`{"id":6,"history":{"channel":"room:1"}}`), said(`{"id":7`)}
		for range dice.IntN(8) {
			text += frames[dice.IntN(len(frames))]
		}
		if dice.IntN(4) == 0 {
			text = text[:dice.IntN(len(text))]
		}
		for len(text) > 0 {
			k := min(1+dice.IntN(len(text)), len(text))
			if _, err := io.WriteString(c, text[:k]); err != nil {
				return
			}
			text = text[k:]
		}
		switch dice.IntN(5) {
		case 0: // at once
		case 1:
			tcp.SetLinger(0)
		case 2:
			tcp.CloseWrite()
			io.CopyN(io.Discard, c, 1000)
		case 3:
			c.Read(make([]byte, 100))
			tcp.SetLinger(0)
		case 4:
			c.SetDeadline(time.Now().Add(time.Duration(dice.IntN(300)) * time.Millisecond))
			io.Copy(io.Discard, c)
		}
	}
	client(0)
	before := openFiles()
	var clients sync.WaitGroup
	next := make(chan int)
	for range 16 {
		clients.Go(func() {
			for n := range next {
				client(n)
			}
		})
	}
	for n := range *chaos {
		next <- n
		if n%(max(*chaos/20, 1)) == 0 {
			reload()
		}
	}
	close(next)
	clients.Wait()
	reload()
	patience := time.Now().Add(time.Minute) // only so that a bug ends
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		left := fmt.Sprintf("%d WebSockets, %d coming, %d connections, %d generations, %d programs, %d descriptors beyond",
			server.Open(r.Server), server.Coming(r.Server), server.Connections(r.Server), server.Generations(r.Server)-1, programs.Number(), max(openFiles()-before, 0))
		if left == "0 WebSockets, 0 coming, 0 connections, 0 generations, 0 programs, 0 descriptors beyond" {
			break
		}
		if time.Now().After(patience) {
			t.Fatal(left)
		}
		<-tick.C
	}
	const ask = "POST /hub/info HTTP/1.1\r\nHost: site.example\r\nAuthorization: Bearer 0123456789abcdef\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
	if a := r.say(ask); codes(a) != "200" {
		t.Errorf("the hub: %s", codes(a))
	} else if text, err := io.ReadAll(a[0].Body); err != nil || !strings.Contains(string(text), `"clients":0,`) {
		t.Errorf("what is left in the hub: %s, %v", text, err)
	} else {
		t.Logf("%s", text)
	}
}

// openFiles returns how many descriptors this process has.
func openFiles() int {
	list, _ := os.ReadDir("/dev/fd")
	return len(list)
}
