// A Node app that reads addresses as browsers do (WHATWG URL: backslashes, dot segments), compares in capitals, and
// believes the headers by which IIS and some frameworks pass the path on.
const http = require('http');
const [host, port] = process.argv[2].split(':');
http.createServer((request, response) => {
  let path;
  try {
    const target = request.headers['x-original-url'] || request.headers['x-rewrite-url'] || request.url;
    path = decodeURIComponent(new URL(target, 'http://app').pathname).toUpperCase();
  } catch (e) {
    response.writeHead(400).end('PAGE-NONE');
    return;
  }
  const below = (prefix) => path === prefix || path.startsWith(prefix + '/');
  let page = 'PAGE-NONE';
  if (below('/ADMIN') || below('/DESK')) page = 'PAGE-ADMIN';
  else if (below('/SHARE') || below('/X') || path === '/USER@HOST') page = 'PAGE-SHARE';
  else if (path === '/') page = 'PAGE-ROOT';
  response.end(page);
}).listen(Number(port), host);
