<?php

declare(strict_types=1);

namespace Turnpike\Tests;

use PHPUnit\Framework\TestCase;

/**
 * The addon's pages as a browser meets them: WHMCS's admin area on a real web server, the real service behind it.
 *
 * @group sidecar
 */
final class AddonSiteTest extends TestCase
{
    private const PAGE = '/admin/addonmodules.php?module=turnpike';

    /** @var Turnpike */
    private $turnpike;

    /** @var resource|null */
    private $server;

    /** @var string */
    private $origin;

    /** @var string */
    private $cookie = '';

    protected function setUp(): void
    {
        $binary = (string) getenv('TURNPIKE_BINARY');
        if ($binary === '') {
            self::fail('TURNPIKE_BINARY is not set: run ./test, which builds turnpike and names it here');
        }
        $this->turnpike = new Turnpike($binary);
        $this->turnpike->start();
    }

    protected function tearDown(): void
    {
        $this->end();
        $this->turnpike->remove();
    }

    private function end(): void
    {
        if ($this->server !== null) {
            proc_terminate($this->server);
            proc_close($this->server);
            $this->server = null;
        }
    }

    public function testEveryPageIsShownAndNothingInItIsLoadedOrRun(): void
    {
        $this->serve();
        foreach (['', '&page=routers', '&page=accounts', '&page=mails', '&page=quarantine', '&page=netflow'] as $page) {
            [$status, , $html] = $this->get($page);
            self::assertSame(200, $status, $html);
            self::assertStringContainsString('<div class="tp">', $html, $page);
            self::assertDoesNotMatchRegularExpression('~<script|<link|<img|\son[a-z]+=|javascript:~i', $html, $page);
        }
        self::assertStringContainsString('turnpikePairingCode', $this->get('&page=pairing')[2]);
        self::assertStringContainsString('There is nothing at this path', $this->get('&page=plums')[2]);
    }

    public function testAFormIsSentFollowedAndSaidOnce(): void
    {
        $this->serve();
        $form = ['do' => 'save', 'enabled' => '1', 'service' => '500', 'username' => 'ada & "co" <b>',
            'password' => 's3cret&amp;', 'notes' => "two\r\nlines"];
        [$status, $location, $body] = $this->send('&page=netflow&add=1', $form);
        self::assertSame([303, 'addonmodules.php?module=turnpike&page=netflow'], [$status, $location], $body);
        $html = $this->get('&page=netflow')[2];
        self::assertStringContainsString('The NetFlow access of service 500 is added.', $html);
        self::assertStringContainsString('client 12', $html, 'WHMCS knows whose service it is');
        self::assertStringContainsString('ada &amp; &quot;co&quot; &lt;b&gt;', $html, 'as it was typed, escaped once');
        self::assertStringNotContainsString('is added', $this->get('&page=netflow')[2]);
        $html = $this->get('&page=netflow&service=500')[2];
        self::assertStringContainsString('VPS Basic, vps1.example.net', $html);
        self::assertStringContainsString('leave this blank to keep it', $html);
        self::assertStringContainsString("two\nlines</textarea>", $html);
        self::assertStringNotContainsString('s3cret', $html);
    }

    public function testAWrongFormComesBackWithWhatWasTypedAndAForgedOneDoesNothing(): void
    {
        $this->serve();
        $form = ['do' => 'save', 'service' => '4711', 'group' => 'kept', 'password' => 's3cret'];
        [$status, , $html] = $this->send('&page=netflow&add=1', $form);
        self::assertSame(200, $status);
        self::assertStringContainsString('which has none with the number 4711', $html);
        self::assertStringContainsString('value="kept"', $html);
        self::assertStringNotContainsString('s3cret', $html);
        $form['service'] = '500';
        [, , $html] = $this->send('&page=netflow', $form, ['token' => 'forged']);
        self::assertStringContainsString('This form had expired, nothing was changed', $html);
        self::assertStringContainsString('There is no record yet.', $html);
    }

