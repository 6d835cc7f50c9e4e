package conform

import (
	"fmt"
	"strings"
	"time"
)

// A Verdict is what a case found. The higher, the worse.
type Verdict uint8

const (
	OK            Verdict = iota
	Informational         // the RFC leaves the choice, or the peer has a limit that it announced (1009) or documents
	Unimplemented         // the peer does not have what the case is about, and need not
	NonStrict             // not what the RFC says that SHOULD be, or too late, or a wrong of the other side is let pass that does no harm
	Failed
)

var verdicts = [...]string{"OK", "INFORMATIONAL", "UNIMPLEMENTED", "NON-STRICT", "FAILED"}

func (v Verdict) String() string {
	if int(v) < len(verdicts) {
		return verdicts[v]
	}
	return fmt.Sprintf("Verdict(%d)", uint8(v))
}

// MarshalText writes v as in String.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (v *Verdict) UnmarshalText(p []byte) error {
	for i, name := range verdicts {
		if strings.EqualFold(name, string(p)) {
			*v = Verdict(i)
			return nil
		}
	}
	return fmt.Errorf("conform: %q is no verdict", p)
}

// A Result is what became of one case.
type Result struct {
	ID       string        `json:"id"`
	Behavior Verdict       `json:"behavior"`
	Close    Verdict       `json:"behaviorClose"`
	Note     string        `json:"note,omitempty"`     // what was seen, if a verdict is not OK
	Rule     string        `json:"rule,omitempty"`     // what was broken: Case.Rule and Case.Spec, or a rule that holds always
	Code     int           `json:"code,omitempty"`     // of the peer's Close; 0: none came
	Duration time.Duration `json:"duration,omitempty"` // in nanoseconds
	Trace    []Line        `json:"trace,omitempty"`    // if a verdict is not OK, or all are wanted
	Lost     bool          `json:"lost,omitempty"`     // nobody was met: no connection, or not a byte came on it
}

// Verdict is the worse one of both.
func (r *Result) Verdict() Verdict { return max(r.Behavior, r.Close) }

// A Line of a trace is one thing that was sent or received.
type Line struct {
	At   time.Duration `json:"at"`  // since the connection was begun, in nanoseconds
	Sent bool          `json:"out"` // by us
	Text string        `json:"text"`
}

func (l Line) String() string {
	arrow := "<"
	if l.Sent {
		arrow = ">"
	}
	return fmt.Sprintf("%9.3f ms %s %s", float64(l.At)/1e6, arrow, l.Text)
}
