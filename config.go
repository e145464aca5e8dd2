package ptlauth

import (
	"reflect"
	"strings"

	"github.com/getportal/ptlauth/internal/option"
)

// Config is what an operator can say about a middleware. This page is the manual;
// the README has the same in a table.
//
// Every option takes text as well as its own type, because a Docker label and a KV
// pair deliver nothing else, and every mistake is reported at once in Traefik's log.
// For that, the fields take whatever comes: a value that Traefik's decoder could not
// place would cost the router its middleware. Names are matched without regard to
// case. Durations are written as everywhere in Traefik: 10s, 5m, or plain seconds.
type Config struct {
	// SecretFile is the path of the file with the tokens' shared secret: short for
	// one more entry of Keys with algorithm HS256. This or Keys is required.
	//
	//   - secretFile (path): the file with the HS256 secret
	SecretFile interface{} `json:"secretFile,omitempty"`

	// Keys are the keys that a token's signature may be verified with. Any of them
	// may verify, so that a key can be rotated without logging anyone out. Each has
	// exactly one source.
	//
	//	keys:
	//	  - secretFile: /run/secrets/ptlauth
	//	  - {jwksURL: "https://login.example.com/jwks.json", algorithm: ES256}
	//
	// A secret's bytes are the HMAC key as they are, less the newline at the end. It
	// must be at least as long as the algorithm's hash (RFC 7518 §3.2: 32, 48, 64
	// bytes), and what looks like PEM is refused. Traefik's API shows a middleware's
	// configuration to whoever may read it, so a secret belongs in a file.
	//
	// A public key is PEM, PKIX or a certificate: RSA of at least 2048 bits, P-256,
	// P-384, P-521 or Ed25519. A JWK Set (RFC 7517) may hold several; a key's kid then
	// chooses among them and does nothing else.
	//
	// Files are read as they are made: with a byte order mark, in UTF-16 that is marked; PEM
	// also on one line, indented, with \n written out, or its base64 alone; a JWK alone. What
	// stands around a secret (quotes, a blank, NAME=) is reported, not taken off.
	//
	// What is in a file is read again within refresh. A URL is asked in the background,
	// no sooner than its Cache-Control says, and once in 30 s when a token names a kid
	// that the set has not.
	//
	//   - keys[].secret (text): the secret itself; better use a file
	//   - keys[].secretFile (path): a file with the secret
	//   - keys[].secretEnv (name): an environment variable of Traefik's with the secret
	//   - keys[].secretBase64 (boolean, default false): decode the secret from base64 first
	//   - keys[].publicKey (PEM): a public key or certificate
	//   - keys[].publicKeyFile (path): a file with a public key or certificate
	//   - keys[].jwksFile (path): a file with a JWK Set
	//   - keys[].jwksURL (address): where a JWK Set is served
	//   - keys[].algorithm (text, default by the key): HS256, HS384, HS512; RS256 to RS512, PS256 to PS512, ES256, ES384, ES512, EdDSA; tokens must name just that. HS256 for a secret, RS256 for RSA, ES… by the curve
	//   - keys[].id (text): only tokens with this kid
	Keys interface{} `json:"keys,omitempty"`

	// Token says where a request carries its token. A cookie may hold it in quotes and
	// with "Bearer " in front, also with the space escaped, as Portal and other libraries
	// write it. Of several tokens (at most 4, at most 8 KiB each) a bad one does no harm
	// beside a good one; good ones of two terminals are refused.
	//
	// Tokens are taken out before the request is passed on, unless forward is set; other
	// cookies and parameters stay byte for byte. An app may have tokens of its own in
	// Authorization and in the query: there only what one of the keys has signed is taken
	// out and, where no token is good, whatever looks like a JWT. The cookie, and any
	// other header that is named here, is taken out whatever it holds. A request that has
	// the cookie or the parameter more than 32 times is refused, on a public path
	// anonymous and without any cookie or query. So is one that mentions them in more
	// than 16 KiB of query, or more than 32 times in more than 16 KiB of cookies.
	//
	// Subject is the claim whose text is the terminal's id; of several, the first that is
	// text and not empty. Whoever can choose the text of any of them can choose whom the
	// token is for.
	//
	// Header is one name, several, or a list of groups, not of both. Every header but Authorization may
	// carry the token bare, too. A proxy in front makes some of a cookie, such as
	// Cf-Access-Jwt-Assertion: so all but Authorization are guarded against other origins as
	// the cookie is (CrossOriginProtection), unless explicit says that programs alone send it.
	// A proxy that makes Authorization of its cookie (oauth2-proxy) needs explicit: false.
	//
	//	token:
	//	  basic: true
	//	  header:
	//	    - {name: Authorization}
	//	    - {name: Cf-Access-Jwt-Assertion}
	//	    - {name: X-Access-Token, explicit: true}
	//
	// Basic is for clients that know a user name and a password alone: calendars, feed
	// readers, git, WebDAV. The password is the token, also with the terminal's id and a colon
	// before it, and the user name is not looked at. A browser that was once given a password
	// sends it with everything, whichever page asks, so it is guarded as the cookie is. A
	// password that is no token is the app's and stays, with its user name, byte for byte.
	// Programs without a good token are then answered 401 with WWW-Authenticate: Basic beside
	// Bearer, so that they ask for a password. A browser is not, because it would show a box:
	// it is known by Sec-Fetch-*, which others than browsers send too where no page could; over
	// plain HTTP by its Origin, Referer or User-Agent, which Thunderbird alone shares.
	//
	//   - token.cookie (name, default authorization): the cookie that carries the token; empty: none
	//   - token.header (one or several names, or a list of groups): the header that carries it, scheme Bearer, such as Authorization
	//   - token.header[].name (name): the same in a group
	//   - token.header[].explicit (boolean): no proxy makes it of a cookie, so other origins' pages may send it; where it is not said, this holds for Authorization alone
	//   - token.basic (boolean, default false): the password of Authorization: Basic carries it
	//   - token.query (name): the query parameter that carries it; Traefik's access log shows it
	//   - token.forward (boolean, default false): let the app see the token
	//   - token.subject (one or several claims, default sub): the claim that names the terminal
	Token interface{} `json:"token,omitempty"`

	// Issuer is the `iss` that every token must have.
	//
	//   - issuer (text): the required iss
	Issuer interface{} `json:"issuer,omitempty"`

	// Audience is one or several values of which a token's `aud` must name one. A
	// token that has an `aud` is refused where none is configured (RFC 7519 §4.1.3).
	//
	//   - audience (one or several texts): the required aud
	Audience interface{} `json:"audience,omitempty"`

	// RequireExpiry refuses tokens without `exp`. Portal's own tokens have none.
	//
	//   - requireExpiry (boolean, default false): refuse tokens without exp
	RequireExpiry interface{} `json:"requireExpiry,omitempty"`

	// MaxAge refuses tokens whose `iat` is longer ago, or missing.
	//
	//   - maxAge (duration): how long after its iat a token is good
	MaxAge interface{} `json:"maxAge,omitempty"`

	// Leeway is how far clocks may differ when exp, nbf, iat and MaxAge are checked.
	//
	//   - leeway (duration, default 30s): clock skew for exp, nbf and iat
	Leeway interface{} `json:"leeway,omitempty"`

	// Require maps claims to one or several accepted values; a good token without one
	// of them is answered 403. A claim that is a list must hold one. Dots lead into
	// nested claims, and so does nesting. A number is compared by its digits as they stand
	// in the token.
	//
	//	require:
	//	  groups: [family, friends]
	//	  realm_access.roles: editor
	//
	// A label divides a name at dots, and a KV store at slashes. Where a name has both, as
	// https://example.com/roles, write a list of claims with their values instead.
	//
	//   - require (claim: one or several texts): what else a token must say
	//   - require[].claim (name): the same as a list, for any name: the claim
	//   - require[].values (one or several texts): and its accepted values
	Require interface{} `json:"require,omitempty"`

	// Terminals says who may enter, and is required: either the paired devices, in one of
	// three places, or the word `any` for every good token, a device's too that was taken
	// out. Absent or empty it answers 503, because a list whose last entry is deleted is
	// absent in a KV store. File and URL hold a JSON array of {"id", "name", "user"}, other
	// members are not looked at; Portal's own terminals endpoint returns it so. An empty
	// array admits nobody. Until it can be read for the first time, requests get 503; when
	// it cannot be read later, the last good list stays in force, for ever or as long as
	// stale says. It may be 32 MiB and 500,000 terminals long.
	//
	// Paired is a list, or a map from ids to the other members, which labels, KV stores and
	// Helm change entry by entry:
	//
	//	terminals:
	//	  paired:
	//	    "k7p2x9": {name: "Your laptop", user: "you@example.com"}
	//
	// In a map an `id` within the entry wins over its name there. Without ids of their own,
	// labels and KV stores merge entries whose names differ in case alone, and a KV store
	// takes a name of digits alone for an index, whereupon no entry has an id. An entry
	// that is not complete, such as one that is typed or deleted key by key, is nobody's: in
	// a list without `id`, in a map without name and user, anywhere with an empty `user` (but
	// from Redis, where Traefik drops what is empty), or without the one that it had. In a KV
	// store a list hides an `any` beside it, which comes to light when the last entry is
	// deleted: delete that first.
	//
	//   - terminals (any or a group): who may enter: any, or one of the following
	//   - terminals.paired[].id (text): the sub of the device's tokens; quote it in YAML
	//   - terminals.paired[].name (text): for {auth.client_name}
	//   - terminals.paired[].user (text): for {auth.user}, where several devices share a user
	//   - terminals.paired[].since (seconds since 1970): when it was paired, for its own page
	//   - terminals.paired[].until (seconds since 1970): when its last token ends, for `ptl terminals`; the token decides
	//   - terminals.paired[].pairing (a group): what its codes are recognised by, as `ptl pair` writes it: ends, link, code, watch
	//   - terminals.file (path): a file with the list
	//   - terminals.url (address): where the list is served
	//   - terminals.stale (duration): for how long a list stays in force that cannot be read any more; at least a second
	Terminals interface{} `json:"terminals,omitempty"`

	// Refresh is how soon a changed secret, key, list or app is noticed, and hence how
	// long an unpaired terminal may go on, open WebSockets and event streams included. What stands at
	// jwksURL holds as long as its Cache-Control says. Between 100ms and an hour. Servers
	// and long lists have a second more, in which requests go on by what was good before.
	//
	//   - refresh (duration, default 2s): how soon a change is noticed
	Refresh interface{} `json:"refresh,omitempty"`

	// Portal is what the placeholders {portal.id}, {portal.short_id} (the id's first
	// six characters) and {portal.domain} stand for.
	//
	//   - portal.id (text): the portal's id
	//   - portal.domain (text): the portal's domain
	Portal interface{} `json:"portal,omitempty"`

	// Headers are the headers that the app is sent, over the defaults: X-Ptl-User
	// {auth.user}, X-Ptl-Client-Type {auth.client_type}, X-Ptl-Client-Id
	// {auth.client_id}, X-Ptl-Client-Name {auth.client_name}. "-" leaves one out.
	// Whatever is named here is also taken out of incoming requests, however it is
	// spelled.
	//
	//	headers:
	//	  X-Remote-User: "{auth.user}"
	//	  X-Remote-Groups: "{claims.groups?}"
	//	  X-Ptl-Client-Name: "-"
	//
	// Placeholders: {auth.user} (the terminal's user, else the token's sub),
	// {auth.client_type} (terminal or anonymous), {auth.client_id},
	// {auth.client_name}, {portal.id}, {portal.short_id}, {portal.domain},
	// {claims.NAME}; a slice may follow, as in {portal.id[:6]}. Double braces mean the
	// same. Quote them in YAML. A header is left out where a placeholder has nothing
	// to say. A claim that is missing, or a value that no header can carry (control
	// characters, white space around it, over 1 KiB), denies the request with 403; with a
	// question mark after its name, as in {claims.groups?}, a claim may be missing. A
	// number is sent by its digits, a list of texts, numbers and booleans with commas
	// between; a list with a comma in a member, or white space around one, is refused.
	//
	//   - headers (name: value): what the app is sent
	Headers interface{} `json:"headers,omitempty"`

	// Paths gives parts of the app other rules; the longest prefix that the path begins
	// with decides. Nobody needs a token on a public path, but who has a good one is
	// recognised. Prefixes and paths are compared decoded, and a private prefix keeps a path
	// from being public in any case, and without the slash at its end. A prefix holds no
	// wildcards: all paths that begin with it are meant. A path that apps may
	// read as another one (dot segments, //, \, ;, an encoded ? or #, what decodes twice) is
	// never public; an encoded slash is read both as one and as data.
	//
	//	paths:
	//	  - {prefix: /share/, access: public}
	//	  - {prefix: /share/admin/, headers: {X-Device: "{auth.client_name}"}}
	//
	// A value that is the same for every visitor could log anyone in. So an anonymous
	// visitor is sent the general Headers only where they hold an {auth.…}
	// placeholder, and in any case the headers that the public path itself lists.
	//
	//   - paths[].prefix (path): the beginning of the paths that are meant
	//   - paths[].access (text, default private): private or public
	//   - paths[].headers (name: value): more headers there, over the general ones
	Paths interface{} `json:"paths,omitempty"`

	// Apps makes one middleware serve all apps of a Portal. The app is the first label of
	// the host; directory/APP/app_meta.json says which of its paths are public, private
	// or for peers (nobody, for now), and for each the only headers that it is sent. An
	// app that is not there is answered 404, one that tells more than 256 paths apart 503.
	// Headers and Paths do not go with it.
	//
	//   - apps.directory (path): the folder with the installed apps, whose names have no capital
	//     letters, as no host has that a browser sends
	Apps interface{} `json:"apps,omitempty"`

	// Activity tells a server which app is in use, as ForwardAuth would: a GET with
	// X-Forwarded-Host, X-Forwarded-Uri, X-Forwarded-Method, X-Forwarded-Proto and the
	// terminal's cookie. Portal's own auth endpoint wakes and keeps its apps by that.
	// Nobody waits for it.
	// Apps are told apart by their hosts, without ports: no more than 256 that terminals
	// use, and 64 that only anonymous visitors use.
	//
	//   - activity.url (address): who is told
	//   - activity.interval (duration, default 5s): at most once per app in this time
	Activity interface{} `json:"activity,omitempty"`

	// LoginURL is where a person's browser is sent that has no good token. {url} is
	// the page that it wanted, query-escaped, as the browser asked for it: the scheme,
	// the host and the prefix are those that proxies in front and stripPrefix have noted.
	// Programs, forms and frames get 401. The page must not ask for a token itself: a
	// path of the same host has to be public in Paths.
	//
	//   - loginURL (address): where a browser without a token is sent; {url} is the wanted page
	LoginURL interface{} `json:"loginURL,omitempty"`

	// PassPreflight lets CORS preflights through, which browsers send without cookies,
	// as an anonymous visitor's.
	//
	//   - passPreflight (boolean, default false): let CORS preflights through
	PassPreflight interface{} `json:"passPreflight,omitempty"`

	// CrossOriginProtection refuses, with 403, a token that came by cookie, as a password or in
	// a header that is not explicit, where a page of another origin sent the request, and it
	// may change something (any method but GET, HEAD and OPTIONS), opens a WebSocket, or shows
	// the app in a frame. On a public path such a visitor is anonymous. A browser tells by
	// Sec-Fetch-Site, else by Origin, which must then be the request's host. What is framed is
	// sent with a Content-Security-Policy that lets nobody else frame it. SameSite cookies do
	// not help where apps share a domain.
	//
	//   - crossOriginProtection (boolean, default true): refuse what other origins' pages send with the cookie
	CrossOriginProtection interface{} `json:"crossOriginProtection,omitempty"`

	// TrustedOrigins are other origins whose pages may, such as https://app.example.com, or
	// https://*.example.com, where the asterisk is one label (for frames, one or several).
	// International names are written as browsers send them, xn--…; the words null (pages in
	// a sandbox) and file:// (files, as in Electron and Cordova) name no host, and trust all
	// pages of that kind.
	//
	//   - trustedOrigins (one or several origins): other origins that may act with the visitor's cookie; https://*.example.com for one label
	TrustedOrigins interface{} `json:"trustedOrigins,omitempty"`

	// Strip are further headers to take out of every request, however they are spelled; an
	// asterisk at the end means all names that begin so. Besides X-Ptl-* and what Headers
	// names, the headers by which other proxies tell apps who asks are taken out anyway
	// (Remote-User and its companions, X-Remote-User, X-Forwarded-User, X-Auth-Request-*,
	// X-Webauth-*, X-Authentik-*, Tailscale-User-*, User-Name and more), because apps
	// believe them beside the one that is sent; -NAME lets one through, for a middleware in
	// front that sets it. Where public and private paths mix, headers by which an app may
	// be told another path (SCRIPT_NAME, X-Original-URL, X-Rewrite-URL …) are taken out too.
	//
	//   - strip (one or several names): further headers to take out; NAME* for a family, -NAME to let a known one through
	Strip interface{} `json:"strip,omitempty"`

	// Pairing lets devices in by a link or a code that is good once, which `ptl pair` writes
	// into terminals.file or, in a store, into terminals.paired (docs/ptl.md), and keeps them
	// in. ptlauth then answers some paths itself, below path: pair, pair/used, out (sign out),
	// me (who the visitor is, as JSON) and path itself (this device). They have one spelling.
	//
	// The cookie is the host's alone. With domain it is sent to all hosts below that, and would
	// be a credential for all of them: then host is required, a name below the domain with
	// nothing but this middleware behind it, where alone codes are taken and the cookie is
	// made. onApps takes short codes on the apps' hosts too, whose scripts could then read them.
	//
	// A token that is older than renew, or of another shared secret than the first, is made
	// anew when a person opens a page: nobody is logged out by time, or by a rotation. That is
	// so for tokens as they are made here alone, and not for those with an exp.
	//
	// It needs terminals.file or terminals.paired, a shared secret and a cookie, and rules that its
	// own tokens pass. Of codes in terminals.paired of which a part is missing, none is good, and
	// the device's token is: they may be being written key by key.
	//
	//   - pairing (boolean or a group): let devices in by a code
	//   - pairing.enabled (boolean, default true): switch the group off
	//   - pairing.path (path, default /.ptl/): where the own pages are
	//   - pairing.domain (domain): whose hosts all get the cookie
	//   - pairing.host (host): with domain, the only host where devices are paired
	//   - pairing.onApps (boolean, default false): with host, take short codes on the apps' hosts too
	//   - pairing.renew (duration, default 720h): how old a token may become before it is made anew; 0: never
	Pairing interface{} `json:"pairing,omitempty"`

	// Pages says what the pages that people see instead of the app tell beside the rest.
	//
	//   - pages.contact (text): whom to ask: a name, an address, a telephone number
	Pages interface{} `json:"pages,omitempty"`

	// Shadow has the middleware decide nothing: every request goes on as it came. It is for moving
	// from another middleware that decides, such as ForwardAuth, and is named on both sides of it,
	// as in middlewares: [shadow, forward-auth, shadow]. What ptlauth would have done is compared
	// with what came through to the second mention. The log says where they differ, and every minute
	// how often, at level ERROR, which Traefik shows by default. With a mistake in the configuration
	// too, every request goes on: in shadow mode ptlauth protects nothing.
	//
	//   - shadow (boolean, default false): change and refuse nothing, and tell what would be different
	Shadow interface{} `json:"shadow,omitempty"`

	// Unknown catches what Traefik's decoder would ignore, so that it is reported.
	Unknown map[string]interface{} `json:"-" mapstructure:",remain"`
}

// CreateConfig returns a configuration in which nothing is said. A default here
// would make Traefik's decoder insist on its type; New applies the defaults.
func CreateConfig() *Config {
	return &Config{}
}

// options are the fields of config by the names that an operator writes. Of an option
// that is given twice, in different case, Traefik's decoder puts one into the field and
// the other among the unknown.
func options(config *Config, report *option.Report) map[string]interface{} {
	all := map[string]interface{}{}
	fields := reflect.ValueOf(config).Elem()
	for i := 0; i < fields.NumField(); i++ {
		name, isOption := strings.CutSuffix(fields.Type().Field(i).Tag.Get("json"), ",omitempty")
		if isOption {
			all[name] = fields.Field(i).Interface()
		}
	}
	for _, name := range option.Names(config.Unknown) {
		value := config.Unknown[name]
		isField := false
		for field := range all {
			isField = isField || strings.EqualFold(field, name)
		}
		if isField {
			report.Add(name, "is given twice, in different case: keep one")
			continue
		}
		// Even an empty unknown option is reported.
		if value == nil {
			value = ""
		}
		all[name] = value
	}
	return all
}
