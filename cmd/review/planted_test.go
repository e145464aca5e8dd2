package review_test

// A middleware in a file, up to its options.
const (
	inFile = `== dynamic.yml
http:
  middlewares:
    auth:
      plugin:
        ptlauth:
          secretFile: /run/secrets/ptlauth/secret
`
	paired = `          terminals:
            paired:
              - {id: "k7p2x9", name: Laptop, user: you@example.com}
`
	static = `== traefik.yml
experimental:
  plugins:
    ptlauth:
      moduleName: github.com/getportal/ptlauth
      version: v0.1.0
  abortOnPluginFailure: true
`
)

var planted = []struct {
	name, files, says string
}{
	// The middleware's own mistakes.
	{"what is good", inFile + paired + static, ""},
	{"an unknown option", `== dynamic.yml
http:
  middlewares:
    auth:
      plugin:
        ptlauth: # mistake
          secretFile: /run/secrets/ptlauth/secret
          terminal: any # mistake
`, "did you mean `terminals`?"},
	{"one deep inside", inFile + paired + `          paths:
            - prefix: /a/
              access: public
            - prefix: /b/
              access: everybody # mistake
`, "paths[1].access: is neither private nor public"},
	{"one below a map", inFile + `          terminals:
            paired:
              "k7p2x9":
                nam: Laptop # mistake
                name: Laptop
                user: you@example.com
`, "nam"},
	{"a header with a dot in its name", inFile + paired + `          headers:
            X-A: "{auth.user}"
            X.B: "{auth.usr}" # mistake
`, "headers.X.B"},
	{"a placeholder without quotes", inFile + paired + `          headers:
            X-A: {auth.user} # mistake
`, "quote a placeholder"},
	{"names in any case", inFile + paired + `          CROSSORIGINPROTECTION: perhaps # mistake
`, "neither true nor false"},
	{"a template's braces for a placeholder's", inFile + paired + `          headers:
            X-A: "{{auth.user}}" # mistake
`, "Traefik refuses the whole file"},
	{"a template that is one", inFile + paired + `          headers:
            X-A: "{{ "{auth.user}" }}"
`, ""},
	{"a bare date, for which Traefik refuses the file", `== dynamic.yml
http:
  middlewares:
    auth:
      plugin:
        ptlauth: # mistake
          secretFile: /run/secrets/ptlauth/secret
          terminals:
            paired:
              - {id: "k7p2x9", name: 2026-01-02, user: you@example.com}
`, "refuses the whole file"},
	{"an id that YAML makes a number of is no mistake Traefik tells", inFile + `          terminals:
            paired:
              - {id: "k7p2x9", name: 7, user: you@example.com}
`, ""},
	{"options that an anchor holds", `== dynamic.yml
x: &options
  secretFile: /run/secrets/ptlauth/secret
  terminals:
    file: /etc/ptlauth/terminals.json
  leeway: 2h # mistake
http:
  middlewares:
    auth:
      plugin:
        ptlauth:
          <<: *options
`, "longer than an hour"},
	{"the plugin's name is missing", `== dynamic.yml
http:
  middlewares:
    auth:
      plugin:
        secretFile: /run/secrets/ptlauth/secret # mistake
        terminals: any # mistake
`, "the plugin's name is missing above"},
	{"plugin is missing", `== dynamic.yml
http:
  middlewares:
    auth:
      ptlauth: # mistake
        secretFile: /run/secrets/ptlauth/secret
`, "`plugin:` is missing"},
	{"nothing below the name", `== dynamic.yml
http:
  middlewares:
    auth:
      plugin:
        ptlauth: # mistake
`, "has no options"},
	{"another name in the static configuration", `== traefik.yml
experimental:
  plugins:
    guard:
      moduleName: github.com/getportal/ptlauth
  abortOnPluginFailure: true
` + `== dynamic.yml
http:
  middlewares:
    auth:
      plugin:
        ptlauth: # mistake
          secretFile: /run/secrets/ptlauth/secret
    other:
      plugin:
        guard:
          secretFile: /run/secrets/ptlauth/secret
          terminals: everybody # mistake
`, "another name than `ptlauth`"},
	{"what is no YAML", `== dynamic.yml
http:
  middlewares: [ # mistake
`, "cannot be read"},
	{"an alias that stands for itself", `== dynamic.yml
# mistake
http: &http
  middlewares: *http
`, "an alias stands for itself"},
	{"aliases that stand for thousands", `== dynamic.yml
a: &a [x, x, x, x, x, x, x, x, x, x] # mistake
b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]
c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]
d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]
e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]
http: [*e, *e, *e, *e]
`, "is too large"},
	{"TOML", `== dynamic.toml
[http.middlewares.auth.plugin.ptlauth]
  secretFile = "/run/secrets/ptlauth/secret"
  headers = { X-A = "{auth.usr}" } # mistake
  refresh = "1ms" # mistake
  [http.middlewares.auth.plugin.ptlauth.terminals]
    file = "/etc/ptlauth/terminals.json"
  [[http.middlewares.auth.plugin.ptlauth.paths]]
    prefix = "/a/"
  [[http.middlewares.auth.plugin.ptlauth.paths]]
    prefix = "/b/"
    access = "everybody" # mistake
[http.middlewares]
other.plugin.ptlauth.terminals = "any" # mistake, terminals-any
`, "secretFile: is missing"},
	{"what is no TOML", `== dynamic.toml
[http.middlewares]
a = = # mistake
`, "cannot be read"},
	{"labels", `== compose.yml
services:
  traefik:
    image: traefik:v3.7
    command:
      - --experimental.plugins.ptlauth.moduleName=github.com/getportal/ptlauth
      - --experimental.abortOnPluginFailure=true
    labels:
      traefik.http.middlewares.auth.plugin.ptlauth.secretFile: /run/secrets/ptlauth
      traefik.http.middlewares.auth.plugin.ptlauth.terminals.paired.k7p2x9.nam: Laptop # mistake
      traefik.http.middlewares.auth.plugin.ptlauth.terminals.paired.k7p2x9.name: Laptop
      traefik.http.middlewares.auth.plugin.ptlauth.terminals.paired.k7p2x9.user: you@example.com
      traefik.http.middlewares.auth.plugin.ptlauth.paths[1].prefix: /b/
      traefik.http.middlewares.auth.plugin.ptlauth.paths[0].prefix: a/ # mistake
`, "paths[0].prefix: does not begin with a slash"},
	{"labels in a list", `== compose.yml
services:
  traefik:
    image: docker.io/library/traefik
    labels:
      - traefik.enable=true
      - traefik.http.middlewares.auth.plugin.ptlauth.secretfile=/run/secrets/ptlauth
      - traefik.http.middlewares.auth.plugin.ptlauth.terminals.file=/etc/ptlauth/terminals.json
      - traefik.http.middlewares.auth.plugin.ptlauth.refresh=1d # mistake
`, "refresh"},
	{"labels without plugin", `== compose.yml
services:
  traefik:
    image: traefik:v3.7
    labels:
      traefik.http.middlewares.auth.ptlauth.secretFile: /run/secrets/ptlauth # mistake
      traefik.http.middlewares.other.plugin.secretFile: /run/secrets/ptlauth # mistake
`, "`plugin.` is missing"},
	{"labels of one middleware at two containers", `== compose.yml
services:
  a:
    image: a
    labels:
      traefik.http.middlewares.auth.plugin.ptlauth.secretFile: /run/secrets/ptlauth
      traefik.http.middlewares.auth.plugin.ptlauth.terminals.file: /etc/ptlauth/terminals.json
  b:
    image: b
    labels:
      traefik.http.middlewares.auth.plugin.ptlauth.secretFile: /run/secrets/ptlauth # mistake
      traefik.http.middlewares.auth.plugin.ptlauth.terminals.file: /etc/ptlauth/other.json
`, "Traefik takes neither"},
	{"the same labels at two containers do no harm", `== compose.yml
services:
  a: &a
    image: a
    labels:
      traefik.http.middlewares.auth.plugin.ptlauth.secretFile: /run/secrets/ptlauth
      traefik.http.middlewares.auth.plugin.ptlauth.terminals.file: /etc/ptlauth/terminals.json
  b: *a
`, ""},
	{"labels of which the environment says something", `== compose.yml
services:
  traefik:
    image: traefik:v3.7
    labels:
      traefik.http.middlewares.auth.plugin.ptlauth.secretFile: ${SECRET:?}
      traefik.http.middlewares.auth.plugin.ptlauth.terminals.file: $LIST
      traefik.http.middlewares.auth.plugin.ptlauth.refresh: ${REFRESH}
      traefik.http.middlewares.auth.plugin.ptlauth.maxAge: ${AGE:-1h}
      traefik.http.middlewares.auth.plugin.ptlauth.leeway: ${LEEWAY-soon} # mistake
      traefik.http.middlewares.auth.plugin.ptlauth.headers.X-Price: $$ 5
`, "leeway: is not a length of time"},
	{"a manifest", `== auth.yml
apiVersion: v1
kind: ConfigMap
metadata: {name: x}
---
apiVersion: traefik.io/v1alpha1
kind: Middleware
metadata:
  name: auth
  namespace: chat
spec:
  plugin:
    ptlauth:
      secretFile: /run/secrets/ptlauth/secret
      terminals:
        paired:
          "k7p2x9": {name: Laptop, user: you@example.com}
      leeway: -1s # mistake
`, "chat-auth@kubernetescrd"},
	{"manifests in a list", `== auth.yml
apiVersion: v1
kind: List
items:
  - apiVersion: traefik.io/v1alpha1
    kind: Middleware
    metadata: {name: auth}
    spec:
      plugin:
        ptlauth:
          secretFile: /run/secrets/ptlauth/secret
          terminals: {} # mistake
`, "does not say who may enter"},

	// What is allowed, and unwise.
	{"a secret in the configuration", `== dynamic.yml
http:
  middlewares:
    auth:
      plugin:
        ptlauth:
          keys:
            - secretFile: /run/secrets/ptlauth/secret
            - secret: 0123456789abcdef0123456789abcdef # inline-secret
          terminals:
            file: /etc/ptlauth/terminals.json
`, "put it into a file"},
	{"a secret that is too short is not quoted either", `== dynamic.yml
http:
  middlewares:
    auth:
      plugin:
        ptlauth:
          keys:
            - {secret: 0123456789abcdef0123456789abcdef, algorithm: HS512} # mistake, inline-secret
          terminals:
            file: /etc/ptlauth/terminals.json
== more.yml
http:
  middlewares:
    last:
      plugin:
        ptlauth:
          secretFile: 0123456789abcdef0123456789abcdef # mistake
          terminals: # mistake
`, ""},
	{"any", inFile + `          terminals: any # terminals-any
`, "for ever"},
	{"any, in a label", `== compose.yml
services:
  traefik:
    image: traefik
    labels:
      traefik.http.middlewares.auth.plugin.ptlauth.secretFile: /run/secrets/ptlauth
      traefik.http.middlewares.auth.plugin.ptlauth.terminals: any # terminals-any
`, ""},
	{"any, where tokens end", inFile + `          terminals: any
          maxAge: 1h
`, ""},
	{"names of headers beside groups", inFile + paired + `          token:
            header: # what follows is a list
              - Authorization # mistake
              - {name: X-Access-Token, explicit: true}
`, "Traefik loses the names"},
	{"names of headers", inFile + paired + `          token:
            header: [Authorization, X-Access-Token]
            basic: true
`, ""},
	{"the same header twice", inFile + paired + `          token:
            header:
              - {name: Authorization}
              - {name: authorization} # mistake
`, "token.header[1].name: is given twice"},
	{"an option of a header that there is not", inFile + paired + `          token:
            header:
              - {name: X-Access-Token, expl: true} # mistake
`, "did you mean `explicit`"},
	{"the token is passed on", inFile + paired + `          token:
            forward: true # token-forward
`, "can enter every other app"},
	{"without abortOnPluginFailure", `== traefik.yml
experimental:
  localPlugins:
    ptlauth:
      moduleName: github.com/getportal/ptlauth # plugin-failure
`, "abortOnPluginFailure"},
	{"the same in TOML", `== traefik.toml
[experimental.plugins.ptlauth]
  moduleName = "github.com/getportal/ptlauth" # plugin-failure
  version = "v0.1.0"
[api]
  insecure = true # api-insecure
`, ""},
	{"the same in flags, variables, a cluster and Helm", `== compose.yml
services:
  traefik:
    image: traefik
    command: # what follows is a list
      - --experimental.plugins.ptlauth.moduleName=github.com/getportal/ptlauth # plugin-failure
      - "--api.insecure" # api-insecure
  second:
    image: traefik
    environment:
      TRAEFIK_EXPERIMENTAL_PLUGINS_PTLAUTH_MODULENAME: github.com/getportal/ptlauth # plugin-failure
      TRAEFIK_API_INSECURE: "true" # api-insecure
== deployment.yml
apiVersion: apps/v1
kind: Deployment
metadata: {name: traefik}
spec:
  template:
    spec:
      containers:
        - image: traefik:v3.7
          args:
            - --experimental.plugins.ptlauth.modulename=github.com/getportal/ptlauth # plugin-failure
            - --entryPoints.web.forwardedHeaders.insecure # forwarded-headers
== values.yml
experimental:
  plugins:
    ptlauth:
      moduleName: github.com/getportal/ptlauth # plugin-failure
ports:
  web:
    forwardedHeaders:
      insecure: true # forwarded-headers
additionalArguments:
  - --api.insecure=true # api-insecure
`, ""},
	{"headers of clients are believed", `== traefik.yml
entryPoints:
  web:
    address: ":80"
    forwardedHeaders:
      insecure: true # forwarded-headers
      connection: [X-Ptl-User] # forwarded-headers
api:
  insecure: false
`, "trustedIPs"},
	{"a log and traces that keep tokens", `== traefik.yml
accessLog:
  fields:
    headers:
      names:
        Cookie: keep # kept-token
        Authorization: redact
        X-Ptl-Client-Id: keep
tracing:
  capturedRequestHeaders: [X-Ptl-User, Cookie] # kept-token
  capturedResponseHeaders: # kept-token
    - Set-Cookie
`, "token and all"},
	{"a log that keeps all headers but those", `== traefik.toml
[accessLog.fields.headers]
  defaultMode = "keep" # kept-token
  names = { Cookie = "drop", authorization = "redact" }
`, "set-cookie too"},
	{"the same in flags", `== compose.yml
services:
  traefik:
    image: traefik
    command: # what follows is a list
      - --accesslog.fields.headers.names.Authorization=keep # kept-token
      - --tracing.capturedRequestHeaders=X-Ptl-User,Authorization # kept-token
      - --tracing.capturedRequestHeaders[1]=cookie # kept-token
      - --metrics.prometheus.headerlabels.user=X-Ptl-User # claimed-user
`, "addEntryPointsLabels"},
	{"a label that no client can choose", `== traefik.yml
metrics:
  prometheus:
    addEntryPointsLabels: false
    headerLabels: {user: X-Ptl-User}
`, ""},
	{"a label that is not ours", `== traefik.yml
metrics:
  prometheus:
    headerLabels: {agent: User-Agent}
`, ""},
	{"what copies the request before the middleware", inFile + paired + `    again: {retry: {attempts: 2}}
    whole: {chain: {middlewares: [again, auth]}}
    first: {chain: {middlewares: [again]}}
    body: {buffering: {maxRequestBodyBytes: 1000}}
  routers:
    before: # claimed-user
      rule: Host("a.example.com")
      middlewares: [again, auth]
      service: a
    chained: # claimed-user
      rule: Host("b.example.com")
      middlewares: [whole]
      service: b
    nested: # claimed-user
      rule: Host("c.example.com")
      middlewares: [first, auth]
      service: c
    after:
      rule: Host("d.example.com")
      middlewares: [auth, again, body]
      service: d
    alone:
      rule: Host("e.example.com")
      middlewares: [body]
      service: e
`, "put it after the middleware"},
	{"the same in labels", `== compose.yml
services:
  traefik:
    image: traefik
    labels:
      traefik.http.middlewares.auth.plugin.ptlauth.secretFile: /run/secrets/ptlauth
      traefik.http.middlewares.auth.plugin.ptlauth.terminals.file: /etc/ptlauth/terminals.json
  app:
    image: app
    labels:
      traefik.http.middlewares.again.retry.attempts: 3
      traefik.http.routers.app.rule: Host("app.example.com") # claimed-user
      traefik.http.routers.app.middlewares: again,auth
`, ""},
	{"a router to the same service without the middleware", inFile + paired + `  routers:
    app:
      rule: Host("app.example.com")
      middlewares: [headers, auth]
      service: app
    health: # unguarded-router
      rule: Host("app.example.com") && Path("/health")
      service: app
    chained:
      rule: Host("b.example.com")
      middlewares: all
      service: app
    elsewhere: # other-provider
      rule: Host("c.example.com")
      middlewares: [auth@docker]
      service: app
    redirected:
      rule: Host("app.example.com")
      middlewares: [https]
      service: app
    other:
      rule: Host("d.example.com")
      service: other
  services:
    app: {loadBalancer: {servers: [{url: "http://app"}]}}
== more.yml
http:
  middlewares:
    all: {chain: {middlewares: [headers, auth]}}
    headers: {headers: {customRequestHeaders: {X-A: b}}}
    https: {redirectScheme: {scheme: https}}
`, "app@file"},
	{"routers of one container", `== compose.yml
services:
  app:
    image: app
    labels:
      traefik.http.routers.app.rule: Host("app.example.com")
      traefik.http.routers.app.middlewares: auth@file
      traefik.http.routers.api.rule: Host("api.example.com") # unguarded-router
  other:
    image: other
    labels:
      traefik.http.routers.other.rule: Host("other.example.com")
  off:
    image: off
    labels:
      traefik.enable: "false"
      traefik.http.routers.off.rule: Host("off.example.com")
` + inFile + paired, "whoever takes this way"},
	{"services of a swarm, whose labels stand below deploy", `== stack.yml
services:
  app:
    image: app
    ports: ["3000:3000"] # published-port
    deploy:
      labels:
        traefik.http.middlewares.auth.plugin.ptlauth.secretFile: /run/secrets/ptlauth
        traefik.http.middlewares.auth.plugin.ptlauth.terminals.paired.k7p2x9.name: Laptop
        traefik.http.routers.app.rule: Host("app.example.com")
        traefik.http.routers.app.middlewares: auth
        traefik.http.routers.app.service: app
        traefik.http.routers.open.rule: Host("open.example.com") # unguarded-router
        traefik.http.routers.open.service: app@swarm
        traefik.http.services.app.loadbalancer.server.port: "3000"
  other:
    image: other
    labels: # another provider's, and so no other definition of the same
      traefik.http.middlewares.auth.plugin.ptlauth.secretFile: /run/secrets/other
      traefik.http.middlewares.auth.plugin.ptlauth.terminals.paired.k7p2x9.name: Laptop
`, ""},
	{"routers to several ports of one container", `== compose.yml
services:
  app:
    image: app
    ports: ["3000:3000"] # published-port
    labels:
      traefik.http.routers.app.rule: Host("app.example.com")
      traefik.http.routers.app.middlewares: auth@file
      traefik.http.routers.app.service: app
      traefik.http.routers.open.rule: Host("open.example.com") # unguarded-router
      traefik.http.routers.open.service: same@docker
      traefik.http.routers.metrics.rule: Host("metrics.example.com")
      traefik.http.routers.metrics.service: metrics
      traefik.http.services.app.loadbalancer.server.port: "3000"
      traefik.http.services.same.loadbalancer.server.port: "3000"
      traefik.http.services.metrics.loadbalancer.server.port: "9090"
` + inFile + paired, ""},
	{"shadow mode on both sides of what decides, in a chain too, and without", `== dynamic.yml
http:
  routers:
    app:
      rule: Host("app.example.com")
      middlewares: [shadow, forward-auth, shadow]
      service: app
    chained:
      rule: Host("chained.example.com")
      middlewares: [auth]
      service: app
    alone: # shadow
      rule: Host("alone.example.com")
      middlewares: [shadow]
      service: alone
    beside: # shadow
      rule: Host("beside.example.com")
      middlewares: [shadow, shadow, forward-auth]
      service: beside
    behind: # shadow
      rule: Host("behind.example.com")
      middlewares: [forward-auth, shadow]
      service: behind
    elsewhere:
      rule: Host("elsewhere.example.com")
      middlewares: [shadow, forward-auth@docker, shadow]
      service: app
  services:
    app: {loadBalancer: {servers: [{url: "http://app"}]}}
    alone: {loadBalancer: {servers: [{url: "http://alone"}]}}
    beside: {loadBalancer: {servers: [{url: "http://beside"}]}}
    behind: {loadBalancer: {servers: [{url: "http://behind"}]}}
  middlewares:
    auth: {chain: {middlewares: [shadow, forward-auth, shadow]}}
    forward-auth: {forwardAuth: {address: "http://auth"}}
    shadow:
      plugin:
        ptlauth:
          shadow: true
          secretFile: /run/secrets/ptlauth/secret
` + paired, "on both sides of a middleware that decides"},
	{"a router past the shadow of another", `== dynamic.yml
http:
  routers:
    app: # shadow, unguarded-router
      rule: Host("app.example.com")
      middlewares: [shadow]
      service: app
    open: # unguarded-router
      rule: Host("open.example.com")
      service: app
    closed:
      rule: Host("closed.example.com")
      middlewares: [auth]
      service: app
  services:
    app: {loadBalancer: {servers: [{url: "http://app"}]}}
  middlewares:
    shadow:
      plugin:
        ptlauth:
          shadow: true
          secretFile: /run/secrets/ptlauth/secret
          terminals: {file: /etc/ptlauth/terminals.json}
    auth:
      plugin:
        ptlauth:
          secretFile: /run/secrets/ptlauth/secret
          terminals: {file: /etc/ptlauth/terminals.json}
`, ""},
	{"routers that only lead to HTTPS", `== compose.yml
services:
  traefik:
    image: traefik
    command:
      - --entryPoints.old.address=:8080
      - --entryPoints.old.http.redirections.entryPoint.to=websecure
  app:
    image: app
    labels:
      - "traefik.http.middlewares.to-https.redirectscheme.scheme=https"
      - "traefik.http.routers.app.rule=Host(app.example.com)"
      - "traefik.http.routers.app.tls=true"
      - "traefik.http.routers.app.middlewares=auth@file"
      - "traefik.http.routers.app-http.entrypoints=web"
      - "traefik.http.routers.app-http.middlewares=to-https"
      - "traefik.http.routers.app-old.entrypoints=old"
      - "traefik.http.routers.app-both.entrypoints=old,web" # unguarded-router
` + inFile + paired, ""},
	{"the entry point has the middleware for all", `== traefik.yml
entryPoints:
  web:
    address: ":80"
    http:
      middlewares: [auth@file]
  internal:
    address: ":81"
` + inFile + paired + `  routers:
    a:
      rule: Host("a.example.com")
      entryPoints: [web]
      service: app
    b:
      rule: Host("b.example.com")
      entryPoints: web
      service: app
    c: # unguarded-router
      rule: Host("c.example.com")
      service: app
    d: # unguarded-router
      rule: Host("c.example.com")
      entryPoints: [web, internal]
      service: app
`, ""},
	{"routes of a cluster", `== routes.yml
apiVersion: traefik.io/v1alpha1
kind: Middleware
metadata: {name: auth, namespace: chat}
spec:
  plugin:
    ptlauth:
      secretFile: /run/secrets/ptlauth/secret
      terminals: {file: /etc/ptlauth/terminals.json}
---
apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: {name: chat, namespace: chat}
spec:
  routes:
    - match: Host("chat.example.com")
      kind: Rule
      middlewares: [{name: auth}]
      services: [{name: chat, port: 80}]
    - match: Host("open.example.com") # unguarded-router
      kind: Rule
      services: [{name: chat, port: 80}]
    - match: Host("other.example.com")
      kind: Rule
      services: [{name: other, port: 80}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: chat, namespace: chat}
spec: # unguarded-router
  rules:
    - http:
        paths:
          - {path: /, pathType: Prefix, backend: {service: {name: chat, port: {number: 80}}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: guarded
  namespace: chat
  annotations:
    traefik.ingress.kubernetes.io/router.middlewares: chat-auth@kubernetescrd
spec:
  defaultBackend: {service: {name: chat, port: {number: 80}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: chat, namespace: chat}
spec:
  rules:
    - filters: [{type: ExtensionRef, extensionRef: {group: traefik.io, kind: Middleware, name: auth}}]
      backendRefs: [{name: chat, port: 80}]
    - backendRefs: [{name: chat, port: 80}] # unguarded-router
---
apiVersion: v1
kind: Service
metadata: {name: chat, namespace: chat}
spec:
  type: NodePort # published-port
---
apiVersion: v1
kind: Service
metadata: {name: chat, namespace: other}
spec:
  type: NodePort
`, "is a NodePort"},
	{"a published port", `== compose.yml
services:
  traefik:
    image: traefik:v3.7
    ports: ["443:443"]
    command: --experimental.plugins.ptlauth.moduleName=github.com/getportal/ptlauth --experimental.abortOnPluginFailure
  app:
    image: app
    ports:
      - "3000:3000" # published-port
    labels:
      traefik.http.routers.app.rule: Host("app.example.com")
      traefik.http.routers.app.middlewares: auth@file
  own:
    image: own
    network_mode: host # published-port
    labels:
      - traefik.http.routers.own.middlewares=auth@file
  open:
    image: open
    ports: ["8080:80"]
    labels:
      traefik.http.routers.open.rule: Host("open.example.com")
`, "past Traefik"},
	{"files that are mounted alone", `== compose.yml
services:
  traefik:
    image: traefik:v3.7
    command:
      - --providers.file.filename=/etc/traefik/dynamic.yml
    secrets: [secret]
    configs:
      - {source: list, target: /etc/ptlauth/terminals.json} # single-file
    volumes:
      - ./dynamic.yml:/etc/traefik/dynamic.yml:ro # single-file
      - ./terminals.json:/etc/ptlauth/terminals.json # single-file
      - type: bind # single-file
        source: ./jwks.json
        target: /etc/ptlauth/jwks.json
      - ./all:/etc/ptlauth
      - data:/data
` + `== dynamic.yml
http:
  middlewares:
    auth:
      plugin:
        ptlauth:
          keys:
            - secretFile: /run/secrets/secret
            - jwksFile: /etc/ptlauth/jwks.json
          terminals:
            file: /etc/ptlauth/terminals.json
`, "who is taken out stays in"},
	{"a list of terminals as a secret of Docker's", `== compose.yml
services:
  traefik:
    image: traefik:v3.7
    secrets:
      - secret
      - list # single-file
    labels:
      traefik.http.middlewares.auth.plugin.ptlauth.secretFile: /run/secrets/secret
      traefik.http.middlewares.auth.plugin.ptlauth.terminals.file: /run/secrets/list
`, ""},
	{"a file of a volume in a cluster, by its subPath", `== values.yml
experimental:
  plugins: {ptlauth: {moduleName: github.com/getportal/ptlauth}} # plugin-failure
additionalVolumeMounts:
  - {name: list, mountPath: /etc/ptlauth/terminals.json, subPath: terminals.json} # single-file
  - {name: list, mountPath: /etc/ptlauth}
== auth.yml
apiVersion: traefik.io/v1alpha1
kind: Middleware
metadata: {name: auth}
spec:
  plugin:
    ptlauth:
      secretFile: /run/secrets/ptlauth/secret
      terminals: {file: /etc/ptlauth/terminals.json}
`, ""},
	{"a folder that Traefik's container does not have", `== compose.yml
services:
  traefik:
    image: traefik:v3.7
    volumes:
      - /var/run/docker.sock:/var/run/docker.sock:ro
      - ./ptlauth:/etc/ptlaut:ro
    labels:
      traefik.http.middlewares.auth.plugin.ptlauth.secretFile: /etc/ptlauth/secret # unmounted-file
      traefik.http.middlewares.auth.plugin.ptlauth.terminals.file: /etc/ptlauth/terminals.json # unmounted-file
`, "has no /etc/ptlauth/secret: mount the folder with it there, as in `./ptlauth:/etc/ptlauth:ro`"},
	{"the same of a file's middleware, with a key among several", `== compose.yml
services:
  traefik:
    image: traefik:v3.7
    secrets: [ptlauth]
    volumes:
      - {type: bind, source: ./lists, target: /lists/}
== dynamic.yml
http:
  middlewares:
    auth:
      plugin:
        ptlauth:
          keys:
            - secretFile: /run/secrets/ptlauth
            - secretFile: /run/secrets/ptlauth-2 # unmounted-file
            - publicKeyFile: keys/public.pem
          terminals:
            file: /lists/terminals.json
`, "Traefik's container ("},
	{"what may be in a container all the same", `== compose.yml
services:
  traefik:
    build: ./traefik
    volumes:
      - /var/run/docker.sock:/var/run/docker.sock:ro
    labels:
      traefik.http.middlewares.auth.plugin.ptlauth.secretFile: /etc/ptlauth/secret
      traefik.http.middlewares.auth.plugin.ptlauth.terminals.file: /etc/ptlauth/terminals.json
`, ""},
	{"what an override mounts, beside it", `== compose.yml
services:
  traefik:
    image: traefik:v3.7
    volumes:
      - /var/run/docker.sock:/var/run/docker.sock:ro
    labels:
      traefik.http.middlewares.auth.plugin.ptlauth.secretFile: /etc/ptlauth/secret
      traefik.http.middlewares.auth.plugin.ptlauth.terminals.file: /etc/ptlauth/terminals.json
== compose.override.yml
services:
  traefik:
    image: traefik:v3.7
    volumes:
      - ./ptlauth:/etc/ptlauth:ro
`, ""},
	{"rules that no request meets", inFile + paired + `  routers:
    a: # mistake
      rule: Host(` + "`app.example.com:8443`" + `)
      middlewares: [auth]
    b: # mistake
      rule: Host(` + "`https://app.example.com`" + `) && PathPrefix(` + "`/a`" + `)
      middlewares: [auth]
    c: # mistake
      rule: Host("bücher.example")
      middlewares: [auth]
    d:
      rule: Host(` + "`app.example.com`, `::1`" + `) || HostRegexp(` + "`^[a-z]+:x$`" + `)
      middlewares: [auth]
`, "compares the host without its port: write app.example.com"},
	{"a rule in a label", `== compose.yml
services:
  app:
    labels:
      traefik.http.routers.app.rule: Host(` + "`app.example.com:8443`)" + ` # mistake
      traefik.http.routers.app.middlewares: auth@docker
      traefik.http.routers.one.rule: Host(` + "`${NAME:?is to be set}`)" + `
      traefik.http.routers.two.rule: Host(` + "`${NAME:-app.example.com}`)" + `
`, "without its port"},
	{"another provider's name", inFile + paired + `  routers:
    a: # other-provider
      rule: Host("app.example.com")
      middlewares: [auth@docker]
    b:
      rule: Host("b.example.com")
      middlewares: [auth, other@docker]
`, "names auth@docker, and auth@file is what there is"},
}
