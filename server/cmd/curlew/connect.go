package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"curlew.example/curlew"
)

type connect struct {
	URL      string `arg:""`
	Protocol []string
	Header   []string `sep:"none"`
	Origin   string
	Proxy    string
	Insecure bool
	Cacert   string
	Compress bool
	Binary   bool
	Count    int
	Timing   bool
	Frames   bool
}

// maxMessage is what connect takes, and reads from a line.
const maxMessage = 64 << 20

func (c *connect) Run(ctx context.Context, p *Program) error {
	if c.Binary && isTerminal(p.Stdout) {
		return wrongUsage{errors.New("--binary writes raw bytes, which may be orders to a terminal: send the output to a file or a program")}
	}
	if c.Count < 0 {
		return wrongUsage{errors.New("--count: a number of messages")}
	}
	if err := checkURL(c.URL); err != nil {
		return wrongUsage{err}
	}
	o, err := c.options()
	if err != nil {
		return err
	}
	t := &talk{connect: c, program: p, out: newLines(p.Stdout), began: time.Now()}
	if c.Frames {
		o.WrapConn = func(n net.Conn) net.Conn { return newTap(n, t.note) }
	}
	if t.conn, err = curlew.Dial(ctx, c.URL, o); err != nil {
		return explain(err)
	}
	if c.Timing {
		t.note("connected in %s", short(time.Since(t.began)))
	}
	if isTerminal(p.Stdin) {
		t.note("connected; each line is a message, Ctrl-D ends")
	}
	return t.run(ctx)
}

// checkURL says what is wrong with a URL before anything is done with it.
func checkURL(text string) error {
	scheme, _, found := strings.Cut(text, "://")
	switch strings.ToLower(scheme) {
	case "ws", "wss", "http", "https":
		if found {
			return nil
		}
	}
	if found {
		return fmt.Errorf("%s: ws://host/path or wss://host/path is wanted", text)
	}
	return fmt.Errorf("%s: ws://host/path or wss://host/path is wanted; did you mean ws://%s?", text, text)
}

// options are those of Dial that the flags ask for.
func (c *connect) options() (*curlew.DialOptions, error) {
	header, err := headerOf(c.Header, c.Origin)
	if err != nil {
		return nil, err
	}
	o := &curlew.DialOptions{Options: curlew.Options{
		Subprotocols: c.Protocol, Header: header, MaxMessage: maxMessage, InactivityTimeout: -1,
	}}
	if c.Compress {
		o.Compression = &curlew.Compression{}
	}
	if c.Proxy != "" {
		u, err := url.Parse(c.Proxy)
		if err != nil || u.Host == "" {
			return nil, wrongUsage{errors.New("--proxy: a URL, such as http://host:3128 or socks5://host:1080")}
		}
		o.Proxy = http.ProxyURL(u)
	}
	o.TLS, err = tlsOf(c.Insecure, c.Cacert)
	return o, err
}

