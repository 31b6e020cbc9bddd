<?php

// Runs the README's route as Laravel does: the body is stdin, the headers are JSON in $argv[1].

require 'vendor/autoload.php';
require 'Illuminate/autoload.php';

$app = new Illuminate\Foundation\Application(__DIR__);
$app->instance('config', new Illuminate\Config\Repository([
    'services' => ['winnerr' => ['webhook_secret' => getenv('WINNERR_WEBHOOK_SECRET')]],
    'logging' => ['default' => 'out', 'channels' => ['out' => [
        'driver' => 'single', 'path' => 'php://stderr',
    ]]],
    'view' => ['paths' => [], 'compiled' => __DIR__],
]));
$app->register(Illuminate\Filesystem\FilesystemServiceProvider::class);
$app->register(Illuminate\View\ViewServiceProvider::class);
Illuminate\Support\Facades\Facade::setFacadeApplication($app);
require 'routes.php';

$request = Illuminate\Http\Request::create('/hooks/winnerr', 'POST', [], [], [], [], stream_get_contents(STDIN));
$request->headers->replace(json_decode($argv[1], true));
$app->instance('request', $request);
echo $app['router']->dispatch($request)->getStatusCode();
