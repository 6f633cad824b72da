<?php

declare(strict_types=1);

namespace Turnpike\Tests;

use WHMCS\Database\Capsule;
use WHMCS\Module\Server\Turnpike\Pairing;
use WHMCS\Module\Server\Turnpike\SidecarError;

/**
 * Pairing codes: reading, storing, and saying what is wrong with one.
 */
final class PairingTest extends BridgeTestCase
{
    public function testACodeSurvivesWhatAClipboardDoesToIt(): void
    {
        $code = Peer::codeOf('http://127.0.0.1:8780/', str_repeat('A', 43));
        $pairing = Pairing::fromCode("  \n" . chunk_split($code, 40, "\r\n"));
        self::assertSame('http://127.0.0.1:8780', $pairing->url());
        self::assertSame('whmcs', $pairing->keyId());
        self::assertSame(str_repeat("\0", 32), $pairing->key());
    }

    public function testItIsStoredWithItsSecretEncryptedAndReadBackAlike(): void
    {
        $secret = 'q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA';
        Pairing::fromCode(Peer::codeOf('https://turnpike.example.net/vpn', $secret, 'key-2'))->store();
        Pairing::fromCode(Peer::codeOf('https://turnpike.example.net/vpn', $secret, 'key-3'))->store();
        $rows = Capsule::table('tbladdonmodules')->where('module', 'turnpike')->pluck('value', 'setting')->all();
        self::assertCount(3, $rows, 'storing again replaces');
        self::assertStringNotContainsString($secret, implode($rows));
        self::assertSame('key-3', Pairing::stored()->keyId());
        self::assertSame(base64_decode(strtr($secret, '-_', '+/')), Pairing::stored()->key());
    }

    /**
     * @dataProvider wrongCodes
     */
    public function testAWrongCodeIsRefusedWithWhatIsWrong(string $code, string $why): void
    {
        $this->expectException(SidecarError::class);
        $this->expectExceptionMessage($why);
        Pairing::fromCode($code);
    }

    /**
     * @return array<string, array{string, string}>
     */
    public function wrongCodes(): array
    {
        $secret = str_repeat('A', 43);
        $good = Peer::codeOf('http://127.0.0.1:8780', $secret);
        return [
            'nothing' => [' ', 'No pairing code'],
            'something else' => ['AKIA1234', 'does not begin with tp1_'],
            'cut' => [substr($good, 0, 30), 'damaged'],
            'foreign letters' => [$good . '%%', 'damaged'],
            'no secret' => ['tp1_' . base64_encode('{"url":"http://x","key":"k"}'), 'no secret'],
            'not a web address' => [Peer::codeOf('file:///etc/passwd', $secret), 'not an http'],
            'a login in the address' => [Peer::codeOf('http://u:p@127.0.0.1', $secret), 'not an http'],
            'a query in the address' => [Peer::codeOf('http://127.0.0.1/?x=1', $secret), 'not an http'],
            'a line break in the address' => [Peer::codeOf("http://127.0.0.1/\r\nX: y", $secret), 'not an http'],
            'a quote in the key id' => [Peer::codeOf('http://127.0.0.1', $secret, 'a"b'), 'key id'],
            'a short secret' => [Peer::codeOf('http://127.0.0.1', 'QUJD'), 'shorter than 32'],
        ];
    }

    public function testWithoutAPairingOrWithoutWhmcssOwnKeyItSaysWhatToDo(): void
    {
        foreach ([null, 'no such seal'] as $sealed) {
            if ($sealed !== null) {
                Capsule::table('tbladdonmodules')
                    ->insert(['module' => 'turnpike', 'setting' => 'pairing_secret', 'value' => $sealed]);
            }
            try {
                Pairing::stored();
                self::fail('there is none');
            } catch (SidecarError $error) {
                self::assertSame('not-paired', $error->kind());
                self::assertStringContainsString('turnpike pair', $error->forAdmin());
            }
        }
    }

    public function testOnlyPlainHttpToAnotherMachineIsWarnedOf(): void
    {
        $plain = static function (string $url): bool {
            return Pairing::fromCode(Peer::codeOf($url, str_repeat('A', 43)))->isPlainOverNetwork();
        };
        self::assertTrue($plain('http://10.0.0.5:8780'));
        self::assertTrue($plain('http://turnpike.example.net'));
        self::assertTrue($plain('http://127.example.net'));
        self::assertFalse($plain('https://turnpike.example.net'));
        self::assertFalse($plain('http://127.0.0.1:8780'));
        self::assertFalse($plain('http://localhost:8780'));
        self::assertFalse($plain('http://[::1]:8780'));
    }
}
