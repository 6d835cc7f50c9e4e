package e2e

import (
	"strings"
	"testing"

	"curlew.example/curlew/internal/testenv"
)

// The pages of the hub in a browser, served by the command as a stranger starts it,
// which is stopped and started again meanwhile.
func TestHubPages(t *testing.T) {
	testenv.Need(t, "node")
	program := build(t)
	curlew := startDemo(t, program, "127.0.0.1:0")
	page := curlew.page
	address := strings.TrimSuffix(strings.TrimPrefix(page, "http://"), "/")
	browse(t, "hub.mjs", run{Page: page}, map[string]func(){
		"stop":  func() { curlew.stop(); curlew.wait() },
		"start": func() { curlew = startDemo(t, program, address) },
	})
	curlew.stop()
	curlew.wait()
}
