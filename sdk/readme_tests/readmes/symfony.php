<?php

// Runs the README's controller: the body is stdin, the headers are JSON in $argv[1].

require 'vendor/autoload.php';
require 'Symfony/Component/HttpFoundation/autoload.php';
require 'controller.php';

$body = stream_get_contents(STDIN);
$request = Symfony\Component\HttpFoundation\Request::create('/hooks/winnerr', 'POST', [], [], [], [], $body);
$request->headers->replace(json_decode($argv[1], true));
echo (new WinnerrController(getenv('WINNERR_WEBHOOK_SECRET')))->receive($request)->getStatusCode();
