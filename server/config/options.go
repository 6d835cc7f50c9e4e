package config

import (
	"curlew.example/curlew"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
)

// Options returns the settings of a route's WebSockets: those of route.Options.
func Options(r *site.Route) *curlew.Options { return route.Options(r) }
