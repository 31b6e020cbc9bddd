<?php

require 'vendor/autoload.php';

use Winnerr\Webhooks\Webhook;

[$newSecret, $oldSecret] = ['a new secret', 'an old secret'];
// SETTINGS
echo get_class($webhook);
