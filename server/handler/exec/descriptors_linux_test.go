package exec

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// TestEX11_Descriptors: the program has its three and no other, not even what this
// process was given by the one that started it.
func TestEX11_Descriptors(t *testing.T) {
	given, err := syscall.Open("/dev/null", syscall.O_RDONLY, 0) // without O_CLOEXEC
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(given)
	r := start(t, sh("/", `for f in /proc/$$/fd/*; do echo "${f##*/} $(readlink $f)"; done`, "")+sh("/cat", "cat", ""))
	r.dial("/cat") // another client
	c := r.dial("/")
	for i := range 3 {
		if got := hear(t, c); !strings.HasPrefix(got, fmt.Sprint(i, " pipe:")) {
			t.Errorf("descriptor %q, want %d", got, i)
		}
	}
	for {
		_, p, err := c.Read(t.Context(), nil)
		if err != nil {
			break
		}
		if !strings.Contains(string(p), "pipe:") && !strings.HasSuffix(string(p), " ") { // the shell's own, of $( )
			t.Errorf("descriptor %q", p)
		}
	}
}
