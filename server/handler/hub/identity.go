package hub

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"curlew.example/curlew/hub"
	"curlew.example/curlew/hub/proto"
	"curlew.example/curlew/server/auth"
	"curlew.example/curlew/server/route"
)

// A credential is what somebody has come with.
type credential struct {
	User    string // that was found
	Token   string
	Address string
	Fields  map[string]string // of the request, by their names in lower case
}

var (
	errUnknownToken = &proto.Error{Code: proto.Unauthorized, Message: "no tokens are known here"}
	errToken        = &proto.Error{Code: proto.Unauthorized, Message: "the token is not accepted"}
	errExpired      = &proto.Error{Code: proto.Expired, Message: "the token has expired"}
)

// connect says who somebody is: by his token, else by what the route knows of him;
// then by the webhook.
func (s *settings) connect(ctx context.Context, r *http.Request, token string) (*hub.Identity, error) {
	who := &hub.Identity{}
	given, _ := r.Context().Value(tokenKey{}).(string)
	token = cmp.Or(token, given)
	user := auth.Of(r)
	var err error
	switch {
	case token != "" && s.tokens != nil:
		who, err = s.byToken(token)
	case user != nil && (token == "" || token == bearer(r)):
		who = &hub.Identity{User: user.Name, Expires: user.Expires}
		token = "" // what it was worth is known
	case token != "" && !s.hook.asks("connect"):
		err = errUnknownToken
	}
	if err != nil {
		return nil, err
	}
	if s.hook == nil {
		return who, nil
	}
	c := &credential{User: who.User, Token: token, Fields: make(map[string]string)}
	if a := route.Address(r); a.IsValid() {
		c.Address = a.String()
	}
	for _, name := range []string{"Authorization", "Cookie", "Origin"} {
		if lines := r.Header[name]; len(lines) > 0 && !(name == "Authorization" && user != nil) {
			c.Fields[strings.ToLower(name)] = strings.Join(lines, ", ")
		}
	}
	if s.hook.asks("connect") {
		if who, err = s.hook.connect(ctx, who, c); err != nil {
			return nil, err
		}
		c.User = who.User
	}
	who.Value = c
	return who, nil
}

// bearer returns the token of Authorization.
func bearer(r *http.Request) string {
	if scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	return ""
}

// byToken returns whom a token is of, and what it allows.
func (s *settings) byToken(token string) (*hub.Identity, error) {
	user, claims, err := s.tokens.Verify(token, time.Now())
	switch {
	case auth.Expired(err):
		return nil, errExpired
	case err != nil:
		return nil, errToken
	}
	who := &hub.Identity{User: user.Name, Expires: user.Expires, Info: claims["info"]}
	if c := claims["channels"]; c != nil {
		var channels map[string][]string
		if json.Unmarshal(c, &channels) != nil {
			return nil, errToken
		}
		if who.Rights, err = rights(channels); err != nil {
			return nil, errToken
		}
	}
	return who, nil
}

var errRights = errors.New("rights are for channels: a name, or one that ends in *")

// rights are those of a map from channels to "subscribe" and "publish". Of several
// that match a name the longest counts.
func rights(channels map[string][]string) ([]hub.Right, error) {
	names := slices.SortedFunc(maps.Keys(channels), func(a, b string) int {
		return cmp.Or(cmp.Compare(strings.Count(a, "*"), strings.Count(b, "*")), cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
	})
	var list []hub.Right
	for _, name := range names {
		if plain := strings.TrimSuffix(name, "*"); plain != "" && !proto.ValidName(plain) || name == "" {
			return nil, errRights
		}
		list = append(list, hub.Right{
			Channel:   name,
			Subscribe: slices.Contains(channels[name], "subscribe"), Publish: slices.Contains(channels[name], "publish"),
		})
	}
	return list, nil
}
