package auth

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// AU19: a file that changes is read again; one that is broken or gone leaves what
// was there.
func TestAU19Reread(t *testing.T) {
	name := file(t, "alice:"+bcryptOf(t, "a"))
	var told []string
	g := newGuard(t, &Options{Users: name, Reread: func(_ string, err error) { told = append(told, fmt.Sprint(err != nil)) }})
	at := time.Now()
	look := func(alice, bob string) {
		t.Helper()
		at = at.Add(2 * lookEvery)
		g.basic.users.look(at)
		if got := ask(g, request("/", basicOf("alice", "a"))); got != alice {
			t.Errorf("alice: %s, want %s", got, alice)
		}
		if got := ask(g, request("/", basicOf("bob", "b"))); got != bob {
			t.Errorf("bob: %s, want %s", got, bob)
		}
	}
	write := func(text string) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		os.Chtimes(name, at, at.Add(time.Hour))
	}
	look("alice", "401")
	write("bob:" + bcryptOf(t, "b"))
	look("401", "bob")
	write("bob:broken")
	look("401", "bob")
	look("401", "bob")
	os.Remove(name)
	look("401", "bob")
	look("401", "bob")
	write("alice:" + bcryptOf(t, "a"))
	look("alice", "401")
	if got := strings.Join(told, " "); got != "false true true false" {
		t.Errorf("told %s", got)
	}
}

// A file that is just being written is not read before it has rested: its beginning
// may look like all of it, with users gone and roles cut short.
func TestHalfWritten(t *testing.T) {
	line := func(name, roles string) string { return name + ":" + bcryptOf(t, name) + ":" + roles + "\n" }
	all := line("alice", "administrator-of-nothing") + line("bob", "")
	name := file(t, all)
	g := newGuard(t, &Options{Users: name, Roles: []string{"administrator-of-nothing"}})
	began := time.Now().Add(time.Hour)
	write := func(text string, at time.Duration) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		os.Chtimes(name, began, began.Add(at))
	}
	look := func(at time.Duration, want int) {
		t.Helper()
		g.basic.users.look(began.Add(at))
		if got := len((*g.basic.users.value.Load()).all); got != want {
			t.Errorf("%v: %d users, want %d", at, got, want)
		}
	}
	write(all[:90], 0)
	look(500*time.Millisecond, 2)
	write(all+line("carol", ""), time.Second)
	look(1500*time.Millisecond, 2)
	look(1999*time.Millisecond, 2)
	look(2500*time.Millisecond, 3)
	write(all, 3*time.Second)
	look(7*time.Second, 3) // not every time
	look(8*time.Second, 2)
}
