<?php

declare(strict_types=1);

namespace Turnpike\Tests;

use PHPUnit\Framework\TestCase;
use WHMCS\Database\Capsule;
use WHMCS\Module\Server\Turnpike\Pairing;

/**
 * A fresh WHMCS with one server, one product and one customer, and the scripted peer.
 */
abstract class BridgeTestCase extends TestCase
{
    /** As awkward as a password may be: everything that entity-encoding and JSON touch. */
    protected const SERVER_PASSWORD = 's3cr3t&<"\'>/-ß-shared';
    protected const SERVICE_PASSWORD = 'p&ss<"w0rd\'>\\é';
    protected const PSK = 'psk&"tünnel"/<1>';

    /** @var Peer|null */
    private static $peer;

    protected function setUp(): void
    {
        Kernel::boot();
        Limits::$set = [];
        Limits::$shorten = 1;
        Capsule::table('tblservers')->insert([
            'id' => 3, 'name' => 'core-1', 'type' => 'turnpike', 'hostname' => 'vpn1.example.net',
            'ipaddress' => '127.0.0.1', 'username' => 'whmcs', 'password' => encrypt(self::SERVER_PASSWORD),
            'accesshash' => " AB:CD\n", 'secure' => 'on', 'port' => 0,
            'assignedips' => "10.8.0.2\r\n10.8.0.16/28\n10.8.1.10-10.8.1.50, 10.8.2.1\n\n",
        ]);
        Capsule::table('tblproducts')->insert([
            ['id' => 2, 'name' => 'VPN', 'type' => 'other', 'servertype' => 'turnpike'],
            ['id' => 9, 'name' => 'Hosting', 'type' => 'hostingaccount', 'servertype' => 'cpanel'],
        ]);
        Capsule::table('tblclients')->insert([
            'id' => 7, 'firstname' => 'Ada & Co', 'lastname' => 'Byron', 'email' => 'ada@example.net',
            'language' => 'english',
        ]);
        $this->service(41, 'Active', 'kunde', self::SERVICE_PASSWORD);
    }

    protected function tearDown(): void
    {
        restore_error_handler();
        self::assertSame([], Kernel::$notices, 'the modules must raise no notice');
        if (self::$peer !== null) {
            foreach (self::$peer->requests() as $request) {
                self::assertTrue($request['genuine'], 'every request is signed as agreed');
            }
            self::$peer->clear();
        }
    }

    public static function tearDownAfterClass(): void
    {
        if (self::$peer !== null) {
            self::$peer->stop();
            self::$peer = null;
        }
    }

    /** The peer; WHMCS is paired with it in that manner. */
    protected function peer(string $manner = 'ok'): Peer
    {
        self::$peer = self::$peer ?? new Peer();
        Pairing::fromCode(self::$peer->code($manner))->store();
        return self::$peer;
    }

    /** Pairs with an address where nothing listens. */
    protected function pairWithNobody(): void
    {
        $socket = stream_socket_server('tcp://127.0.0.1:0');
        $name = stream_socket_get_name($socket, false);
        fclose($socket);
        Pairing::fromCode(Peer::codeOf("http://$name", str_repeat('A', 43)))->store();
    }

    /**
     * Pairs with something that takes connections and says nothing.
     *
     * @return resource to be held while it shall listen
     */
    protected function pairWithSilence()
    {
        $socket = stream_socket_server('tcp://127.0.0.1:0');
        $name = stream_socket_get_name($socket, false);
        Pairing::fromCode(Peer::codeOf("http://$name", str_repeat('A', 43)))->store();
        return $socket;
    }

    protected function service(int $id, string $status, string $username = '', string $password = ''): void
    {
        Capsule::table('tblhosting')->insert([
            'id' => $id, 'userid' => 7, 'server' => 3, 'packageid' => 2, 'domain' => '', 'username' => $username,
            'password' => $password === '' ? '' : encrypt($password), 'dedicatedip' => '', 'domainstatus' => $status,
            'billingcycle' => 'Monthly', 'nextduedate' => '2026-12-01', 'lastupdate' => '2026-01-01 00:00:00',
            'bwusage' => 5, 'bwlimit' => 6,
        ]);
    }

    protected function row(int $service): \stdClass
    {
        return Capsule::table('tblhosting')->where('id', $service)->first();
    }

    /** Everything that may be read later by people who may not know these. */
    protected function assertNoSecretsIn(string $text): void
    {
        foreach ([self::SERVER_PASSWORD, self::SERVICE_PASSWORD, self::PSK] as $secret) {
            $spellings = [
                $secret,
                substr((string) json_encode($secret), 1, -1),
                substr((string) json_encode($secret, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE), 1, -1),
                htmlentities($secret, ENT_QUOTES),
                htmlspecialchars($secret, ENT_QUOTES),
                htmlspecialchars($secret, ENT_COMPAT),
                urlencode($secret),
                rawurlencode($secret),
            ];
            foreach ($spellings as $spelling) {
                self::assertStringNotContainsString($spelling, $text);
            }
        }
        self::assertStringNotContainsString('hmac-sha256', $text, 'signatures are not logged');
        if (self::$peer !== null) {
            self::assertStringNotContainsString(self::$peer->secret, $text);
        }
    }

    /** The logs as one text. */
    protected function logs(): string
    {
        return print_r(Kernel::$moduleLog, true) . implode("\n", Kernel::$activity);
    }

    /**
     * A page's HTML by the real Smarty, in a process of its own (two majors cannot live in one).
     *
     * @param array<string, mixed> $page what ClientArea returned
     */
    protected function render(int $smarty, array $page): string
    {
        $process = proc_open(
            [PHP_BINARY, __DIR__ . '/render.php', (string) $smarty, $page['tabOverviewModuleOutputTemplate']],
            [['pipe', 'r'], ['pipe', 'w'], ['pipe', 'w']],
            $pipes
        );
        fwrite($pipes[0], (string) json_encode($page['templateVariables']));
        fclose($pipes[0]);
        $html = (string) stream_get_contents($pipes[1]);
        $errors = (string) stream_get_contents($pipes[2]);
        self::assertSame(0, proc_close($process), "Smarty $smarty: $errors$html");
        return $html;
    }
}
