// Package static is the handler "static": the files below a folder.
//
// The part of the path behind the last slash of the route's match is the name of
// a file; a route with a pattern, or for everything, takes the whole path. A
// directory is answered with its index.html. There are ranges, ETag and
// Last-Modified, and a file that lies beside another with .br or .gz added to
// its name is sent instead of it, if it is not the older one, to whom accepts
// that. Hidden files (a name that begins with a dot), listings, and whatever is
// no regular file do not exist: 404.
package static

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
)

// New serves the route's directory.
func New(r *site.Route, _ route.Endpoint) (http.Handler, error) {
	dir := r.Static.Directory
	info, err := os.Stat(dir.Value)
	switch {
	case err != nil:
		return nil, dir.From.Errorf("%v; the name of a folder is wanted", err)
	case !info.IsDir():
		return nil, dir.From.Errorf("%s is a file; the name of a folder is wanted", dir.Value)
	}
	return &handler{folder: directory{dir.Value, r}, strip: depth(r.Match.Value)}, nil
}

// Files serves the regular files of fsys, which must be io.Seekers and must not
// change, at the paths below the last slash of match. See the package comment.
func Files(fsys fs.FS, match string) http.Handler {
	return &handler{folder: tree{fsys}, strip: depth(match)}
}

type handler struct {
	folder folder
	strip  int // segments of the path in front of the name
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		return
	}
	name, slash, ok := name(r, h.strip)
	if !ok {
		notFound(w, fs.ErrNotExist)
		return
	}
	file, info, err := h.folder.open(name)
	if err != nil {
		notFound(w, err)
		return
	}
	defer file.Close()
	switch {
	case info.IsDir() && !slash:
		toSlash(w, r)
		return
	case info.IsDir():
		name = path.Join(name, "index.html")
		index, indexInfo, err := h.folder.open(name)
		if err != nil {
			notFound(w, err)
			return
		}
		defer index.Close()
		if indexInfo.IsDir() {
			notFound(w, fs.ErrNotExist)
			return
		}
		file, info = index, indexInfo
	case slash:
		notFound(w, fs.ErrNotExist)
		return
	}
	h.send(w, r, name, file, info)
}

// send answers with the file, or with a compressed sibling.
func (h *handler) send(w http.ResponseWriter, r *http.Request, name string, file fs.File, info fs.FileInfo) {
	head := w.Header()
	head.Set("Content-Type", contentType(name))
	head.Set("X-Content-Type-Options", "nosniff")
	head.Add("Vary", "Accept-Encoding")
	suffix := ""
	if r.Header.Get("Range") == "" {
		if packed, packedInfo, encoding := h.packed(r, name, info); packed != nil {
			defer packed.Close()
			file, info, suffix = packed, packedInfo, "-"+encoding
			head.Set("Content-Encoding", encoding)
			head.Set("Content-Length", strconv.FormatInt(info.Size(), 10))
		}
	} else if strings.Count(r.Header.Get("Range"), ",") >= maxRanges {
		r = r.Clone(r.Context())
		r.Header.Del("Range") // RFC 9110, 14.2: may be ignored
	}
	content, ok := file.(io.ReadSeeker)
	if !ok {
		notFound(w, errors.New("file cannot seek"))
		return
	}
	tag, err := etag(content, info)
	if err != nil {
		notFound(w, err)
		return
	}
	head.Set("ETag", `"`+tag+suffix+`"`)
	http.ServeContent(withoutContent{w}, r, name, info.ModTime(), content)
}

// withoutContent leaves out what describes a content where net/http sends none
// but the head of one.
type withoutContent struct{ http.ResponseWriter }

func (w withoutContent) WriteHeader(status int) {
	if status == http.StatusPreconditionFailed {
		for _, name := range []string{"Content-Encoding", "Content-Length", "Content-Type"} {
			w.Header().Del(name)
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// ReadFrom passes on what may be a file that the kernel can send.
func (w withoutContent) ReadFrom(src io.Reader) (int64, error) {
	return io.Copy(w.ResponseWriter, src)
}

// Unwrap is for http.ResponseController.
func (w withoutContent) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// maxRanges is how many ranges of a file are sent in one answer.
const maxRanges = 16

// encodings are the compressed siblings, the better one first.
var encodings = []struct{ name, suffix string }{{"br", ".br"}, {"gzip", ".gz"}}

// packed returns the sibling of the file to be sent instead of it, if any.
func (h *handler) packed(r *http.Request, name string, plain fs.FileInfo) (fs.File, fs.FileInfo, string) {
	for _, e := range encodings {
		if !route.Accepts(r, e.name) {
			continue
		}
		file, info, err := h.folder.open(name + e.suffix)
		if err != nil {
			continue
		}
		if info.Mode().IsRegular() && !info.ModTime().Before(plain.ModTime()) {
			return file, info, e.name
		}
		file.Close()
	}
	return nil, nil, ""
}

// etag returns what changes whenever the file does: its time and size, or a hash
// of its content where the file system keeps no time.
func etag(content io.ReadSeeker, info fs.FileInfo) (string, error) {
	if t := info.ModTime(); !t.IsZero() && !t.Equal(time.Unix(0, 0)) {
		return fmt.Sprintf("%x-%x", t.UnixNano(), info.Size()), nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, content); err != nil {
		return "", err
	}
	_, err := content.Seek(0, io.SeekStart)
	return hex.EncodeToString(h.Sum(nil)[:12]), err
}

// toSlash sends the client from a directory's name to the same with a slash. The
// address is relative, so that it cannot name another host.
func toSlash(w http.ResponseWriter, r *http.Request) {
	segments := strings.Split(r.URL.Path, "/")
	to := "./" + url.PathEscape(segments[len(segments)-1]) + "/"
	if r.URL.RawQuery != "" {
		to += "?" + r.URL.RawQuery
	}
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusMovedPermanently)
}

// notFound says that there is no such file, whatever the reason, unless the
// server itself is short of something.
func notFound(w http.ResponseWriter, err error) {
	status := http.StatusNotFound
	if exhausted(err) {
		status = http.StatusServiceUnavailable
	}
	http.Error(w, http.StatusText(status), status)
}
