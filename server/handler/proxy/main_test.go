package proxy

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain fails if a goroutine of ours is left over. RP20.
func TestMain(m *testing.M) {
	code := m.Run()
	for deadline := time.Now().Add(time.Minute); code == 0; { // only so that a bug ends
		all := make([]byte, 4<<20)
		all = all[:runtime.Stack(all, true)]
		left := 0
		for g := range strings.SplitSeq(string(all), "\n\n") {
			if strings.Contains(g, "curlew") && !strings.Contains(g, "TestMain") {
				left++
			}
		}
		if left == 0 {
			break
		}
		if time.Now().After(deadline) {
			fmt.Printf("goroutines left over:\n%s\n", all)
			code = 1
		}
		runtime.Gosched()
	}
	os.Exit(code)
}
