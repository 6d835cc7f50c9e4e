package server_test

import (
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"curlew.example/curlew/internal/testenv"
	"curlew.example/curlew/server/auth"
)

// TestAccessPage runs the examples of docs/access.md, by their headings.
func TestAccessPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/access.md")
	if err != nil {
		t.Fatal(err)
	}
	member := "Authorization: Bearer " + token(t, time.Now().Add(time.Hour), "iss", "https://login.example.com", "aud", "chat.example.com", "roles", "member") + "\r\n"
	guest := "Authorization: Bearer " + token(t, time.Now().Add(time.Hour), "iss", "https://login.example.com", "aud", "chat.example.com") + "\r\n"
	asks := map[string][]struct {
		path, lines, want string
	}{
		"Behind a proxy": {
			{"/echo", "Origin: https://example.com\r\nX-Forwarded-Host: example.com\r\nX-Forwarded-Proto: https\r\n" + from("192.0.2.1"), "101"},
			{"/echo", "Origin: https://example.com\r\nX-Forwarded-Host: example.com\r\n", "403"},
		},
		"How many, how often": {
			{"/echo", "", "101"}, {"/echo", "", "101"}, {"/echo", "", "429"},
			{"/login", "", "200"}, {"/login", "", "200"}, {"/login", "", "429"},
			{"/health", "", "200"}, {"/health", "", "200"}, {"/health", "", "200"},
		},
		"From where": {{"/public", "", "101"}, {"/office", "", "101"}, {"/ops", "", "403"}},
		"By name and password": {
			{"/health", "", "200"}, {"/x", "", "401"}, {"/x", basicAuth("bob", "b"), "101"}, {"/admin", basicAuth("bob", "b"), "403"}, {"/admin", basicAuth("alice", "a"), "101"},
		},
		"By token": {{"/", "", "401"}, {"/", member, "101"}, {"/", guest, "403"}},
		"Which paths": {
			{"/x", "", "101"}, {"/open/x", "", "101"}, {"/admin/x", "", "401"}, {"/admin/x", basicAuth("bob", "b"), "403"}, {"/admin/x", basicAuth("alice", "a"), "101"},
			{"//admin/x", "", "404"}, {"/admin%2Fx", "", "404"}, {"/admin;/x", "", "404"}, {"/open/..;/admin/x", "", "404"}, {"/ADMIN/x", "", "101"},
			{"/admin", "", "401"}, {"/admin/", "", "401"}, {"/adminx", "", "101"}, {"//admin", "", "404"},
		},
	}
	sections := strings.Split(string(page), "\n## ")[1:]
	for _, section := range sections {
		name, _, _ := strings.Cut(section, "\n")
		_, after, _ := strings.Cut(section, "```json5\n")
		text, _, ok := strings.Cut(after, "```")
		if !ok || asks[name] == nil {
			t.Fatalf("%q: no example, or nothing is known of it", name)
		}
		t.Run(name, func(t *testing.T) {
			var users string
			for who, password := range map[string]string{"alice": "a", "bob": "b"} {
				h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
				if err != nil {
					t.Fatal(err)
				}
				users += who + ":" + string(h) + map[string]string{"alice": ":admin"}[who] + "\n"
			}
			dir := t.TempDir()
			for file, content := range map[string]string{"users": users, "keys.json": tokenSecret} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for _, file := range []string{"users", "keys.json"} {
				text = strings.ReplaceAll(text, "'"+file+"'", "'"+filepath.Join(dir, file)+"'")
			}
			r := start(t, strings.Replace(text, "listen: '127.0.0.1:8080'", "@plain", 1), nil)
			for _, ask := range asks[name] {
				var lines []string
				if ask.want == "200" || ask.want == "404" || ask.path == "/login" {
					if got := r.asked(ask.path, ask.lines); got != ask.want {
						t.Errorf("%s %s: %s, want %s", ask.path, ask.lines, got, ask.want)
					}
					continue
				}
				lines = append(lines, ask.lines)
				if _, a := r.ask(ask.path, lines...); a.Status[:3] != ask.want {
					t.Errorf("%s %s: %s, want %s", ask.path, ask.lines, a.Status, ask.want)
				}
			}
		})
	}
	_, after, _ := strings.Cut(string(page), "```text\n")
	text, _, _ := strings.Cut(after, "```")
	file := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	users, err := auth.New(&auth.Options{Users: file})
	if err != nil {
		t.Fatal(err)
	}
	for name, password := range map[string]string{"alice": "wonderland", "bob": "builder"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.SetBasicAuth(name, password)
		if u, no := users.Check(r, netip.Prefix{}); no != nil {
			t.Errorf("%s: %v", name, no.Err)
		} else if name == "alice" && strings.Join(u.Roles, " ") != "admin editor" {
			t.Error(u.Roles)
		}
	}
	if len(sections) != len(asks) {
		t.Errorf("%d sections, %d are known", len(sections), len(asks))
	}
}

// TestAccessPageToken makes tokens as docs/access.md says, with OpenSSL.
func TestAccessPageToken(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "openssl")
	page, err := os.ReadFile("../docs/access.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## By token\n")
	site, _, _ := strings.Cut(strings.SplitN(section, "```json5\n", 2)[1], "```")
	_, section, _ = strings.Cut(section, "\n### A token by hand\n")
	var blocks []string
	for _, after := range strings.Split(section, "```sh\n")[1:] {
		block, _, _ := strings.Cut(after, "```")
		blocks = append(blocks, block)
	}
	command := regexp.MustCompile("`(openssl rand [^`]*)`").FindStringSubmatch(section)
	if len(blocks) != 3 || command == nil {
		t.Fatalf("%d blocks, %q", len(blocks), command)
	}
	dir := t.TempDir()
	run := func(script string) string {
		cmd := exec.Command("sh", "-e", "-c", script)
		cmd.Dir = dir
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", script, err)
		}
		return strings.TrimSpace(string(out))
	}
	signature := regexp.MustCompile(`(?m)^signature=.*\n`)
	for file, script := range map[string]string{
		"public.pem": blocks[0] + blocks[1],
		"secret":     command[1] + "\n" + strings.Replace(signature.ReplaceAllLiteralString(blocks[1], blocks[2]), "RS256", "HS256", 1),
	} {
		token := run(script)
		r := start(t, strings.NewReplacer("listen: '127.0.0.1:8080'", "@plain", "'keys.json'", "'"+filepath.Join(dir, file)+"'").Replace(site), nil)
		for _, c := range []struct{ lines, want string }{
			{"Authorization: Bearer " + token + "\r\n", "101"},
			{"Sec-WebSocket-Protocol: chat, bearer." + token + "\r\n", "101"},
			{"Authorization: Bearer " + token[:len(token)-9] + "\r\n", "401"},
		} {
			if _, a := r.ask("/", c.lines); a.Status[:3] != c.want {
				t.Errorf("%s, %.40s: %s, want %s", file, c.lines, a.Status, c.want)
			}
		}
	}
}
