<?php

declare(strict_types=1);

namespace Turnpike\Tests;

use PHPUnit\Framework\TestCase;
use WHMCS\Module\Server\Turnpike\Signature;

/**
 * The signing, against figures and programs that are not ours.
 */
final class SignatureTest extends TestCase
{
    private const KEY = '0123456789abcdef0123456789abcdef';
    private const BODY = '{"hook":{}}';
    private const ASKED = 'turnpike=:AAAA:';

    protected function setUp(): void
    {
        Kernel::boot();
    }

    protected function tearDown(): void
    {
        restore_error_handler();
    }

    public function testAnEmptyBodyHasTheDigestThatRfc9530WouldGiveIt(): void
    {
        self::assertSame('sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:', Signature::digest(''));
    }

    public function testARequestIsSignedLineForLineAsTheContractSays(): void
    {
        $headers = $this->request();
        $input = '("@method" "@path" "@query" "content-digest");created=1795000000'
            . ';nonce="00112233445566778899aabbccddeeff"'
            . ';keyid="whmcs";alg="hmac-sha256";tag="turnpike"';
        self::assertSame("turnpike=$input", $headers['Signature-Input']);
        $lines = "\"@method\": POST\n\"@path\": /v1/hooks/cron\n\"@query\": ?\n\"content-digest\": "
            . 'sha-256=:' . base64_encode(hash('sha256', self::BODY, true)) . ":\n\"@signature-params\": $input";
        $expected = 'turnpike=:' . base64_encode(hash_hmac('sha256', $lines, self::KEY, true)) . ':';
        self::assertSame($expected, $headers['Signature']);
    }

    public function testAGoodAnswerHoldsAndTellsTheOtherClock(): void
    {
        self::assertSame(['fault' => '', 'created' => 1795000007], $this->verdict([]));
    }

    public function testAnAnswerHoldsWithItsParametersInAnotherOrderAndAmongOtherSignatures(): void
    {
        $parameters = ';tag="turnpike";keyid="whmcs";created=1795000007;alg="hmac-sha256"';
        self::assertSame('', $this->verdict(['parameters' => $parameters])['fault']);
        $headers = $this->headers([]);
        $headers['signature-input'] = 'proxy=("date");created=1, ' . $headers['signature-input'];
        $headers['signature'] = 'proxy=:AAAA:, ' . $headers['signature'];
        self::assertSame('', $this->judge(200, $headers, self::BODY)['fault']);
    }

    /**
     * @dataProvider spoiled
     * @param array<string, mixed> $change
     */
    public function testASpoiledAnswerIsRefused(array $change, string $fault): void
    {
        self::assertStringContainsString($fault, $this->verdict($change)['fault']);
        self::assertNotSame('', $this->verdict($change)['fault']);
    }

    /**
     * @return array<string, array{array<string, mixed>, string}>
     */
    public function spoiled(): array
    {
        $good = 'created=1795000007;keyid="whmcs";alg="hmac-sha256";tag="turnpike"';
        return [
            'no signature' => [['drop' => 'signature'], 'missing'],
            'no signature input' => [['drop' => 'signature-input'], 'missing'],
            'a signature under another label only' => [['label' => 'other'], 'missing'],
            'a signature that is no base64' => [['signature' => 'turnpike=:%%:'], 'missing'],
            'another secret' => [['key' => str_repeat('z', 32)], 'another secret'],
            'for another request' => [['asked' => ':BBBB:'], 'another secret'],
            'another status' => [['status' => 201], 'another secret'],
            'another body' => [['body' => '{}'], 'the body is not'],
            'no digest' => [['drop' => 'content-digest'], 'another secret'],
            'fewer parts' => [['parts' => '("@status" "content-digest")'], 'other parts'],
            'more parts' => [
                ['parts' => '("@status" "content-digest" "signature";req;key="turnpike" "date")'],
                'other parts',
            ],
            'another key id' => [['parameters' => ";$good;keyid=\"x\""], 'parameters'],
            'a foreign key id' => [['parameters' => ';' . str_replace('whmcs', 'other', $good)], 'keyid'],
            'another algorithm' => [['parameters' => ';' . str_replace('sha256', 'sha512', $good)], 'alg'],
            'no tag' => [['parameters' => ';created=1;keyid="whmcs";alg="hmac-sha256"'], 'tag'],
            'no time' => [['parameters' => ';keyid="whmcs";alg="hmac-sha256";tag="turnpike"'], 'parameters'],
            'a time that is text' => [['parameters' => ';' . str_replace('1795000007', '"1"', $good)], 'parameters'],
            'an unknown parameter' => [['parameters' => ";$good;more=1"], 'parameters'],
            'expired' => [['parameters' => ";$good;expires=1795000008"], 'expired'],
        ];
    }

