package hub

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
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
	if user != nil && !user.Expires.IsZero() && (who.Expires.IsZero() || user.Expires.Before(who.Expires)) {
		who.Expires = user.Expires // of what let the request in
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

// Credentials and User tell of the token of a request. The server asks whether requests
// of the fallback are of the user who has opened the session.
func (e *entrance) Credentials(r *http.Request) (d auth.Digest, any bool) {
	if e.set.tokens == nil {
		return d, false
	}
	return e.set.tokens.Credentials(r)
}

func (e *entrance) User(r *http.Request) (name string, ok bool) {
	token, err := e.set.tokens.Take(r.Clone(r.Context()))
	if err != nil {
		return "", false
	}
	user, _, err := e.set.tokens.Verify(token, time.Now())
	if err != nil {
		return "", false
	}
	return user.Name, true
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

// rights are those of a map from channels to "subscribe" and "publish".
func rights(channels map[string][]string) (list []hub.Right, err error) {
	for name, may := range channels {
		if plain := strings.TrimSuffix(name, "*"); plain != "" && !proto.ValidName(plain) || name == "" {
			return nil, errRights
		}
		list = append(list, hub.Right{
			Channel: name, Subscribe: slices.Contains(may, "subscribe"), Publish: slices.Contains(may, "publish"),
		})
	}
	slices.SortFunc(list, narrower)
	return list, nil
}

// narrower is the order of rights: of several that match a name the first one counts,
// which is to be the longest.
func narrower(a, b hub.Right) int {
	return cmp.Or(cmp.Compare(strings.Count(a.Channel, "*"), strings.Count(b.Channel, "*")), cmp.Compare(len(b.Channel), len(a.Channel)))
}
