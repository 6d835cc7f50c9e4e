//go:build unix

package exec

import (
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"curlew.example/curlew"
	"curlew.example/curlew/server"
	"curlew.example/curlew/server/config"
	"curlew.example/curlew/server/route"
)

// made makes a server with one route, of a Processes without AllowRoot.
func made(t *testing.T, more string) error {
	t.Helper()
	s, err := config.Parse(filepath.Join(t.TempDir(), "site.json5"), []byte(`{ routes: [{ handler: 'exec', exec: { command: ['/bin/cat'], `+more+` } }] }`))
	if err != nil {
		t.Fatal(err)
	}
	_, err = server.New(s, server.Options{Handlers: map[string]route.Constructor{"exec": new(Processes).New}})
	return err
}

// EX15: a server that runs as root starts programs as another user, with that user's
// groups and no others, or as root if it is told so, but not by itself; any other
// server starts them as itself alone.
func TestEX15_Root(t *testing.T) {
	t.Parallel()
	self, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	for _, same := range []string{self.Uid, self.Username} {
		if err := made(t, "user: '"+same+"'"); err != nil {
			t.Errorf("as %s: %v", same, err)
		}
	}
	for _, nobody := range []string{"curlew-is-no-user", "4294967296", "-1"} {
		if err := made(t, "user: '"+nobody+"'"); err == nil || !strings.Contains(err.Error(), "there is no user") || !strings.Contains(err.Error(), "site.json5:1:") {
			t.Errorf("as %s: %v", nobody, err)
		}
	}
	if os.Geteuid() != 0 {
		if err := made(t, "user: 'root'"); err == nil || !strings.Contains(err.Error(), "only a server that runs as root") {
			t.Errorf("as root: %v", err)
		}
		if err := made(t, ""); err != nil {
			t.Error(err)
		}
		return
	}
	if err := made(t, ""); err == nil || !strings.Contains(err.Error(), "user: 'nobody'") || !strings.Contains(err.Error(), "--allow-root") {
		t.Errorf("nothing is said: %v", err)
	}
	other, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	groups, err := other.GroupIds()
	if err != nil {
		t.Fatal(err)
	}
	as := other.Uid + other.Uid + other.Gid + strings.Join(groups, " ")
	for who, ids := range map[string]string{
		"nobody": as, other.Uid: as, "root": "000",
	} {
		r := start(t, `{ handler: 'exec', exec: { user: '`+who+`', directory: '/', command: ['/bin/sh', '-c', 'echo $(id -u)$(id -ru)$(id -g)$(id -G); cat /etc/shadow >/dev/null 2>&1 && echo reads || echo no'], env: { PATH: '/usr/bin:/bin' } } }`)
		c := r.dial("/")
		_, p, err := c.Read(t.Context(), nil)
		if got := string(p); err != nil || !strings.HasPrefix(got, ids) {
			t.Errorf("as %s: %q %v, want %q", who, p, err, ids)
		}
		want(t, c, map[bool]string{true: "reads", false: "no"}[who == "root"])
		wantEnd(t, c, curlew.NormalClosure, "")
	}
}