    public function testEveryByteOfASignatureCounts(): void
    {
        $headers = $this->headers([]);
        $bytes = (string) base64_decode(substr($headers['signature'], strlen('turnpike=:'), -1));
        for ($i = 0; $i < strlen($bytes); $i++) {
            $changed = $bytes;
            $changed[$i] = chr(ord($changed[$i]) ^ 1);
            $spoiled = ['signature' => 'turnpike=:' . base64_encode($changed) . ':'] + $headers;
            self::assertNotSame('', $this->judge(200, $spoiled, self::BODY)['fault']);
        }
    }

    public function testTheForeignLibraryAcceptsOurRequestsAndWeItsAnswers(): void
    {
        $python = (string) getenv('TURNPIKE_PYTHON');
        self::assertNotSame('', $python, 'run ./test, which provides a Python with http-message-signatures');
        $secret = random_bytes(32);
        foreach (['', '{"a":"ü"}'] as $body) {
            $now = time();
            $nonce = bin2hex(random_bytes(16));
            $path = '/base/v1/hooks/cron';
            $headers = Signature::request('POST', $path, 'a=1&b=', $body, 'whmcs', $secret, $now, $nonce);
            $answer = $this->python($python, [
                'secret' => base64_encode($secret),
                'url' => 'http://127.0.0.1:8780/base/v1/hooks/cron?a=1&b=',
                'headers' => $headers,
                'body' => $body,
                'answer' => $body === '' ? '' : '{"ok":true}',
            ]);
            self::assertSame($nonce, $answer['nonce'], 'the library verified our request');
            $lower = array_change_key_case($answer['headers']);
            $judge = static function (string $asked) use ($answer, $lower, $secret): string {
                return Signature::answer(207, $lower, $answer['body'], $asked, 'whmcs', $secret, time())['fault'];
            };
            self::assertSame('', $judge($headers['Signature']), 'we verified its answer');
            self::assertNotSame('', $judge(self::ASKED), 'but not for another request');
        }
    }

    /**
     * @param array<string, mixed> $task
     * @return array<string, mixed>
     */
    private function python(string $python, array $task): array
    {
        $process = proc_open([$python, __DIR__ . '/foreign_signer.py'], [['pipe', 'r'], ['pipe', 'w'], STDERR], $pipes);
        fwrite($pipes[0], (string) json_encode($task));
        fclose($pipes[0]);
        $out = (string) stream_get_contents($pipes[1]);
        self::assertSame(0, proc_close($process), 'the foreign signer refused what the bridge signed');
        return json_decode($out, true);
    }

    /**
     * @return array<string, string>
     */
    private function request(): array
    {
        $nonce = '00112233445566778899aabbccddeeff';
        return Signature::request('POST', '/v1/hooks/cron', '', self::BODY, 'whmcs', self::KEY, 1795000000, $nonce);
    }

    /**
     * An answer's headers, made by hand.
     *
     * @param array<string, mixed> $change
     * @return array<string, string>
     */
    private function headers(array $change): array
    {
        $digest = 'sha-256=:' . base64_encode(hash('sha256', self::BODY, true)) . ':';
        $input = ($change['parts'] ?? '("@status" "content-digest" "signature";req;key="turnpike")')
            . ($change['parameters'] ?? ';created=1795000007;keyid="whmcs";alg="hmac-sha256";tag="turnpike"');
        $lines = "\"@status\": 200\n\"content-digest\": $digest\n\"signature\";req;key=\"turnpike\": "
            . ($change['asked'] ?? ':AAAA:') . "\n\"@signature-params\": $input";
        $label = $change['label'] ?? 'turnpike';
        $signature = base64_encode(hash_hmac('sha256', $lines, $change['key'] ?? self::KEY, true));
        $headers = [
            'content-digest' => $digest,
            'signature-input' => "$label=$input",
            'signature' => $change['signature'] ?? "$label=:$signature:",
        ];
        unset($headers[$change['drop'] ?? '']);
        return $headers;
    }

    /**
     * @param array<string, mixed> $change
     * @return array{fault: string, created: int}
     */
    private function verdict(array $change): array
    {
        return $this->judge($change['status'] ?? 200, $this->headers($change), $change['body'] ?? self::BODY);
    }

    /**
     * @param array<string, string> $headers
     * @return array{fault: string, created: int}
     */
    private function judge(int $status, array $headers, string $body): array
    {
        return Signature::answer($status, $headers, $body, self::ASKED, 'whmcs', self::KEY, 1795000009);
    }
}
