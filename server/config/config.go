// Package config reads site files and turns what they say into the settings of
// the library.
package config

import (
	"io"
	"os"

	"curlew.example/curlew/server/site"
)

// maxFile is one byte more than package site accepts, so that it can tell.
const maxFile = 1<<20 + 1

// Load reads the site file with the given name, never more than 1 MiB of it.
// Relative paths in the file start at its folder. The handlers name those that
// the program brings besides the built-in ones. A file that cannot be read gives
// the error of package os, one that is wrong gives Errors.
func Load(name string, handlers ...string) (*site.Site, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil, err
	}
	return Parse(name, text, handlers...)
}

// Parse reads the text of a site file. The name stands in errors, and relative
// paths start at its folder; it is not opened. Every error is of type Errors.
func Parse(name string, text []byte, handlers ...string) (*site.Site, error) {
	return site.Parse(name, text, handlers...)
}

// Errors are all that is wrong in a site file, in its order, each of them
// "file:line:column: path: what was found; what would be right".
type Errors = site.Errors

// An Error is one of them.
type Error = site.Error
