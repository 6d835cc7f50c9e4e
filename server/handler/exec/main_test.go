//go:build unix

package exec

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// cycles is how often TestEX18 connects and vanishes: 10,000 is what the design
// wants, `go test . -run EX18 -v -cycles 10000`.
var cycles = flag.Int("cycles", 150, "connect-and-kill cycles of TestEX18")

// TestMain is also the program that some tests run, and fails if a goroutine is
// left over.
func TestMain(m *testing.M) {
	if tool := os.Getenv("CURLEW_TOOL"); tool != "" {
		os.Exit(tools[tool](os.Args[1:]))
	}
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		f.Value.Set("8")
	}
	code := m.Run()
	if left := leaked(); left != "" && code == 0 {
		fmt.Printf("goroutines left over:\n%s\n", left)
		code = 1
	}
	os.Exit(code)
}

// tools are the programs that no shell can be asked for.
var tools = map[string]func(args []string) int{
	// flood writes lines for ever and notes how many bytes were taken.
	"flood": func(args []string) int {
		line := []byte(strings.Repeat("x", 9999) + "\n")
		for n := 0; ; n += len(line) {
			if n%1_000_000 == 0 {
				os.WriteFile(args[0]+".new", []byte(strconv.Itoa(n)), 0o666)
				os.Rename(args[0]+".new", args[0])
			}
			if _, err := os.Stdout.Write(line); err != nil {
				return 1
			}
		}
	},
	// args prints its arguments.
	"args": func([]string) int {
		fmt.Printf("%q\n", os.Args[1:])
		bufio.NewReader(os.Stdin).ReadString('\n')
		return 0
	},
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
