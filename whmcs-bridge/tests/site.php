<?php

/**
 * WHMCS as far as a browser sees it, for PHP's own web server: a session, WHMCS's token, request values
 * entity-encoded in the admin area, a page's output held back until it is complete. It lies under /billing; what is
 * asked for at the root is the same.
 *
 *   TURNPIKE_SITE_CODE      the pairing code; without one WHMCS is paired by whoever opens the addon
 *   TURNPIKE_SITE_ROLES     the addon's setting: which roles may change things
 *   TURNPIKE_SITE_DATABASE  a file that keeps WHMCS's tables; without one each request has a fresh WHMCS of its own
 *   TURNPIKE_SITE_PACKAGES  node_modules with Bootstrap and its kin: pages are dressed (Theme); else they are bare
 */

declare(strict_types=1);

namespace Turnpike\Tests;

require __DIR__ . '/kernel.php';
require __DIR__ . '/Theme.php';
require __DIR__ . '/Whmcs.php';

return Whmcs::answer();
