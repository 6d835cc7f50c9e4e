package site

// Parse reads the text of a site file. The name stands in errors and its folder
// is where relative paths start; it is not opened. An error is of type Errors.
//
// The handlers name those that the program brings besides the ones of this
// package; their settings are left in Route.Settings.
func Parse(name string, text []byte, handlers ...string) (*Site, error) {
	return nil, Errors{Place{File: name}.Errorf("not yet")}
}

// ParseListen reads an address as listen and --listen have it: host:port,
// https://host:port or unix:/path.
func ParseListen(s string) (Listen, error) { return Listen{}, nil }
