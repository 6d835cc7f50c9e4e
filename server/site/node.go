package site

import (
	"math"
	"strconv"
	"strings"
)

// A Kind is the type of a JSON5 value.
type Kind uint8

// The kinds.
const (
	Null Kind = iota
	Bool
	Number
	String
	Array
	Object
)

// A Node is a value of a JSON5 text.
type Node struct {
	Kind Kind

	// Line and Column are where the value starts, both from 1, the column in
	// characters.
	Line, Column int

	Bool    bool     // of a Bool
	Text    string   // of a String; of a Number as it was written
	Items   []*Node  // of an Array
	Members []Member // of an Object, in the order of the text

	bad bool // an error was noted already
}

// A Member is a name with its value in an Object.
type Member struct {
	Name         string
	Line, Column int // of the name
	Value        *Node
}

// Float returns the value of a Number.
func (n *Node) Float() float64 {
	sign, s := 1.0, n.Text
	switch {
	case strings.HasPrefix(s, "-"):
		sign, s = -1, s[1:]
	case strings.HasPrefix(s, "+"):
		s = s[1:]
	}
	switch {
	case s == "Infinity":
		return math.Inf(int(sign))
	case s == "NaN":
		return math.NaN()
	case isHex(s):
		s += "p0"
	}
	f, _ := strconv.ParseFloat(s, 64)
	return sign * f
}

// Any returns the value as encoding/json would: nil, bool, float64, string,
// []any or map[string]any.
func (n *Node) Any() any {
	switch n.Kind {
	case Bool:
		return n.Bool
	case Number:
		return n.Float()
	case String:
		return n.Text
	case Array:
		list := make([]any, len(n.Items))
		for i, item := range n.Items {
			list[i] = item.Any()
		}
		return list
	case Object:
		m := make(map[string]any, len(n.Members))
		for _, member := range n.Members {
			m[member.Name] = member.Value.Any()
		}
		return m
	}
	return nil
}

func isHex(s string) bool {
	return strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "0X")
}
