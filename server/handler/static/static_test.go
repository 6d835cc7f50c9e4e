package static

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"curlew.example/curlew/server/site"
)

var then = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)

// folder makes a web root with files, one outside of it and hidden ones.
func newFolder(t *testing.T) (root string) {
	t.Helper()
	top := t.TempDir()
	root = filepath.Join(top, "public")
	for name, content := range map[string]string{
		"secret.txt":                "outside",
		"public/index.html":         "<p>home",
		"public/a.txt":              "0123456789",
		"public/ü x.txt":            "odd name",
		"public/data":               "<html><script>",
		"public/.env":               "hidden",
		"public/.git/config":        "hidden",
		"public/sub/index.html":     "<p>sub",
		"public/empty/keep.txt":     "",
		"public/dirindex/.keep":     "",
		"public/app.js":             "plain",
		"public/app.js.gz":          "gzipped",
		"public/app.js.br":          "brotli",
		"public/old.css":            "new",
		"public/old.css.gz":         "stale",
		"public/index.html.gz/keep": "",
	} {
		file := filepath.Join(top, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		when := then
		if name == "public/old.css.gz" {
			when = then.Add(-time.Hour)
		}
		if err := os.Chtimes(file, when, when); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(root, "dirindex", "index.html"), 0o755); err != nil {
		t.Fatal(err)
	}
	return root
}

func newHandler(t *testing.T, dir, match string) http.Handler {
	t.Helper()
	h, err := New(&site.Route{
		Match:  site.Setting[string]{Value: match},
		Static: &site.Static{Directory: site.Setting[string]{Value: dir}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func ask(h http.Handler, method, target string, header ...string) *http.Response {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func text(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestFiles(t *testing.T) {
	h := newHandler(t, newFolder(t), "/")
	for _, c := range []struct {
		path, want, kind string
		status           int
	}{
		{"/", "<p>home", "text/html; charset=utf-8", 200},
		{"/index.html", "<p>home", "text/html; charset=utf-8", 200},
		{"/a.txt", "0123456789", "text/plain; charset=utf-8", 200},
		{"/%C3%BC%20x.txt", "odd name", "text/plain; charset=utf-8", 200},
		{"/data", "<html><script>", "application/octet-stream", 200}, // never guessed from content
		{"/sub/", "<p>sub", "text/html; charset=utf-8", 200},
		{"/nothing", "Not Found\n", "", 404},
		{"/a.txt/", "Not Found\n", "", 404},
		{"/a.txt/x", "Not Found\n", "", 404},
		{"//a.txt", "Not Found\n", "", 404},
		{"/sub//index.html", "Not Found\n", "", 404},
		{"/dirindex/", "Not Found\n", "", 404},
	} {
		r := ask(h, "GET", c.path)
		if got := text(t, r); r.StatusCode != c.status || got != c.want || c.kind != "" && r.Header.Get("Content-Type") != c.kind {
			t.Errorf("%s: %d %q %q", c.path, r.StatusCode, r.Header.Get("Content-Type"), got)
		}
		if r.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: content may be guessed", c.path)
		}
	}
}

func TestMatchNamesThePlace(t *testing.T) {
	root := newFolder(t)
	for _, c := range []struct{ match, path, want string }{
		{"/files/", "/files/a.txt", "0123456789"},
		{"/files/", "/files/sub/", "<p>sub"},
		{"/u/{name}/", "/u/ann/a.txt", "0123456789"},
		{"/x/a.txt", "/x/a.txt", "0123456789"},
		{"", "/a.txt", "0123456789"},
	} {
		if got := text(t, ask(newHandler(t, root, c.match), "GET", c.path)); got != c.want {
			t.Errorf("%s at %s: %q", c.path, c.match, got)
		}
	}
}

func TestDirectoryWithoutSlash(t *testing.T) {
	h := newHandler(t, newFolder(t), "/")
	r := ask(h, "GET", "/sub?x=1")
	if r.StatusCode != 301 || r.Header.Get("Location") != "./sub/?x=1" {
		t.Errorf("%d, Location %q", r.StatusCode, r.Header.Get("Location"))
	}
}

func TestMethods(t *testing.T) {
	h := newHandler(t, newFolder(t), "/")
	for _, m := range []string{"POST", "PUT", "DELETE", "OPTIONS", "get"} {
		if r := ask(h, m, "/a.txt"); r.StatusCode != 405 || r.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d, Allow %q", m, r.StatusCode, r.Header.Get("Allow"))
		}
	}
	if r := ask(h, "HEAD", "/a.txt"); r.StatusCode != 200 || text(t, r) != "" || r.Header.Get("Content-Length") != "10" {
		t.Errorf("HEAD: %d, length %s", r.StatusCode, r.Header.Get("Content-Length"))
	}
}

func TestValidators(t *testing.T) {
	root := newFolder(t)
	h := newHandler(t, root, "/")
	tag := ask(h, "GET", "/a.txt").Header.Get("ETag")
	if len(tag) < 3 || tag[0] != '"' {
		t.Fatalf("ETag %q", tag)
	}
	if r := ask(h, "GET", "/a.txt", "If-None-Match", tag); r.StatusCode != 304 {
		t.Errorf("If-None-Match: %d", r.StatusCode)
	}
	if r := ask(h, "GET", "/a.txt", "If-Match", `"other"`); r.StatusCode != 412 {
		t.Errorf("If-Match: %d", r.StatusCode)
	}
	if r := ask(h, "GET", "/a.txt", "If-Modified-Since", "Fri, 02 Jan 2026 03:04:05 GMT"); r.StatusCode != 304 {
		t.Errorf("If-Modified-Since: %d", r.StatusCode)
	}
	if err := os.Chtimes(filepath.Join(root, "a.txt"), then, then.Add(1)); err != nil {
		t.Fatal(err)
	}
	if again := ask(h, "GET", "/a.txt").Header.Get("ETag"); again == tag {
		t.Error("a file changed within the second and its ETag did not")
	}
}

func TestRanges(t *testing.T) {
	h := newHandler(t, newFolder(t), "/")
	for _, c := range []struct {
		ranges, want string
		status       int
	}{
		{"bytes=2-4", "234", 206},
		{"bytes=-3", "789", 206},
		{"bytes=8-99", "89", 206},
		{"bytes=99-", "", 416},
		{"bytes=x", "", 416},
		{"lines=1-2", "", 416},
	} {
		r := ask(h, "GET", "/a.txt", "Range", c.ranges)
		if got := text(t, r); r.StatusCode != c.status || c.status == 206 && got != c.want {
			t.Errorf("%s: %d %q", c.ranges, r.StatusCode, got)
		}
	}
}

// H1-14: a thousand ranges cost one file.
func TestH1_14ManyRanges(t *testing.T) {
	h := newHandler(t, newFolder(t), "/")
	overlapping := "bytes=0-9" + strings.Repeat(",0-9", 999)
	disjoint := "bytes=0-0" + strings.Repeat(",2-2", 999)
	for _, ranges := range []string{overlapping, disjoint} {
		if r := ask(h, "GET", "/a.txt", "Range", ranges); r.StatusCode != 200 || text(t, r) != "0123456789" {
			t.Errorf("%.20s…: %d", ranges, r.StatusCode)
		}
	}
}

func TestPrecompressed(t *testing.T) {
	h := newHandler(t, newFolder(t), "/")
	tags := make(map[string]bool)
	for _, c := range []struct{ path, accept, want, encoding string }{
		{"/app.js", "", "plain", ""},
		{"/app.js", "gzip", "gzipped", "gzip"},
		{"/app.js", "gzip, br", "brotli", "br"},
		{"/app.js", "GZIP;q=0.5", "gzipped", "gzip"},
		{"/app.js", "gzip;q=0", "plain", ""},
		{"/app.js", "identity", "plain", ""},
		{"/old.css", "gzip", "new", ""}, // older than what it was made of
		{"/a.txt", "gzip", "0123456789", ""},
		{"/", "gzip", "<p>home", ""}, // a folder of the sibling's name
	} {
		r := ask(h, "GET", c.path, "Accept-Encoding", c.accept)
		if got := text(t, r); got != c.want || r.Header.Get("Content-Encoding") != c.encoding || r.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s for %q: %q, encoding %q", c.path, c.accept, got, r.Header.Get("Content-Encoding"))
		}
		if c.path == "/app.js" && !strings.Contains(r.Header.Get("Content-Type"), "javascript") {
			t.Errorf("%s for %q: type %q", c.path, c.accept, r.Header.Get("Content-Type"))
		}
		if c.encoding != "" && r.Header.Get("Content-Length") == "" {
			t.Errorf("%s for %q: no length", c.path, c.accept)
		}
		if c.path == "/app.js" {
			tags[r.Header.Get("ETag")] = true
		}
	}
	if len(tags) != 3 {
		t.Errorf("%d ETags for three representations", len(tags))
	}
	if r := ask(h, "GET", "/app.js", "Accept-Encoding", "gzip", "Range", "bytes=0-1"); text(t, r) != "pl" {
		t.Error("a range of something else than the file")
	}
	if r := ask(h, "GET", "/app.js", "Accept-Encoding", "gzip", "If-None-Match", ask(h, "GET", "/app.js", "Accept-Encoding", "gzip").Header.Get("ETag")); r.StatusCode != 304 || r.Header.Get("Content-Encoding") != "" {
		t.Errorf("304 of a sibling: %d", r.StatusCode)
	}
}

// SF1: whatever the path, nothing from outside. Most of these a router refuses
// before; the handler must not need it.
func TestSF1NeverOutside(t *testing.T) {
	h := newHandler(t, newFolder(t), "/")
	ups := []string{"..", "%2e%2e", ".%2e", "%2E.", "..%00", "..;", "..%20", "....", "%252e%252e", "..%c0%af", "..%255c", "..%5c"}
	seps := []string{"/", "%2f", "%5c", "//", "/./", "%252f", "%u2215", `\`}
	for _, up := range ups {
		for _, sep := range seps {
			for _, start := range []string{"/", "//", "/sub/", "/sub%2f", "/./", "/a.txt/"} {
				for depth := 1; depth <= 3; depth++ {
					target := start + strings.Repeat(up+sep, depth) + "secret.txt"
					u, err := http.NewRequest("GET", "http://h"+target, nil)
					if err != nil {
						continue
					}
					w := httptest.NewRecorder()
					h.ServeHTTP(w, u)
					if w.Code == 200 || strings.Contains(w.Body.String(), "outside") {
						t.Errorf("%s: %d %q", target, w.Code, w.Body)
					}
				}
			}
		}
	}
}

// SF2: symbolic links lead to files inside and to nothing outside.
func TestSF2Symlinks(t *testing.T) {
	root := newFolder(t)
	for name, to := range map[string]string{
		"in.txt": "a.txt", "out.txt": "../secret.txt", "abs.txt": filepath.Join(filepath.Dir(root), "secret.txt"),
		"outdir": "..", "proc": "/proc/self", "indir": "sub", "loop": "loop", "a": "b", "b": "a", "dangling": "none.txt",
		"around.txt": "sub/../../public/a.txt", "chain.txt": "out.txt", "sub/up.txt": "../a.txt",
	} {
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	h := newHandler(t, root, "/")
	if r := ask(h, "GET", "/in.txt"); text(t, r) != "0123456789" {
		t.Error("a link inside does not work")
	}
	for p, want := range map[string]string{"/indir/": "<p>sub", "/indir/index.html": "<p>sub", "/sub/up.txt": "0123456789", "/indir/up.txt": "0123456789"} {
		if r := ask(h, "GET", p); r.StatusCode != 200 || text(t, r) != want {
			t.Errorf("%s: %d", p, r.StatusCode)
		}
	}
	if r := ask(h, "GET", "/indir"); r.StatusCode != 301 || r.Header.Get("Location") != "./indir/" {
		t.Errorf("/indir: %d", r.StatusCode)
	}
	for _, p := range []string{"/out.txt", "/abs.txt", "/outdir/secret.txt", "/outdir", "/outdir/", "/proc/environ", "/loop", "/a", "/dangling", "/around.txt", "/chain.txt", "/loop/x", "/outdir/public/a.txt"} {
		if r := ask(h, "GET", p); r.StatusCode != 404 {
			t.Errorf("%s: %d %q", p, r.StatusCode, text(t, r))
		}
	}
}

// SF2: a name, of a file and of a folder, that is swapped between what is inside and
// a link outside, also while it is opened.
func TestSF2Swapped(t *testing.T) {
	root := newFolder(t)
	h := newHandler(t, root, "/")
	at := func(name string) string { return filepath.Join(root, name) }
	if err := os.MkdirAll(at("inner"), 0o755); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(at("inner/secret.txt"), []byte("inside"), 0o644)
	for path, swap := range map[string]func(){
		"/swap": func() {
			os.Symlink("../secret.txt", at("swap.l"))
			os.Rename(at("swap.l"), at("swap"))
			os.WriteFile(at("swap.f"), []byte("inside"), 0o644)
			os.Rename(at("swap.f"), at("swap"))
		},
		"/dir/secret.txt": func() {
			os.Rename(at("inner"), at("dir"))
			os.Rename(at("dir"), at("inner"))
			os.Symlink("..", at("dir"))
			os.Remove(at("dir"))
		},
	} {
		stop, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			for {
				select {
				case <-stop:
					return
				default:
					swap()
				}
			}
		}()
		inside := 0
		for i := 0; i < 3000 || inside == 0 && i < 100_000; i++ {
			got := text(t, ask(h, "GET", path))
			if strings.Contains(got, "outside") {
				t.Errorf("%s: followed a link outside", path)
				break
			}
			if got == "inside" {
				inside++
			}
		}
		close(stop)
		<-done
		if inside == 0 {
			t.Errorf("%s was never there", path)
		}
	}
}

// SF3: hidden files are not there. SF4: folders are not listed.
func TestSF3HiddenSF4NoListing(t *testing.T) {
	h := newHandler(t, newFolder(t), "/")
	for _, p := range []string{"/.env", "/%2eenv", "/.git/config", "/.git/", "/.git", "/empty/", "/empty/.", "/dirindex/.keep"} {
		if r := ask(h, "GET", p); r.StatusCode != 404 {
			t.Errorf("%s: %d", p, r.StatusCode)
		}
	}
}

// A precondition that fails is answered with a head that promises nothing, also
// where a sibling would be sent.
func TestPreconditionFailed(t *testing.T) {
	h := newHandler(t, newFolder(t), "/")
	for _, accepted := range []string{"", "gzip"} {
		r := ask(h, "GET", "/app.js", "Accept-Encoding", accepted, "If-Match", `"other"`)
		if r.StatusCode != 412 || r.Header.Get("Content-Length") != "" || r.Header.Get("Content-Encoding") != "" || text(t, r) != "" {
			t.Errorf("%q: %d %v", accepted, r.StatusCode, r.Header)
		}
	}
}

// SF6: what Windows takes for something else than a file of this name.
func TestSF6WindowsAliases(t *testing.T) {
	for _, s := range []string{
		"CON", "con", "Nul.txt", "aux.tar.gz", "PRN ", "nul .txt", "COM1", "com1 ", "COM0", "lpt9.x", "COM¹", "LPT²", "conin$", "CONOUT$",
		"a.txt::$DATA", "a.txt:x", "C:", "PROGRA~1", "a.txt.", "a.txt ", "a.txt. .", "", "..", ".", "a\\b", "a/b", `\??\C:`, "*", "a?", "a<b", `"`, "a\x1fb",
	} {
		if !windowsAlias(s) {
			t.Errorf("%q is taken for a file", s)
		}
	}
	for _, s := range []string{"a.txt", "console", "comma", "COM", "COM10", "LPTx", "nully.txt", "a b.txt", "ü.txt", ".well-known", "CON¹"} {
		if windowsAlias(s) {
			t.Errorf("%q is refused", s)
		}
	}
}

// SF7: names are compared byte by byte: no letter stands for another, however it
// looks and whatever its size in the other case.
func TestSF7Bytes(t *testing.T) {
	root := newFolder(t)
	if _, err := os.Stat(filepath.Join(root, "A.TXT")); err == nil {
		t.Log("the file system has one name for two")
		return
	}
	h := newHandler(t, root, "/")
	for _, p := range []string{"/A.TXT", "/a.tXt", "/%E2%84%AA.txt", "/u%CC%88%20x.txt", "/%C3%9C%20x.txt", "/a.txt%E2%80%8B", "/%EF%BD%81.txt"} {
		if r := ask(h, "GET", p); r.StatusCode != 404 {
			t.Errorf("%s: %d", p, r.StatusCode)
		}
	}
	if r := ask(h, "GET", "/%C3%BC%20x.txt"); r.StatusCode != 200 {
		t.Errorf("the name itself: %d", r.StatusCode)
	}
}

// SF8: a path is decoded once.
func TestSF8DecodedOnce(t *testing.T) {
	root := newFolder(t)
	if err := os.WriteFile(filepath.Join(root, "%61.txt"), []byte("percent"), 0o644); err != nil {
		t.Fatal(err)
	}
	h := newHandler(t, root, "/")
	for p, want := range map[string]string{"/%61.txt": "0123456789", "/%2561.txt": "percent"} {
		if got := text(t, ask(h, "GET", p)); got != want {
			t.Errorf("%s: %q, want %q", p, got, want)
		}
	}
}

// A folder replaced as a whole is served from then on.
func TestReplacedFolder(t *testing.T) {
	root := newFolder(t)
	h := newHandler(t, root, "/")
	if err := os.Rename(root, root+".old"); err != nil {
		t.Fatal(err)
	}
	if r := ask(h, "GET", "/a.txt"); r.StatusCode != 404 {
		t.Errorf("gone: %d", r.StatusCode)
	}
	os.Mkdir(root, 0o755)
	os.WriteFile(filepath.Join(root, "a.txt"), []byte("second"), 0o644)
	if got := text(t, ask(h, "GET", "/a.txt")); got != "second" {
		t.Errorf("%q", got)
	}
}

func TestEmbedded(t *testing.T) {
	h := Files(fstest.MapFS{
		"index.html": {Data: []byte("<p>in memory")},
		"b.bin":      {Data: bytes.Repeat([]byte{1}, 1000)},
	}, "/")
	r := ask(h, "GET", "/")
	if got := text(t, r); got != "<p>in memory" || r.Header.Get("ETag") == "" {
		t.Errorf("%q, ETag %q", got, r.Header.Get("ETag"))
	}
	if r := ask(h, "GET", "/b.bin", "Range", "bytes=10-11"); text(t, r) != "\x01\x01" {
		t.Error("no range of an embedded file")
	}
	if r := ask(h, "GET", "/../index.html"); r.StatusCode != 404 {
		t.Errorf("%d", r.StatusCode)
	}
}

func TestNoDirectory(t *testing.T) {
	file := filepath.Join(newFolder(t), "a.txt")
	for _, dir := range []string{file, file + ".none"} {
		_, err := New(&site.Route{Static: &site.Static{Directory: site.Setting[string]{Value: dir}}}, nil)
		if err == nil {
			t.Errorf("%s is accepted", dir)
		}
	}
}

func FuzzName(f *testing.F) {
	for _, p := range []string{"/", "/a/b.txt", "/../x", "/a%2fb", "/.git", "//", "/a/"} {
		f.Add(p, 0)
	}
	f.Fuzz(func(t *testing.T, target string, strip int) {
		r, err := http.NewRequest("GET", "http://h/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.URL, err = r.URL.Parse(target); err != nil {
			return
		}
		got, _, ok := name(r, max(strip, 0))
		if !ok || got == "." {
			return
		}
		for s := range strings.SplitSeq(got, "/") {
			if s == "" || s[0] == '.' || strings.ContainsAny(s, "\\\x00") {
				t.Errorf("%q: name %q", target, got)
			}
		}
	})
}
