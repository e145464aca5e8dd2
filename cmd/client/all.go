package client

// What the programs know is from their own documentation and, for what they do not know, from what their makers answered
// to those who asked for it; e2e/clients runs those that run here.

// asked are the fields of a program that asks for a user name and a password.
func asked(address, user, password string) []Field {
	return []Field{{address, "{{.URL}}"}, {user, "{{.User}}"}, {password, "{{.Token}}"}}
}

// pair are the fields of a program that takes a header.
func pair(name, value string) []Field {
	return []Field{{name, "{{.Header}}"}, {value, "Bearer {{.Token}}"}}
}

const netrc = "machine {{.Name}}\nlogin {{.User}}\npassword {{.Token}}\n"

// All are the clients that are known, in the order in which people look for them: calendars, files, feeds, tools, apps.
var All = []Client{
	{Name: "davx5", Title: "DAVx⁵", Forms: []Form{{
		Way: Basic, Where: "+, Login with URL and user name", Fields: asked("Base URL", "User name", "Password"),
	}}},
	{Name: "thunderbird", Title: "Thunderbird", Forms: []Form{{
		Way: Basic, Where: "New Calendar, On the Network; or New Address Book, Add CardDAV Address Book",
		Fields: []Field{{"Username", "{{.User}}"}, {"Location", "{{.URL}}"}, {"Password", "{{.Token}}"}},
		Then:   "It asks for the password when it has found the server: let it remember it.",
	}}},
	{Name: "apple", Title: "Calendar and Contacts of iOS and macOS", Forms: []Form{{
		Way: Basic, Where: "Add Account, Other, Add CalDAV Account (or CardDAV)", Fields: asked("Server", "User Name", "Password"),
	}}},
	{Name: "vdirsyncer", Title: "vdirsyncer", Forms: []Form{{
		Way: Basic, Where: "~/.config/vdirsyncer/config", Text: vdirsyncer, Then: "vdirsyncer discover && vdirsyncer sync\n" + vdirsyncerThen,
	}}},
	{Name: "khal", Title: "khal", Forms: []Form{{
		Way: Basic, Where: "~/.config/vdirsyncer/config", Text: vdirsyncer,
		Then: "khal shows what vdirsyncer fetches: vdirsyncer discover && vdirsyncer sync, and then khal configure, with ~/.local/share/calendars/ as the place of the calendars.\n" + vdirsyncerThen,
	}}},
	{Name: "rclone", Title: "rclone", Forms: []Form{
		{Way: Basic, Where: rcloneConf, Text: "[{{.Short}}]\ntype = webdav\nurl = {{.URL}}\nvendor = other\nuser = {{.User}}\npass = {{obscure .Token}}\n", Then: rcloneThen},
		{Way: Bearer, Where: rcloneConf, Text: "[{{.Short}}]\ntype = webdav\nurl = {{.URL}}\nvendor = other\nbearer_token = {{.Token}}\n", Then: rcloneThen},
		{Way: Header, Where: rcloneConf, Text: "[{{.Short}}]\ntype = webdav\nurl = {{.URL}}\nvendor = other\nheaders = {{.Header}},Bearer {{.Token}}\n", Then: rcloneThen + rcloneLeak},
		{Way: Cookie, Where: rcloneConf, Text: "[{{.Short}}]\ntype = webdav\nurl = {{.URL}}\nvendor = other\nheaders = Cookie,{{.Cookie}}={{.Token}}\n", Then: rcloneThen + rcloneLeak},
	}},
	{Name: "cadaver", Title: "cadaver", Forms: []Form{{
		Way: Basic, Where: "~/.netrc", Text: netrc, Then: "cadaver {{.URL}}",
	}}},
	{Name: "newsboat", Title: "newsboat", Forms: []Form{
		{Way: Basic, Where: "~/.newsboat/urls", Text: "{{.Scheme}}://{{.User}}:{{.Token}}@{{.Host}}{{.Path}}\n", Then: "What follows the host is the feed's path: ptl takes it from --url.\nTiny Tiny RSS is read where this is its ttrss-url, in ~/.newsboat/config."},
		{Way: Cookie, Where: "~/.newsboat/cookies.txt", Text: "# Netscape HTTP Cookie File\n{{.Name}}\tFALSE\t/\t{{if eq .Scheme \"https\"}}TRUE{{else}}FALSE{{end}}\t0\t{{.Cookie}}\t{{.Token}}\n", Then: "In ~/.newsboat/config: cookie-cache \"~/.newsboat/cookies.txt\"\nSo it also reads what wants a password of its own, as Miniflux does."},
	}},
	{Name: "miniflux", Title: "Miniflux, which fetches a feed", Forms: []Form{
		{Way: Basic, Where: minifluxFeed, Fields: []Field{{"URL", minifluxURL}, {"Feed Username", "{{.User}}"}, {"Feed Password", "{{.Token}}"}}, Then: minifluxThen},
		{Way: Cookie, Where: minifluxFeed, Fields: []Field{{"URL", minifluxURL}, {"Set Cookies", "{{.Cookie}}={{.Token}}"}}, Then: minifluxThen},
	}},
	{Name: "git", Title: "git", Forms: []Form{
		{Way: Basic, Where: "~/.git-credentials", Text: "{{.Scheme}}://{{.User}}:{{.Token}}@{{.Host}}\n", Then: "git config --global credential.{{.Scheme}}://{{.Host}}.helper store"},
		{Way: Bearer, Where: gitConfig, Text: "[http \"{{.Scheme}}://{{.Host}}/\"]\n\textraHeader = \"Authorization: Bearer {{.Token}}\"\n"},
		{Way: Header, Where: gitConfig, Text: "[http \"{{.Scheme}}://{{.Host}}/\"]\n\textraHeader = \"{{.Header}}: Bearer {{.Token}}\"\n"},
		{Way: Cookie, Where: gitConfig, Text: "[http \"{{.Scheme}}://{{.Host}}/\"]\n\textraHeader = \"Cookie: {{.Cookie}}={{.Token}}\"\n"},
	}},
	{Name: "curl", Title: "curl", Forms: []Form{
		{Way: Bearer, Where: curlConfig, Text: "header = \"Authorization: Bearer {{.Token}}\"\n", Then: curlThen},
		{Way: Header, Where: curlConfig, Text: "header = \"{{.Header}}: Bearer {{.Token}}\"\n", Then: curlThen},
		{Way: Cookie, Where: curlConfig, Text: "cookie = \"{{.Cookie}}={{.Token}}\"\n", Then: curlThen},
		{Way: Basic, Where: "a file of yours, such as token.netrc", Text: netrc, Then: "curl --netrc-file token.netrc {{.URL}}"},
	}},
	{Name: "wget", Title: "wget", Forms: []Form{
		{Way: Bearer, Where: wgetConfig, Text: "header = Authorization: Bearer {{.Token}}\n", Then: wgetThen},
		{Way: Header, Where: wgetConfig, Text: "header = {{.Header}}: Bearer {{.Token}}\n", Then: wgetThen},
		{Way: Cookie, Where: wgetConfig, Text: "header = Cookie: {{.Cookie}}={{.Token}}\n", Then: wgetThen},
		{Way: Basic, Where: "~/.netrc", Text: netrc, Then: "wget {{.URL}}"},
	}},
	{Name: "homepage", Title: "Homepage", Forms: []Form{
		{Way: Header, Where: homepageFile, Text: homepage + "    {{.Header}}: Bearer {{.Token}}\n", Then: homepageThen},
		{Way: Bearer, Where: homepageFile, Text: homepage + "    Authorization: Bearer {{.Token}}\n", Then: homepageThen},
		{Way: Cookie, Where: homepageFile, Text: homepage + "    Cookie: {{.Cookie}}={{.Token}}\n", Then: homepageThen},
		{Way: Basic, Where: homepageFile, Text: "widget:\n  type: customapi\n  url: {{.URL}}\n  username: {{.User}}\n  password: {{.Token}}\n", Then: homepageThen},
	}},
	{Name: "immich", Title: "Immich's app", Forms: []Form{{
		Way: Header, Where: "the gear of the login page, Advanced, Custom proxy headers", Fields: pair("Header Name", "Header Value"),
		Then: "Then log in as before: Immich has its own accounts.",
	}}},
	{Name: "audiobookshelf", Title: "Audiobookshelf's app", Instead: "the official app sends no header of one's own yet (audiobookshelf-app, issue 254); Plappa, ShelfPlayer and Lissen do: --for=header."},
	{Name: "home-assistant", Title: "Home Assistant's companion apps", Instead: "they send no header of one's own, and their makers did not want it (home-assistant/android 3510, home-assistant/iOS 4645)."},
	{Name: "jellyfin", Title: "Jellyfin's apps", Instead: "Jellyfin's own send no header of one's own (jellyfin-ios, issue 762), and keep Authorization for themselves."},
	{Name: "password", Title: "Whatever asks for a user name and a password", Forms: []Form{{
		Way: Basic, Where: "wherever it asks", Fields: asked("URL", "User name", "Password"), Then: "Any user name will do.",
	}}},
	{Name: "header", Title: "Whatever sends a header of one's own", Forms: []Form{
		{Way: Header, Where: "its custom headers", Fields: pair("Name", "Value")},
		{Way: Bearer, Where: "its custom headers", Fields: []Field{{"Name", "Authorization"}, {"Value", "Bearer {{.Token}}"}}},
		{Way: Cookie, Where: "its custom headers", Fields: []Field{{"Name", "Cookie"}, {"Value", "{{.Cookie}}={{.Token}}"}}},
	}},
}

