package static

import "strings"

// windowsAlias reports whether Windows takes a name for something else than a
// file of this name: a device (CON, NUL.txt), a stream (x::$DATA), a short name
// (PROGRA~1), a name that loses dots and spaces at its end, a path, a pattern.
func windowsAlias(s string) bool {
	if s == "" || s[len(s)-1] == '.' || s[len(s)-1] == ' ' {
		return true
	}
	for i := range len(s) {
		if s[i] < ' ' || strings.IndexByte(`:~*?<>|"/\`, s[i]) >= 0 {
			return true
		}
	}
	base, _, _ := strings.Cut(s, ".")
	base = strings.ToUpper(strings.TrimRight(base, " "))
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	for _, port := range []string{"COM", "LPT"} {
		switch number, ok := strings.CutPrefix(base, port); {
		case !ok:
		case len(number) == 1 && '0' <= number[0] && number[0] <= '9', number == "¹", number == "²", number == "³":
			return true
		}
	}
	return false
}
