package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"curlew.example/curlew/conform"
)

// A reportFile is one that a flag asks for; "-" is standard output.
type reportFile struct {
	flag, name string
	write      func(io.Writer) error
}

// sharedFiles hold what came of several peers.
type sharedFiles struct {
	JUnit string `name:"junit"`
	HTML  string `name:"html"`
	Index string
}

func (c *sharedFiles) files(strict bool, all []*conform.Report) []reportFile {
	return []reportFile{
		{"junit", c.JUnit, func(w io.Writer) error { return conform.WriteJUnit(w, strict, all...) }},
		{"html", c.HTML, func(w io.Writer) error { return conform.WriteHTML(w, all...) }},
		{"index", c.Index, func(w io.Writer) error { return conform.WriteIndex(w, all...) }},
	}
}

// reportFiles are those of a run. The JSON is of one peer.
type reportFiles struct {
	JSON string `name:"json"`
	sharedFiles
}

func (c *reportFiles) files(strict bool, one *conform.Report, all []*conform.Report) []reportFile {
	name := c.JSON
	if name != "" && name != "-" && one != nil {
		name = fileOf(name, one, all)
	}
	return append(c.sharedFiles.files(strict, all), reportFile{"json", name, one.WriteJSON})
}

// onStdout reports whether a file goes to standard output.
func onStdout(files []reportFile) bool {
	return slices.ContainsFunc(files, func(f reportFile) bool { return f.name == "-" })
}

// checkFiles finds out before a long run what would fail behind it.
func checkFiles(files []reportFile) error {
	for _, f := range files {
		if f.name == "" || f.name == "-" {
			continue
		}
		dir, err := os.Stat(filepath.Dir(f.name))
		if err == nil && !dir.IsDir() {
			err = fmt.Errorf("%s is no folder", filepath.Dir(f.name))
		}
		if info, e := os.Stat(f.name); err == nil && e == nil && info.IsDir() {
			err = fmt.Errorf("%s is a folder", f.name)
		}
		if err != nil {
			return fmt.Errorf("--%s: %w", f.flag, err)
		}
	}
	return nil
}

// save writes all of them that it can.
func save(stdout io.Writer, files []reportFile) (all error) {
	for _, f := range files {
		if err := f.save(stdout); err != nil {
			all = errors.Join(all, fmt.Errorf("--%s: %w", f.flag, err))
		}
	}
	return all
}

// fileOf is the file of one of several reports: {agent} in its name is the
// agent's. Where it does not occur, the first agent has the file and the others one
// beside it. No agent chooses the folder.
func fileOf(name string, one *conform.Report, all []*conform.Report) string {
	dir, base := filepath.Split(name)
	agent := fileName(one.Agent)
	switch {
	case strings.Contains(base, "{agent}"):
		base = strings.ReplaceAll(base, "{agent}", agent)
	case all[0].Agent != one.Agent:
		ext := filepath.Ext(base)
		base = strings.TrimSuffix(base, ext) + "-" + agent + ext
	}
	return dir + base
}

// fileName makes a part of a file's name of what a stranger is called. Different
// names stay different.
func fileName(agent string) string {
	const most = 80
	safe := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.' {
			return r
		}
		return '_'
	}, agent)
	safe = strings.TrimLeft(safe[:min(len(safe), most)], ".")
	if safe == agent && safe != "" {
		return safe
	}
	sum := sha256.Sum256([]byte(agent))
	return cmp.Or(safe, "agent") + "-" + base64.RawURLEncoding.EncodeToString(sum[:6])
}

// save writes a file, if it has a name, so that whoever reads it meanwhile sees
// the old one or the new one.
func (r reportFile) save(stdout io.Writer) error {
	name, write := r.name, r.write
	if name == "" {
		return nil
	}
	if name == "-" {
		return write(stdout)
	}
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() { // a pipe, a device
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return closed(f, write(f))
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".curlew-*")
	if err != nil {
		return err
	}
	err = write(f)
	if e := f.Chmod(0o644); err == nil {
		err = e
	}
	if err = closed(f, err); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// closed closes f and returns the first error.
func closed(f io.Closer, err error) error {
	if e := f.Close(); err == nil {
		return e
	}
	return err
}
