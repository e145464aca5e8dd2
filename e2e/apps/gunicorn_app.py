"""A bare WSGI app that resolves PATH_INFO and does not mind case: Python's re.IGNORECASE folds more than ASCII."""
import posixpath
import re

pages = [
    (re.compile(r"/(admin|desk)(/|$)", re.I), "PAGE-ADMIN"),
    (re.compile(r"/(share|x)(/|$)|/user@host$", re.I), "PAGE-SHARE"),
    (re.compile(r"/?$"), "PAGE-ROOT"),
]


def app(environ, start_response):
    path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
    path = posixpath.normpath(re.sub("/+", "/", path))
    page = next((page for pattern, page in pages if pattern.match(path)), "PAGE-NONE")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(page)))])
    return [page.encode()]