    public function testARoleThatMayOnlyLookChangesNothing(): void
    {
        // Tokens that fit, from before the role was taken away: its pages have no form.
        $this->serve();
        $tokens = $this->tokens();
        $this->end();
        $this->serve('Sales Operator');
        self::assertStringContainsString('You may look at these pages and change nothing.', $this->get('')[2]);
        self::assertStringNotContainsString('<form method="post"', $this->get('&page=pairing')[2]);
        $code = ['pairing_code' => $this->turnpike->code()];
        $html = $this->exchange('&page=pairing', $tokens + $code)[2];
        self::assertStringContainsString('Your role may not do this', $html);
        $html = $this->exchange('&page=netflow', $tokens + ['do' => 'save', 'service' => '500'])[2];
        self::assertStringContainsString('The administrator "grace" may look', html_entity_decode($html));
        self::assertStringContainsString('There is no record yet.', $this->get('&page=netflow')[2]);
    }

    public function testAStoppedTurnpikeIsSaidAtOnceAndThePairingPageIsThere(): void
    {
        $this->serve();
        $this->turnpike->stop();
        $html = $this->get('')[2];
        self::assertStringContainsString('Turnpike does not answer at', $html);
        self::assertStringContainsString('page=pairing', $html);
        self::assertStringContainsString('turnpikePairingCode', $this->get('&page=pairing')[2]);
    }

    private function serve(string $roles = ''): void
    {
        $address = stream_socket_server('tcp://127.0.0.1:0');
        $name = (string) stream_socket_get_name($address, false);
        fclose($address);
        $this->origin = "http://$name";
        $silence = ['file', '/dev/null', 'w'];
        $environment = ['TURNPIKE_SITE_CODE' => $this->turnpike->code(), 'TURNPIKE_SITE_ROLES' => $roles] + getenv();
        $process = proc_open(
            [PHP_BINARY, '-S', $name, __DIR__ . '/site.php'],
            [['file', '/dev/null', 'r'], $silence, $silence],
            $pipes,
            null,
            $environment
        );
        self::assertIsResource($process);
        $this->server = $process;
        $until = microtime(true) + 20;
        while (@stream_socket_client("tcp://$name") === false) {
            self::assertLessThan($until, microtime(true), 'PHP\'s own web server did not start');
            usleep(10000);
        }
    }

    /**
     * @return array{int, string, string} status, Location, body
     */
    private function get(string $query): array
    {
        return $this->exchange($query, null);
    }

    /**
     * Sends a form with the tokens that its page has.
     *
     * @param array<string, string> $form
     * @param array<string, string> $change
     * @return array{int, string, string}
     */
    private function send(string $query, array $form, array $change = []): array
    {
        return $this->exchange($query, $change + $this->tokens() + $form);
    }

    /**
     * @return array<string, string>
     */
    private function tokens(): array
    {
        $tokens = [];
        foreach (['token', 'turnpike_form'] as $name) {
            // any page with a form has them; the pairing page always has
            $found = preg_match("/name=\"$name\" value=\"([^\"]*)\"/", $this->get('&page=pairing')[2], $match);
            self::assertSame(1, $found);
            $tokens[$name] = $match[1];
        }
        return $tokens;
    }

    /**
     * @param array<string, string>|null $form
     * @return array{int, string, string}
     */
    private function exchange(string $query, ?array $form): array
    {
        $curl = \curl_init($this->origin . self::PAGE . $query);
        \curl_setopt_array($curl, [CURLOPT_RETURNTRANSFER => true, CURLOPT_TIMEOUT => 60, CURLOPT_HEADER => true]);
        if ($this->cookie !== '') {
            \curl_setopt($curl, CURLOPT_COOKIE, $this->cookie);
        }
        if ($form !== null) {
            \curl_setopt_array($curl, [CURLOPT_POST => true, CURLOPT_POSTFIELDS => http_build_query($form)]);
        }
        [$head, $body] = explode("\r\n\r\n", (string) \curl_exec($curl), 2) + ['', ''];
        if (preg_match('/^Set-Cookie: ([^;]+)/mi', $head, $match) === 1) {
            $this->cookie = $match[1];
        }
        preg_match('/^Location: (.*?)\r?$/mi', $head, $match);
        return [(int) \curl_getinfo($curl, CURLINFO_RESPONSE_CODE), $match[1] ?? '', $body];
    }
}
