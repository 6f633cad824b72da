<?php

declare(strict_types=1);

error_reporting(E_ALL);
date_default_timezone_set('UTC');
require_once __DIR__ . '/kernel.php';
require_once __DIR__ . '/Limits.php';
require_once __DIR__ . '/curl.php';
require_once __DIR__ . '/Peer.php';
require_once __DIR__ . '/Simulator.php';
require_once __DIR__ . '/Turnpike.php';
require_once __DIR__ . '/BridgeTestCase.php';
