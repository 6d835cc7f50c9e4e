package exec

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// A limiter lets a number of log lines a second through and counts the others.
type limiter struct {
	most int

	mu      sync.Mutex // guards the following
	second  int64
	lines   int
	dropped int
}

// allow reports whether a line may be written.
func (l *limiter) allow(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := now.Unix(); s != l.second {
		l.second, l.lines = s, 0
	}
	if l.lines >= l.most {
		l.dropped++
		return false
	}
	l.lines++
	return true
}

// missed returns how many lines were not written since it was last asked.
func (l *limiter) missed() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.dropped
	l.dropped = 0
	return n
}

// log writes a line, unless there are too many.
func (ps *Processes) log(level slog.Level, text string, args ...any) {
	if !ps.Log.Enabled(context.Background(), level) || !ps.lines.allow(time.Now()) {
		return
	}
	if n := ps.lines.missed(); n > 0 {
		args = append(args, "notLogged", n)
	}
	ps.Log.Log(context.Background(), level, text, args...)
}

const (
	maxErrorLines = 10   // of one program a second
	maxErrorLine  = 1024 // bytes of a line that are logged
)

// errors logs what the program writes to its standard error output, line by line.
// What is too much is read and thrown away: a program is not made to wait by a
// log.
func (p *process) errors() {
	defer p.stderr.Close()
	own := limiter{most: maxErrorLines}
	in := bufio.NewReaderSize(p.stderr, 4<<10)
	for {
		line, err := in.ReadSlice('\n')
		text := strings.TrimRight(string(line[:min(len(line), maxErrorLine+1)]), "\r\n")
		for err == bufio.ErrBufferFull {
			_, err = in.ReadSlice('\n')
		}
		if text != "" && own.allow(time.Now()) {
			p.say(slog.LevelInfo, "exec: a program says", "text", escaped(text))
		}
		if err != nil {
			break
		}
	}
	if n := own.missed(); n > 0 {
		p.say(slog.LevelInfo, "exec: a program said more than is logged", "notLogged", n)
	}
}

// say logs something of this program.
func (p *process) say(level slog.Level, text string, args ...any) {
	p.h.processes.log(level, text, append([]any{"program", escaped(p.name), "pid", p.cmd.Process.Pid}, args...)...)
}

// escaped returns a stranger's text with everything escaped that a terminal, a log
// viewer or a reader could take for something else.
func escaped(s string) string {
	cut := len(s) > maxErrorLine
	if cut {
		n := maxErrorLine
		for n > maxErrorLine-utf8.UTFMax && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n]
	}
	for _, r := range s {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			q := strconv.QuoteToGraphic(s)
			s = strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
			break
		}
	}
	if cut {
		s += "…"
	}
	return s
}

// ended reports whether err is the end of a pipe, in whatever way.
func ended(err error) bool {
	return err == io.EOF || errors.Is(err, os.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded)
}
