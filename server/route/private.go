package route

import (
	"io/fs"
	"os"
	slashes "path"

	"curlew.example/curlew/server/site"
)

// Private reports whether a file is one of the route's site that nobody is to be shown
// (the site file, keys, users), whatever name has led to it, or is in a folder of these.
// It was opened below root by a name with slashes.
func Private(r *site.Route, root *os.Root, name string, info fs.FileInfo) bool {
	for _, own := range r.Private {
		is, err := os.Stat(own)
		switch {
		case err != nil:
		case os.SameFile(is, info), is.IsDir() && below(root, name, is):
			return true
		}
	}
	return false
}

// below reports whether a file is in a folder, or below it.
func below(root *os.Root, name string, folder fs.FileInfo) bool {
	for name != "." {
		name = slashes.Dir(name)
		if info, err := root.Stat(name); err != nil || os.SameFile(info, folder) {
			return true // nobody knows where it is
		}
	}
	return false
}
