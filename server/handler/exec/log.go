package exec

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"curlew.example/curlew/server/internal/logs"
)

// log writes a line, unless there are too many.
func (ps *Processes) log(level slog.Level, text string, args ...any) {
	if !ps.Log.Enabled(context.Background(), level) || !ps.lines.Allow(time.Now()) {
		return
	}
	if n := ps.lines.Missed(); n > 0 {
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
	own := logs.Limiter{Most: maxErrorLines}
	in := bufio.NewReaderSize(p.stderr, 4<<10)
	for {
		line, err := in.ReadSlice('\n')
		text := strings.TrimRight(string(line[:min(len(line), maxErrorLine+1)]), "\r\n")
		for err == bufio.ErrBufferFull {
			_, err = in.ReadSlice('\n')
		}
		if text != "" && own.Allow(time.Now()) {
			p.say(slog.LevelInfo, "exec: a program says", "text", escaped(text))
		}
		if err != nil {
			break
		}
	}
	if n := own.Missed(); n > 0 {
		p.say(slog.LevelInfo, "exec: a program said more than is logged", "notLogged", n)
	}
}

// say logs something of this program.
func (p *process) say(level slog.Level, text string, args ...any) {
	p.h.processes.log(level, text, append([]any{"program", escaped(p.name), "pid", p.cmd.Process.Pid}, args...)...)
}

// escaped returns a stranger's text as it may stand in the log.
func escaped(s string) string { return logs.Escape(s, maxErrorLine) }

// ended reports whether err is the end of a pipe, in whatever way.
func ended(err error) bool {
	return err == io.EOF || errors.Is(err, os.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded)
}
