package hub

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// TestPage: the site, the token and the webhook of docs/hub.md are as they stand there.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../../../docs/hub.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## In a site\n")
	section, _, _ = strings.Cut(section, "\n## ")
	site := regexp.MustCompile("(?s)```json5\n(.*?)```").FindStringSubmatch(section)
	said := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(section, -1)
	if site == nil || len(said) != 3 {
		t.Fatalf("the section has %d blocks", len(said))
	}
	claims, asked, answers := said[0][1], said[1][1], strings.Split(strings.TrimSpace(said[2][1]), "\n")
	var want question
	if err := json.Unmarshal([]byte(asked), &want); err != nil {
		t.Fatal(err)
	}
	dir := filepath.ToSlash(t.TempDir())
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	keys := strings.NewReplacer("kty:", `"kty":`, "alg:", `"alg":`, "k:", `"k":`, "'", `"`).Replace(strings.TrimSuffix(strings.TrimPrefix(jwt, "jwt: { keys: "), " }"))
	write("keys.json", keys)
	write("hub.keys", key+"\n")
	text := strings.NewReplacer("'keys.json'", "'"+dir+"/keys.json'", "'hub.keys'", "'"+dir+"/hub.keys'", "http://127.0.0.1:9000/may", "http://hook.example/ask").Replace(site[1])
	inAt(t, text, func(h *house) {
		ann := token(claims)
		var got question
		h.hook(func(w http.ResponseWriter, r *http.Request) {
			var q question
			if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
				t.Error(err)
			}
			switch q.Channel {
			case "":
				io.WriteString(w, answers[0])
			case want.Channel:
				got = q
				io.WriteString(w, answers[0])
			default:
				io.WriteString(w, answers[1])
			}
		})
		p, err := h.dial("/hub", "Cookie", want.Headers["cookie"], "Origin", want.Headers["origin"])
		if err != nil {
			t.Fatal(err)
		}
		p.ask(`{"id":1,"hello":{"token":"`+ann+`"}}`, `"user":"ann"`, `"expires":4102444830000`)
		p.ask(`{"id":2,"subscribe":{"channel":"`+want.Channel+`","presence":true}}`, `"info":{"name":"Ann"}`)
		p.ask(`{"id":3,"subscribe":{"channel":"inbox:ann"}}`, `"forbidden"`, `not a member of this room`)
		p.ask(`{"id":4,"subscribe":{"channel":"inbox:bob"}}`, `this is not allowed`) // the webhook was not asked
		if !strings.HasPrefix(ann, strings.TrimSuffix(want.Token, "…")) || len(got.Connection) != len(want.Connection) || got.Address == "" {
			t.Errorf("asked %+v", got)
		}
		got.Token, got.Connection, got.Address = want.Token, want.Connection, want.Address
		if !reflect.DeepEqual(got, want) {
			t.Errorf("asked %+v, the page says %+v", got, want)
		}
		h.call("publish", key, `{"channel":"inbox:ann","data":1}`, 200, `"published"`)
	})
}
