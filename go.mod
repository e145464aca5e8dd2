module github.com/getportal/ptlauth

go 1.22.0

require (
	github.com/golang-jwt/jwt/v4 v4.5.2
	github.com/traefik/paerser v0.2.2
)
