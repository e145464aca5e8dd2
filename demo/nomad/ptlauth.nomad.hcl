# Convos in Nomad, with the secret and the list of devices in a Nomad variable: put your own names for example.com.
# Once, in this folder:
#
#   ptl init . --url=https://chat.example.com
#   nomad var put nomad/jobs/chat secret=@ptlauth/secret terminals=@ptlauth/terminals.json
#   nomad job run ptlauth.nomad.hcl
#
# ptl changes the list here, and waits until Traefik has it. Meanwhile put it there from another terminal, which Nomad
# then writes into Traefik's folder without starting anything anew:
#
#   nomad var put -force nomad/jobs/chat secret=@ptlauth/secret terminals=@ptlauth/terminals.json
#
# So, to let a phone in: start `ptl pair --name="Your phone" --user=you@example.com`, put, scan the code, put again. To
# throw it out: start `ptl unpair "Your phone"`, and put. A variable holds 64 KiB, which is a few hundred devices.
job "chat" {
  group "chat" {
    network {
      mode = "bridge" # all tasks of the group are at 127.0.0.1 to each other, and at nothing of others
      port "http" {
        static = 80
      }
      port "https" {
        static = 443
      }
    }

    volume "data" { # a host volume of the client's configuration
      type   = "host"
      source = "chat"
    }

    service {
      name     = "convos"
      provider = "nomad"
      address  = "127.0.0.1" # where Traefik, in the same group, finds it
      port     = "3000"
      tags = [
        "traefik.enable=true",
        "traefik.http.routers.convos.entrypoints=https",
        "traefik.http.routers.convos.middlewares=auth@nomad",
        "traefik.http.routers.convos.rule=Host(`chat.example.com`)",
        "traefik.http.routers.convos.service=convos",
        "traefik.http.routers.convos.tls=true",
        "traefik.http.routers.convos.tls.certresolver=letsencrypt",
        # Here alone: tags of the same middleware at two services take both down. Another app names auth@nomad.
        "traefik.http.middlewares.auth.plugin.ptlauth.secretFile=/secrets/ptlauth/secret",
        "traefik.http.middlewares.auth.plugin.ptlauth.terminals.file=/secrets/ptlauth/terminals.json",
        "traefik.http.middlewares.auth.plugin.ptlauth.pairing=true",
        "traefik.http.middlewares.auth.plugin.ptlauth.headers.X-Request-Base=https://chat.example.com",
        "traefik.http.middlewares.auth.plugin.ptlauth.paths[0].prefix=/assets/",
        "traefik.http.middlewares.auth.plugin.ptlauth.paths[0].access=public",
      ]
    }

    task "convos" {
      driver = "docker"
      config {
        image = "ghcr.io/convos-chat/convos:v8.07"
        # At 127.0.0.1 alone: Convos believes the header of anyone who reaches it.
        args = ["daemon", "--listen", "http://127.0.0.1:3000"]
      }
      env {
        CONVOS_REVERSE_PROXY = "1"
        CONVOS_PLUGINS       = "Convos::Plugin::Auth::Header"
        CONVOS_AUTH_HEADER   = "X-Ptl-User"
        CONVOS_ADMIN         = "you@example.com" # to the letter the user of the first device, in lower case
      }
      volume_mount {
        volume      = "data"
        destination = "/data"
      }
      resources {
        memory = 512
      }
    }

    task "traefik" {
      driver = "docker"
      config {
        image = "traefik:v3.7" # v3.6 works as well
        ports = ["http", "https"]
        args = [
          "--experimental.plugins.ptlauth.moduleName=github.com/getportal/ptlauth",
          "--experimental.plugins.ptlauth.version=v0.1.0",
          "--experimental.abortOnPluginFailure=true",
          "--providers.nomad.endpoint.address=unix:///secrets/api.sock",
          "--providers.nomad.exposedByDefault=false",
          "--providers.nomad.refreshInterval=5s",
          "--entryPoints.http.address=:80",
          "--entryPoints.http.http.redirections.entryPoint.to=https",
          "--entryPoints.https.address=:443",
          "--certificatesResolvers.letsencrypt.acme.email=you@example.com",
          "--certificatesResolvers.letsencrypt.acme.storage=/alloc/data/acme.json",
          "--certificatesResolvers.letsencrypt.acme.tlsChallenge=true",
        ]
      }
      identity {
        env = true # NOMAD_TOKEN, with which Traefik asks Nomad which services there are
      }
      # Without the variable the task does not start.
      template {
        data                 = "{{ with nomadVar \"nomad/jobs/chat\" }}{{ .secret }}{{ end }}"
        destination          = "secrets/ptlauth/secret"
        change_mode          = "noop" # the middleware sees it by itself
        perms                = "0400"
        error_on_missing_key = true
      }
      template {
        data                 = "{{ with nomadVar \"nomad/jobs/chat\" }}{{ .terminals }}{{ end }}"
        destination          = "secrets/ptlauth/terminals.json"
        change_mode          = "noop"
        perms                = "0400"
        error_on_missing_key = true
      }
      resources {
        memory = 512
      }
    }
  }
}
