package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"curlew.example/curlew/internal/testenv"
	"curlew.example/curlew/server/internal/proxies"
)

// A way is one from the browser to the demo site.
type way struct {
	Name     string `json:"name"`
	Page     string `json:"page"`
	Proxy    string `json:"proxy"`    // that the browser is told of
	Upgrades bool   `json:"upgrades"` // they pass
	Cut      bool   `json:"cut"`      // connections are cut off
}

// squidConf is that of a firm: no tunnels, which is what a browser wants for WebSockets.
const squidConf = `http_port ADDRESS
acl tunnel method CONNECT
http_access deny tunnel
http_access allow all
cache deny all
pid_filename DIR/pid
cache_log DIR/cache.log
access_log none
coredump_dir DIR
memory_cache_shared off
shared_memory_locking off
shutdown_lifetime 0 seconds
`

// Two tabs chat, and numbers arrive, through nothing and through proxies that let no
// WebSocket pass, hold answers back or cut every connection off: nothing is lost, nothing
// comes twice, and all is in order.
func TestHubBehindProxies(t *testing.T) {
	testenv.Need(t, "node")
	demo := start(t, build(t), "127.0.0.1:0")
	backend := strings.Trim(strings.TrimPrefix(demo.page, "http:"), "/")
	nginx := func(more string) string { return "http://" + proxies.Nginx(t, backend, more) + "/" }
	squid := proxies.Run(t, squidConf, testenv.Need(t, "squid"), "-n", fmt.Sprintf("curlew%d", os.Getpid()), "-N", "-f")
	cutting, _ := proxies.Cutting(t, backend, cutAfter())
	ways := []way{
		{Name: "nothing", Page: demo.page, Upgrades: true},
		{Name: "nginx", Page: nginx("")},
		{Name: "nginx holding back", Page: nginx("proxy_ignore_headers X-Accel-Buffering;")},
		{Name: "haproxy", Page: "http://" + proxies.HAProxy(t, backend) + "/"},
		{Name: "squid", Page: demo.page, Proxy: "http://" + squid},
		{Name: "cutting", Page: "http://" + cutting + "/", Upgrades: true, Cut: true},
	}
	for _, browser := range []string{chromium, firefox} {
		t.Run(browser, func(t *testing.T) {
			browse(t, "proxies.mjs", run{Browser: browser, All: all(), Through: ways}, nil)
		})
	}
	demo.stop()
	demo.wait()
}

// cutAfter is how long a connection lives that is cut off.
func cutAfter() time.Duration {
	if all() {
		return 5 * time.Second
	}
	return time.Second
}