// headerOf is the header that --header and --origin ask for.
func headerOf(lines []string, origin string) (http.Header, error) {
	header := make(http.Header)
	for _, h := range lines {
		name, value, ok := strings.Cut(h, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return nil, wrongUsage{fmt.Errorf("--header %q: 'Name: value'", h)}
		}
		header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	if origin != "" {
		header.Set("Origin", origin)
	}
	return header, nil
}

// tlsOf is what --insecure and --cacert ask for.
func tlsOf(insecure bool, cacert string) (*tls.Config, error) {
	config := &tls.Config{InsecureSkipVerify: insecure}
	if cacert == "" {
		return config, nil
	}
	pem, err := os.ReadFile(cacert)
	if err != nil {
		return nil, fmt.Errorf("--cacert: %w", err)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("--cacert: %s holds no PEM certificate", cacert)
	}
	return config, nil
}

// explain adds to a refusal what the server said, or what can be done.
func explain(err error) error {
	switch {
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return fmt.Errorf("%w\n--cacert FILE says whose certificates to believe, --insecure believes any", err)
	case errors.As(err, new(x509.HostnameError)), errors.As(err, new(x509.CertificateInvalidError)):
		return fmt.Errorf("%w\n--insecure believes any certificate", err)
	case errors.As(err, new(tls.RecordHeaderError)):
		return fmt.Errorf("%w\nIs it a ws:// address?", err)
	}
	refused := (*curlew.HandshakeError)(nil)
	if !errors.As(err, &refused) || len(refused.Body) == 0 {
		return err
	}
	const most = 1000
	body := strings.TrimSpace(string(refused.Body[:min(len(refused.Body), most)]))
	return fmt.Errorf("%w\n%s", err, body)
}

// A talk is one connection of connect.
type talk struct {
	*connect
	program *Program
	out     *lines
	conn    *curlew.Conn
	began   time.Time
	sent    stamp // of the last message sent
}

// lingering is how long, after the end of input and the answer to a ping, the
// server may be silent before we close.
const lingering = 200 * time.Millisecond

// run sends and receives until one side ends.
func (t *talk) run(ctx context.Context) error {
	quiet := make(chan struct{}, 1) // has a value after each message received
	received := make(chan error, 1)
	go func() { received <- t.receive(quiet) }()
	sent := make(chan error, 1)
	go func() { sent <- t.send() }()

	var err error
	select {
	case err = <-received:
	case <-ctx.Done():
	case err = <-sent:
		if err == nil {
			err = t.finish(ctx, quiet, received)
		}
	}
	if end := (*curlew.CloseError)(nil); errors.As(err, &end) {
		return t.ended(end)
	}
	t.conn.Close(curlew.NormalClosure, "")
	<-t.conn.Done()
	if errors.Is(err, errEnough) || errors.Is(err, io.ErrClosedPipe) {
		err = nil
	}
	return err
}

// errEnough ends receiving after --count messages.
var errEnough = errors.New("enough")

// finish waits, at the end of input, for what is still on its way: with --count
// for all of it, else until a ping was answered and it is quiet.
func (t *talk) finish(ctx context.Context, quiet <-chan struct{}, received chan error) error {
	if t.Count > 0 {
		select {
		case err := <-received:
			return err
		case <-ctx.Done():
			return nil
		}
	}
	ping, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	t.conn.Ping(ping)
	timer := time.NewTimer(lingering)
	defer timer.Stop()
	for {
		select {
		case err := <-received:
			return err
		case <-quiet:
			timer.Reset(lingering)
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// ended says how the other side ended the connection, and whether that is in
// order.
func (t *talk) ended(e *curlew.CloseError) error {
	if !e.Remote && e.Code == curlew.NormalClosure {
		return nil
	}
	text := fmt.Sprintf("closed by the server: %v", e.Code)
	if !e.Remote {
		text = fmt.Sprintf("closed: %v", e.Code)
	}
	if e.Reason != "" && !strings.HasSuffix(text, " "+e.Reason) {
		text += ": " + e.Reason
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	t.note("%s", text)
	switch {
	case e.Remote && e.Orderly() && (e.Code == curlew.NormalClosure || e.Code == curlew.GoingAway || e.Code == curlew.NoStatus):
		return nil
	}
	return errSaid
}

// send sends the lines of standard input.
func (t *talk) send() error {
	in := newReader(t.program.Stdin)
	for {
		line, err := in.line()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("standard input: %w", err)
		}
		t.sent.set(time.Now())
		if err := t.conn.Write(context.Background(), curlew.Text, line); err != nil {
			return err
		}
	}
}

// receive writes what comes.
func (t *talk) receive(quiet chan<- struct{}) error {
	var buf []byte
	for n := 1; ; n++ {
		typ, p, err := t.conn.Read(context.Background(), buf[:0])
		if err != nil {
			return err
		}
		buf = p
		if cap(buf) > 1<<20 {
			buf = nil
		}
		if err := t.out.message(typ, p, t.Binary); err != nil {
			return io.ErrClosedPipe
		}
		if t.Timing {
			now := time.Now()
			text := "message " + fmt.Sprint(n) + " at " + short(now.Sub(t.began))
			if at := t.sent.get(); !at.IsZero() {
				text += ", " + short(now.Sub(at)) + " after the last one sent"
			}
			t.note("%s", text)
		}
		if n == t.Count {
			return errEnough
		}
		select {
		case quiet <- struct{}{}:
		default:
		}
	}
}

// note writes a line of ours to standard error.
func (t *talk) note(format string, args ...any) {
	fmt.Fprintln(t.program.Stderr, oneLine(fmt.Sprintf(format, args...)))
}

// short rounds a time to what a person wants to know.
func short(d time.Duration) string {
	switch {
	case d > time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d > time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}
