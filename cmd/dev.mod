module github.com/getportal/ptlauth/cmd

go 1.24.0

require github.com/getportal/ptlauth v0.1.0

require (
	github.com/golang-jwt/jwt/v4 v4.5.2 // indirect
	github.com/traefik/paerser v0.2.2 // indirect
)

replace github.com/getportal/ptlauth => ..
