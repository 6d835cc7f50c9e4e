// Package convert translates the configurations of other servers to site files:
// Appweb's appweb.conf and Ioto's web.json5.
//
// The result is JSON5 that package site accepts. What the source says is written
// with our names and units; where its defaults differ from ours they are written
// out; what has no counterpart becomes a comment with the line that it came
// from. Where a protection cannot be translated as it is (passwords in a hash of
// their own, a program behind a path) the path stays closed rather than open.
//
// It reads one text and opens no files: what the source includes is named in a
// comment and is to be converted by itself.
package convert

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"curlew.example/curlew/server/site"
)

// maxText is the largest configuration that is read, in bytes.
const maxText = 1 << 20

// File translates a configuration of either kind: JSON5 is Ioto's, everything
// else Appweb's. The name stands in errors and in the comments of the result.
// An error is of type site.Errors: all that is wrong, with places.
func File(name string, text []byte) ([]byte, error) {
	if isJSON5(text) {
		return Ioto(name, text)
	}
	return Appweb(name, text)
}

// isJSON5 reports whether a text begins with an object, behind spaces and
// comments of JSON5, or with a comment of those that does not end.
func isJSON5(text []byte) bool {
	s := bytes.TrimPrefix(text, []byte("\uFEFF"))
	for {
		s = bytes.TrimLeft(s, " \t\r\n")
		switch {
		case bytes.HasPrefix(s, []byte("//")):
			_, s, _ = bytes.Cut(s, []byte("\n"))
		case bytes.HasPrefix(s, []byte("/*")):
			var ends bool
			if _, s, ends = bytes.Cut(s, []byte("*/")); !ends {
				return true
			}
		default:
			return bytes.HasPrefix(s, []byte("{"))
		}
	}
}

// finish checks the result as curlew check would read it.
func finish(name string, o *object) ([]byte, error) {
	text := []byte(o.print())
	if errs := problems("the result for "+name, string(text)); len(errs) > 0 {
		return nil, errs
	}
	return text, nil
}

// problems are what package site finds wrong in a text.
func problems(name, text string) site.Errors {
	_, err := site.Parse(name, []byte(text))
	list, _ := err.(site.Errors)
	return list
}

// readable returns the text without the mark of some editors, or says why it
// cannot be read.
func readable(name string, text []byte) (string, site.Errors) {
	if len(text) > maxText {
		return "", site.Errors{site.Place{File: name}.Errorf("the file is larger than 1 MiB; a configuration is a few KB")}
	}
	line, column := 1, 1
	s := strings.TrimPrefix(string(text), "\uFEFF")
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			return "", site.Errors{site.Place{File: name, Line: line, Column: column}.Errorf("found the byte %#x, which is not UTF-8; save the file as UTF-8", s[i])}
		}
		i += n
		column++
		if r == '\n' {
			line, column = line+1, 1
		}
	}
	return s, nil
}
