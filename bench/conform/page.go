package main

import "curlew.example/curlew/conform"

func write(runs []*run, cases []*conform.Case) string { return "" }
