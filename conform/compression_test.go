package conform

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
)

// compressions are settings of compression beside those of subjects.
var compressions = []subject{
	{name: "takeover server", options: curlew.Options{MaxMessage: large, Compression: &curlew.Compression{ServerContext: true, MinSize: 1}}, events: byMessage},
	{name: "window of 10 bits", options: curlew.Options{MaxMessage: large, Compression: &curlew.Compression{WindowBits: 10, ClientContext: true, MinSize: -1, Level: 6}}, events: byMessage},
}

// TestCompression: sections 12 to 14 are OK for ourselves, in both roles.
func TestCompression(t *testing.T) {
	for i := range compressions {
		sub := &compressions[i]
		for _, section := range []string{"12", "13", "14"} {
			t.Run(strings.ReplaceAll(sub.name, " ", "_")+"/"+section, func(t *testing.T) {
				t.Parallel()
				cases, err := Select(light(Cases()), []string{section})
				if err != nil {
					t.Fatal(err)
				}
				synctest.Test(t, func(t *testing.T) {
					judge(t, sub.name, ForServers, cases, sub.testServer(t, inMemory(), cases, nil))
					judge(t, sub.name, ForClients, cases, sub.testClient(t, inMemory(), cases, nil))
					time.Sleep(time.Minute) // whatever ends late
				})
			})
		}
	}
}
