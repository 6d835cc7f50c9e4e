package site

import (
	slash "path"
	"path/filepath"
	"strings"
)

// File are the settings of the handler file.
type File struct {
	Path Setting[string] // as the site file says it, with ${name} for captures

	// What Path means: a folder that no capture has a part in, relative ones
	// resolved, and the name of the file below it, with slashes, where captures
	// may stand. No element of the name is empty, "." or "..".
	Folder, Name string

	Type Setting[string] // "binary" or "text"
}

func (f *File) fields() []field {
	return []field{
		{name: "path", to: filePath{f}, required: true, none: "'./file.bin'",
			doc: "The file. `${name}` stands for what the route captured: a part of the name of one file or folder, below the folder that is written out in front of it. " +
				"A value that could lead elsewhere or to a hidden file, files of the site's own (the site file, keys, users) and what is no regular file get 404."},
		{name: "type", to: word(&f.Type, "binary", "text"), def: `'binary'`,
			doc: "The type of the message. A text that is not UTF-8 ends the connection with 1011 where that shows."},
	}
}

// A filePath binds the name of a file with captures.
type filePath struct{ f *File }

func (filePath) what() string { return "file" }

func (b filePath) read(d *decoder, n *Node) {
	s, ok := checked(d, n, "the name of a file", checkFilePath)
	if !ok {
		return
	}
	folder, name := splitFilePath(s)
	b.f.Path = Setting[string]{Value: s, From: d.at(n)}
	b.f.Folder, b.f.Name = d.resolve(filepath.FromSlash(folder)), name
}

// splitFilePath divides a path at the last slash in front of its first capture,
// or at its last one.
func splitFilePath(s string) (folder, name string) {
	s = filepath.ToSlash(s)
	front, _, captures := strings.Cut(s, "${")
	if !captures {
		s = slash.Clean(s)
		front = s
	}
	i := strings.LastIndexByte(front, '/') + 1
	return s[:i], s[i:]
}

func checkFilePath(s string) error {
	switch {
	case s == "":
		return problem("found an empty name", "the name of a file is wanted")
	case strings.Contains(s, "\x00"):
		return problem("found a name with a NUL character", "remove it")
	}
	s = filepath.ToSlash(s)
	if last := s[strings.LastIndexByte(s, '/')+1:]; last == "" || last == "." || last == ".." {
		return problem(quote(s)+" is the name of a folder", "the name of a file is wanted")
	}
	if !strings.Contains(s, "${") {
		return nil
	}
	_, name := splitFilePath(s)
	for element := range strings.SplitSeq(name, "/") {
		if element == "" || element == "." || element == ".." {
			return problem(quote(s)+" has "+quote(element)+" behind a capture", "write the path without it")
		}
	}
	return nil
}
