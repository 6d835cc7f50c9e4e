package server_test

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// waysOut are spellings of paths that lead to secret.txt beside or above the folder
// of a route, or to what a system takes for something else than a file, for who
// understands them so. They stand behind a place in a folder.
func waysOut(top string) (list []string) {
	ups := []string{
		"..", "%2e%2e", "%2E%2E", ".%2e", "%2e.", // plain
		"%252e%252e", "%25252e%25252e", "%%32%65%%32%65", "%25%32%65%25%32%65", // decoded twice, and more
		"%c0%ae%c0%ae", "%c0%2e%c0%2e", "%e0%80%ae%e0%80%ae", "%f0%80%80%ae%f0%80%80%ae", "%fc%80%80%80%80%ae%fc%80%80%80%80%ae", "\xc0\xae\xc0\xae", // overlong
		"%u002e%u002e", "%uff0e%uff0e", "\\u002e\\u002e", "&#46;&#46;", "0x2e0x2e", // other escapes
		"%ef%bc%8e%ef%bc%8e", "．．", "%e2%80%a4%e2%80%a4", "%e2%80%a5", "%ef%b9%92%ef%b9%92", "%c2%b7%c2%b7", // that look alike, or fold
		"..%00", "%00..", ".%00.", "..%20", "..%09", "..%0a", "..%0d", "..%7f", "..%c2%a0", "..%e2%80%8b", "..%ef%bb%bf", // with something beside
		"..;", "..;x=y", "..%3b", ";..", "..,", "..~", "..:", "..::$DATA", "..%2e", "....", "..*", "..'", "..%22", // parameters, streams, patterns
	}
	seps := []string{
		"/", "%2f", "%2F", `\`, "%5c", "%5C", "%252f", "%255c", "%25252f", "%c0%af", "%c1%9c", "%e0%80%af", "%u2215", "%u2216", "%uEFC8", "%e2%88%95", "%ef%bc%8f", "／",
		"%ef%bc%bc", "%e2%81%84", "//", "/./", "/%2e/", "/;/", ";/", "%00/", "/%00/", "/.//", `/\`, `\/`, "%2f/", "/%2f", "%5c/", "%0a/", ":", "%3a",
	}
	for i, up := range ups {
		for j, sep := range seps {
			if i < 5 || j < 5 || (i+j)%7 == 0 {
				list = append(list, strings.Repeat(up+sep, 1+(i+j)%3)+"secret.txt")
			}
		}
	}
	absolute := top + "/secret.txt"
	drive := strings.ReplaceAll(absolute, "/", `\`)
	list = append(list,
		"/"+absolute, "//"+absolute, "%2f"+absolute[1:], url.PathEscape(absolute), "%5c"+url.PathEscape(absolute[1:]), "file://"+absolute, "file:"+absolute, "/."+absolute, "/.."+absolute,
		`C:`+drive, `C:%5c`+absolute[1:], "c%3a%5c"+absolute[1:], "C|"+absolute, "C:"+absolute, "C:secret.txt", "/C:/"+absolute[1:], `\??\C:`+drive, `\\?\C:`+drive, `\\.\C:`+drive, "%5c%5c%3f%5cC%3a",
		`\\localhost\c$`+drive, "//localhost/c$"+absolute, "%5c%5clocalhost%5cc%24"+absolute, `\\127.0.0.1@8080\x`, "//evil.example/secret.txt", `\\evil.example\secret.txt`, "/%5cevil.example/secret.txt",
		"~root/secret.txt", "~/secret.txt", "$HOME/secret.txt", "%24{HOME}/secret.txt", "%HOME%/secret.txt", "`cat secret.txt`", "|secret.txt", "secret.txt", "./secret.txt", "%2e/secret.txt",
	)
	for _, device := range []string{"CON", "nul", "AUX", "PRN", "COM1", "LPT1", "COM%c2%b9", "CONIN$", "CLOCK$"} {
		list = append(list, device, device+".txt", device+"%20", device+".", device+":", "sub/"+device, device+"/secret.txt")
	}
	for _, name := range []string{"a.txt", "sub/b.txt", "index.html", ".hidden", "../secret.txt"} {
		for _, end := range []string{".", "..", "...", "%20", "%20.", ".%20", "%09", "::$DATA", "%3a%3a$DATA", ":secret", ":$I30:$INDEX_ALLOCATION", "%00", "%00.html", "%00/../secret.txt", "/", "/.", "/..", "%2f", "%5c", ";x", ";", "~1", "%0a", "%e2%80%8b", "%c0%80", "/x"} {
			list = append(list, name+end)
		}
	}
	list = append(list,
		"SECRET~1.TXT", "PUBLIC~1", ".HIDDEN", "A.TXT", "%61%2etxt%2f", "sub%2fb.txt", "sub%5cb.txt", `sub\b.txt`, "sub//b.txt", "sub/./b.txt", "sub/../a.txt", "sub/%2e%2e/a.txt", "x/../a.txt", "./a.txt", "/a.txt",
		".hidden", "%2ehidden", "%2Ehidden", "sub/.hidden", "link.txt", "linked/secret.txt", "linked/", "linked", "linked/public/../secret.txt", "pipe",
		strings.Repeat("a", 255), strings.Repeat("a", 256), strings.Repeat("a", 4096), strings.Repeat("a/", 2000)+"a.txt", strings.Repeat("../", 2000)+"secret.txt", strings.Repeat("%2e%2e/", 500)+"secret.txt",
		strings.Repeat("sub/../", 300)+"a.txt", strings.Repeat("./", 1000)+"a.txt", strings.Repeat("%00", 1000), strings.Repeat("%", 1000), "%", "%2", "%zz", "a.txt%", "a%2etxt%",
	)
	slices.Sort(list)
	return slices.Compact(list)
}

// SF1, SF3, SF6, SF8: more than 200 ways out, each at the root of a site, behind the
// prefix of a route, in front of one (an alias without its slash), in a folder and
// behind a file; asked for by GET, by HEAD and for a range. All are refused, and
// alike, or lead to a clean path by a redirect.
func TestSF1_WaysOut(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	secret := strings.Repeat("top secret ", 100)
	for name, content := range map[string]string{
		"secret.txt": secret, "files../secret.txt": secret, "public/.hidden": secret, "public/sub/.hidden": secret, "files/.hidden": secret, "files/sub/.hidden": secret, "public-old/secret.txt": secret,
		"public/index.html": "home", "public/a.txt": "inside", "public/sub/b.txt": "inside", "files/index.html": "files", "files/a.txt": "inside", "files/sub/b.txt": "inside",
	} {
		file := filepath.Join(top, filepath.FromSlash(name))
		os.MkdirAll(filepath.Dir(file), 0o755)
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, folder := range []string{"public", "files"} {
		for name, to := range map[string]string{"link.txt": "../secret.txt", "linked": ".."} {
			if err := os.Symlink(to, filepath.Join(top, folder, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	r := start(t, "{ @plain, log: { requests: false }, routes: [{ match: '/files/', handler: 'static', static: { directory: '"+top+"/files' } }, { match: '/', handler: 'static', static: { directory: '"+top+"/public' } }] }", nil)
	for target, want := range map[string]string{"/a.txt": "inside", "/files/sub/b.txt": "inside", "/": "home", "/sub": ""} {
		if got := r.say("GET " + target + " HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n\r\n"); len(got) != 1 || body(t, got[0]) != want {
			t.Errorf("%s: %s", target, codes(got))
		}
	}
	variants := waysOut(top)
	if len(variants) < 600 {
		t.Errorf("%d variants", len(variants))
	}
	n := 0
	for i, variant := range variants {
		for j, place := range []string{"/", "/files/", "/files", "/sub/", "/a.txt/"} {
			if testing.Short() && (i+j)%5 != 0 || place == "/files" && variant == "/" {
				continue
			}
			target, first := place+variant, ""
			if place == "/files" && clean(target) { // a name beside it, or one in it
				continue
			}
			for _, head := range []string{"GET", "HEAD", "range"} {
				request := "GET " + target + " HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n\r\n"
				switch head {
				case "HEAD":
					request = "HEAD" + request[3:]
				case "range":
					request = strings.Replace(request, "\r\n\r\n", "\r\nRange: bytes=0-10\r\n\r\n", 1)
				}
				n++
				c := r.connect()
				go io.WriteString(c, request)
				b, _ := io.ReadAll(c)
				c.Close()
				answer := string(b)
				if strings.Contains(answer, "top secret") || strings.Contains(answer, fmt.Sprint("Content-Length: ", len(secret))) {
					t.Errorf("%s %q: the secret", head, target)
				}
				status := ""
				if len(answer) > 12 {
					status = answer[9:12]
				}
				if first == "" {
					first = status
				}
				switch {
				case status != first:
					t.Errorf("%s %q: %s, by GET %s", head, target, status, first)
				case status == "400", status == "404", status == "414" && len(target) > 4000, status == "301" && leadsInside(answer, target):
				default:
					t.Errorf("%s %q: %.100q", head, target, answer)
				}
			}
		}
	}
	t.Logf("%d variants, %d requests", len(variants), n)
}

// clean reports whether a path is one that nobody could take for another.
func clean(p string) bool {
	return !strings.ContainsAny(p, `%\;:~$`) && !strings.Contains(p, "..") && !strings.Contains(p, "//") && !strings.Contains(p, "/.")
}

// leadsInside reports whether a redirect leads to a clean path of the same host.
func leadsInside(answer, target string) bool {
	_, to, _ := strings.Cut(answer, "\r\nLocation: ")
	to, _, _ = strings.Cut(to, "\r\n")
	at, err := url.Parse("http://site.example" + target)
	if err != nil {
		return false
	}
	u, err := at.Parse(to)
	return err == nil && u.Host == "site.example" && clean(u.EscapedPath())
}
