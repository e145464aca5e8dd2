# A Mojolicious app, which routes by the decoded path.
use Mojolicious::Lite;
app->secrets(['not used']);
app->log->level('fatal');
any $_ => {text => 'PAGE-ADMIN'} for '/admin', '/admin/*rest', '/desk', '/desk/*rest';
any $_ => {text => 'PAGE-SHARE'} for '/share', '/share/*rest', '/x/*rest', '/user@host';
any '/' => {text => 'PAGE-ROOT'};
any '/*rest' => {text => 'PAGE-NONE', status => 404};
app->start;
