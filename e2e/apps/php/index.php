<?php
// A front controller as many PHP apps have one: it decodes the request's address as if it were a query. Behind nginx it
// takes what nginx made of the path.
$target = $_SERVER['HTTP_X_ORIGINAL_URL'] ?? $_SERVER['HTTP_X_REWRITE_URL'] ?? $_SERVER['REQUEST_URI'];
$path = $_SERVER['DOCUMENT_URI'] ?? urldecode(explode('?', $target)[0]);
$path = strtolower(rtrim(preg_replace('#/+#', '/', $path), '/'));
if (preg_match('#^/(admin|desk)(/|$)#', $path)) echo 'PAGE-ADMIN';
elseif (preg_match('#^/((share|x)(/|$)|user@host$)#', $path)) echo 'PAGE-SHARE';
elseif ($path === '') echo 'PAGE-ROOT';
else echo 'PAGE-NONE';
