"""A Werkzeug app below the middleware that many recipes set in front of one, which believes X-Script-Name."""
import sys

from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import Map, Rule
from werkzeug.serving import WSGIRequestHandler, run_simple
from werkzeug.wrappers import Request, Response

pages = {
    "PAGE-ADMIN": ["/admin", "/admin/<path:rest>", "/desk", "/desk/<path:rest>"],
    "PAGE-SHARE": ["/share", "/share/<path:rest>", "/x/<path:rest>", "/user@host"],
    "PAGE-ROOT": ["/"],
}
rules = Map([Rule(rule, endpoint=page) for page, all in pages.items() for rule in all], strict_slashes=False)


@Request.application
def routed(request):
    try:
        page, _ = rules.bind_to_environ(request.environ).match()
    except HTTPException as e:
        return e
    return Response(page)


def app(environ, start_response):
    script_name = environ.get("HTTP_X_SCRIPT_NAME", "")
    if script_name and environ["PATH_INFO"].startswith(script_name):
        environ["SCRIPT_NAME"] = script_name
        environ["PATH_INFO"] = environ["PATH_INFO"][len(script_name):]
    return ProxyFix(routed, x_prefix=1)(environ, start_response)


class Quiet(WSGIRequestHandler):
    def log(self, *args):
        pass


if __name__ == "__main__":
    host, port = sys.argv[1].split(":")
    run_simple(host, int(port), app, threaded=True, request_handler=Quiet)
