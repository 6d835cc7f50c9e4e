package route

import (
	"net/http"
	"strconv"
	"strings"
)

// Accepts reports whether Accept-Encoding names an encoding with a weight above 0. RFC
// 9110, 12.5.3.
func Accepts(r *http.Request, encoding string) bool {
	for _, line := range r.Header["Accept-Encoding"] {
		for member := range strings.SplitSeq(line, ",") {
			name, params, _ := strings.Cut(member, ";")
			if !strings.EqualFold(strings.TrimSpace(name), encoding) {
				continue
			}
			key, weight, _ := strings.Cut(strings.TrimSpace(params), "=")
			if !strings.EqualFold(key, "q") {
				return true
			}
			q, err := strconv.ParseFloat(weight, 64)
			return err == nil && q > 0
		}
	}
	return false
}
