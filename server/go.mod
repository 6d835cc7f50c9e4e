module curlew.example/curlew/server

go 1.26

require (
	curlew.example/curlew v0.0.0
	github.com/alecthomas/kong v1.17.0
)

replace curlew.example/curlew => ../
