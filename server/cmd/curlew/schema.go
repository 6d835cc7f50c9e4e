package main

import "curlew.example/curlew/server/site"

type schema struct{}

func (c *schema) Run(p *Program) error {
	_, err := p.Stdout.Write(site.Schema())
	return err
}
