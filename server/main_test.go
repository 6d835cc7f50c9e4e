package server_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMain lets more tests run at once than there are CPUs, as most of what they
// do is waiting, and fails if a goroutine is left over.
func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		f.Value.Set("16")
	}
	code := m.Run()
	if left := leaked(); left != "" && code == 0 {
		fmt.Printf("goroutines left over:\n%s\n", left)
		code = 1
	}
	os.Exit(code)
}

// leaked waits a while until no goroutine of ours is left, and returns the stacks
// of those that are.
func leaked() string {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	patience := time.After(time.Minute) // only so that a bug ends
	for {
		all := make([]byte, 4<<20)
		all = all[:runtime.Stack(all, true)]
		ours := slices.DeleteFunc(strings.Split(string(all), "\n\n"), func(g string) bool {
			return !strings.Contains(g, "curlew") || strings.Contains(g, "TestMain")
		})
		if len(ours) == 0 {
			return ""
		}
		select {
		case <-tick.C:
		case <-patience:
			return strings.Join(ours, "\n\n")
		}
	}
}
