package site

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Place is where something stands in a file.
type Place struct {
	File string

	// Line and Column count from 1, the column in characters. Line 0: not in
	// the file.
	Line, Column int

	// Path is that of the key, such as "routes[2].static.directory".
	Path string
}

func (p Place) String() string {
	if p.Line == 0 {
		return p.File
	}
	return p.File + ":" + strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Column)
}

// Errorf returns an Error at p. The text says what was found, after a semicolon
// what would be right.
func (p Place) Errorf(format string, args ...any) *Error {
	return &Error{Place: p, Text: fmt.Sprintf(format, args...)}
}

// An Error is one thing that is wrong in a file.
type Error struct {
	Place
	Text string
}

// Error returns "file:line:column: path: text", less what is not known.
func (e *Error) Error() string {
	var b strings.Builder
	if at := e.Place.String(); at != "" {
		b.WriteString(at + ": ")
	}
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	b.WriteString(e.Text)
	return b.String()
}

// Errors are all that is wrong in a file, in its order.
type Errors []*Error

// Error returns the errors, one a line.
func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As find the first one.
func (es Errors) Unwrap() []error {
	list := make([]error, len(es))
	for i, e := range es {
		list[i] = e
	}
	return list
}

// maxErrors bounds what one file can make us say.
const maxErrors = 1000

// sort puts the errors in the order of the file.
func (es Errors) sort() {
	slices.SortStableFunc(es, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}
