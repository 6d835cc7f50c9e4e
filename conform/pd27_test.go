package conform

import "testing"

// PD27: the cases of compression are no fewer than those of the suite that the
// numbers of the sections come from, for servers and for clients. That we pass them
// is shown by TestOurServer, TestOurClient and the like, of all cases.
func TestPD27_Sections(t *testing.T) {
	for _, role := range []Roles{ForServers, ForClients} {
		for pattern, want := range map[string]int{"12": 90, "13": 126} {
			cases, err := Select(For(Cases(), role), []string{pattern})
			if err != nil || len(cases) < want {
				t.Errorf("section %s has %d cases for %s, %v", pattern, len(cases), role, err)
			}
		}
	}
}
