package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"curlew.example/curlew/conform"
)

type conformClient struct {
	Addr string `arg:"" optional:""` // not with --list
	conformRun
	TLS  bool `name:"tls"`
	Cert string
	Key  string
	Once bool
}

func (c *conformClient) Run(ctx context.Context, p *Program) error {
	if c.List && c.Addr != "" && !strings.Contains(c.Addr, ":") {
		c.Cases, c.Addr = append([]string{c.Addr}, c.Cases...), "" // the first CASE
	}
	if c.Addr == "" && !c.List {
		return wrongUsage{errors.New("ADDR is missing (see curlew conform client --help)")}
	}
	cases, err := c.cases(conform.ForClients)
	if err != nil {
		return err
	}
	if c.List {
		return list(p.Stdout, cases)
	}
	o, _, err := c.options()
	if err != nil {
		return err
	}
	l, err := c.listen(p)
	if err != nil {
		return err
	}
	v := &visitors{conformClient: c, program: p, cases: cases, began: time.Now(), address: c.url(l), scale: max(o.Scale, 1)}
	v.line = newProgress(p.Stderr, len(cases))
	o.Progress = v.line.add
	v.Clients = &conform.Clients{Cases: cases, Options: o, Once: c.Once, Reported: v.reported}
	fmt.Fprintf(p.Stderr, "curlew: a client asks for /getCaseCount, then for /runCase?case=N&agent=NAME with N from 1 to %d, then for /updateReports?agent=NAME\n", len(cases))
	fmt.Fprintf(p.Stdout, "listening on %s\n", v.address)
	err = v.Serve(ctx, l)
	v.line.end()
	switch {
	case err != nil && ctx.Err() == nil:
		return err
	case c.Once && ctx.Err() != nil:
		v.rest()
		return errInterrupted
	}
	v.rest()
	return v.verdict()
}

// listen also reads or makes the certificate.
func (c *conformClient) listen(p *Program) (net.Listener, error) {
	scheme, address, found := strings.Cut(c.Addr, "://")
	if found {
		address = strings.TrimSuffix(address, "/")
		c.TLS = c.TLS || scheme == "wss"
	} else {
		address = c.Addr
	}
	if host, _, err := net.SplitHostPort(address); err != nil || found && scheme != "ws" && scheme != "wss" || strings.Contains(host, "/") {
		return nil, wrongUsage{fmt.Errorf("%s: host:port to listen at is wanted, such as 127.0.0.1:9001", c.Addr)}
	}
	var config *tls.Config
	switch {
	case (c.Cert == "") != (c.Key == ""):
		return nil, wrongUsage{errors.New("--cert and --key go together")}
	case c.Cert != "":
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, err
		}
		c.TLS = true
		config = &tls.Config{Certificates: []tls.Certificate{pair}}
	case c.TLS:
		host, _, _ := net.SplitHostPort(address)
		pair, err := selfMade(host)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(p.Stderr, "curlew: a certificate was made, SHA-256 %x; clients have to believe it\n", sha256.Sum256(pair.Certificate[0]))
		config = &tls.Config{Certificates: []tls.Certificate{pair}}
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	if config != nil {
		l = tls.NewListener(l, config)
	}
	return l, nil
}

// url is where clients find l.
func (c *conformClient) url(l net.Listener) string {
	scheme := "ws://"
	if c.TLS {
		scheme = "wss://"
	}
	host, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return scheme + l.Addr().String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return scheme + net.JoinHostPort(host, port)
}

// selfMade makes a certificate for a month, for this machine and the host.
func selfMade(host string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return tls.Certificate{}, err
	}
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "curlew conform"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 1, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		DNSNames:              []string{"localhost"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	if ip := net.ParseIP(host); ip != nil {
		t.IPAddresses = append(t.IPAddresses, ip)
	} else if host != "" {
		t.DNSNames = append(t.DNSNames, host)
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// visitors are the clients that come.
type visitors struct {
	*conformClient
	*conform.Clients
	program *Program
	cases   []*conform.Case
	began   time.Time
	address string
	scale   int
	line    *progress

	mu      sync.Mutex // guards the following
	reports []*conform.Report
	failure error // to write a report
}

// reported prints and writes what is known of an agent.
func (v *visitors) reported(agent string, results []conform.Result) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.line.end()
	r := &conform.Report{
		Tool: versionText(), When: v.began, Role: "client", Agent: agent, Address: v.address,
		Seed: v.Seed, Scale: v.scale, TLS: v.TLS,
	}
	r.Limit, _ = v.limit()
	r.Fill(v.cases, results)
	if i := v.find(r.Agent); i >= 0 {
		v.reports[i] = r
	} else {
		v.reports = append(v.reports, r)
	}
	if err := v.write(v.program, r, v.reports); err != nil {
		v.failure = errors.Join(v.failure, err)
		fmt.Fprintf(v.program.Stderr, "curlew: %s\n", printable(err.Error()))
	}
}

func (v *visitors) find(agent string) int {
	return slices.IndexFunc(v.reports, func(r *conform.Report) bool { return r.Agent == agent })
}

// rest reports those that did not ask for it, or went on behind that.
func (v *visitors) rest() {
	for _, agent := range v.Agents() {
		results := v.Results(agent)
		blank := &conform.Report{Role: "client", Agent: agent}
		blank.Fill(nil, nil) // as it is called in reports
		v.mu.Lock()
		i := v.find(blank.Agent)
		done := i >= 0 && len(v.reports[i].Results) == len(results)
		v.mu.Unlock()
		if !done {
			v.reported(agent, results)
		}
	}
}

// verdict is what the program ends with.
func (v *visitors) verdict() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.reports) == 0 {
		return errors.New("no client came")
	}
	if v.failure != nil {
		return errSaid
	}
	for _, r := range v.reports {
		if !r.Passed(v.Strict) {
			return errSaid
		}
	}
	return nil
}
