package main

import (
	"context"
	"io"
	"os"

	"curlew.example/curlew/server/convert"
)

type conversion struct {
	File string `arg:""`
}

func (c *conversion) Run(ctx context.Context, p *Program) error {
	result, err := awaited(ctx, c.convert)
	if err != nil {
		return p.told(err)
	}
	_, err = p.Stdout.Write(result)
	return err
}

// convert reads the file, never much more than what package convert accepts.
func (c *conversion) convert() ([]byte, error) {
	f, err := os.Open(c.File)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 1<<20+1))
	if err != nil {
		return nil, err
	}
	return convert.File(c.File, text)
}