// Otherwise is what can be done with an app that carries no token.
const Otherwise = "What is left: a VPN to the house; a host of its own, where Traefik asks for a client certificate (`clientAuth`) that the app can show; or to make public what the app asks for (`paths`), so that only its own login guards that."

const (
	rcloneConf = "~/.config/rclone/rclone.conf"
	rcloneThen = "rclone lsd {{.Short}}:"
	rcloneLeak = "\nrclone before 1.75.2 sends such a header on to another host that it is redirected to (CVE-2026-116190)."

	minifluxFeed = "Feeds, Add feed, Advanced Options"
	minifluxURL  = "{{.Scheme}}://{{.Host}}{{.Path}}"
	minifluxThen = "What follows the host is the feed's path: ptl takes it from --url. A feed on a LAN needs FETCHER_ALLOW_PRIVATE_NETWORKS=1."

	gitConfig = "~/.gitconfig"

	curlConfig = "a file of yours, such as token.conf"
	curlThen   = "curl --config token.conf {{.URL}}\nThe token goes to whatever address is asked with it."

	wgetConfig = "a file of yours, such as token.wgetrc"
	wgetThen   = "wget --config=token.wgetrc {{.URL}}\nThe token goes to whatever address is asked with it."

	homepageFile = "services.yaml, below a service"
	homepage     = "widget:\n  type: customapi\n  url: {{.URL}}\n  headers:\n"
	homepageThen = "Add the path of what is to be shown to url, and mappings. Headers of other widgets than customapi need Homepage 1.9."
)

const vdirsyncerThen = "Answer y where it asks whether to create a collection. In a file that has other calendars already, leave out [general], and give these a path of their own, or both are mixed."

const vdirsyncer = `[general]
status_path = "~/.local/share/vdirsyncer/status/"

[pair {{.Short}}]
a = "{{.Short}}_here"
b = "{{.Short}}_there"
collections = ["from a", "from b"]

[storage {{.Short}}_here]
type = "filesystem"
path = "~/.local/share/calendars/"
fileext = ".ics"

[storage {{.Short}}_there]
type = "caldav"
url = "{{.URL}}"
username = "{{.User}}"
password = "{{.Token}}"
`
