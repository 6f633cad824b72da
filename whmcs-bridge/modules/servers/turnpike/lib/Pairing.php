<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Turnpike;

use WHMCS\Database\Capsule;

/**
 * What joins this WHMCS to one Turnpike: its URL, a key id and a secret, pasted once as one string (`tp1_…`).
 *
 * Kept among the addon's settings in `tbladdonmodules`; the secret only through WHMCS's `encrypt()`.
 */
final class Pairing
{
    /** @var string without a slash at its end */
    private $url;

    /** @var string */
    private $keyId;

    /** @var string the bytes that sign */
    private $key;

    private function __construct(string $url, string $keyId, string $key)
    {
        $this->url = $url;
        $this->keyId = $keyId;
        $this->key = $key;
    }

    /**
     * Reads a pairing code as pasted; line breaks and spaces that the clipboard added are left out.
     *
     * @throws SidecarError `pairing-code`, with what is wrong with it
     */
    public static function fromCode(string $code): self
    {
        $code = (string) preg_replace('/\s+/', '', $code);
        if ($code === '') {
            throw self::fault('No pairing code was pasted');
        }
        if (strncmp($code, 'tp1_', 4) !== 0) {
            throw self::fault('This is not a pairing code: it does not begin with tp1_');
        }
        $json = Text::fromBase64Url(substr($code, 4));
        $parts = $json === null ? null : json_decode($json, true);
        if (!is_array($parts)) {
            throw self::fault('The pairing code is damaged, a part of it is missing or changed');
        }
        foreach (['url', 'key', 'secret'] as $name) {
            if (!isset($parts[$name]) || !is_string($parts[$name]) || $parts[$name] === '') {
                throw self::fault("The pairing code has no $name in it");
            }
        }
        return self::fromParts($parts['url'], $parts['key'], $parts['secret']);
    }

    /**
     * The pairing in force.
     *
     * @throws SidecarError `not-paired`
     */
    public static function stored(): self
    {
        $rows = Capsule::table('tbladdonmodules')->where('module', 'turnpike')
            ->whereIn('setting', ['pairing_url', 'pairing_key', 'pairing_secret'])->pluck('value', 'setting');
        $sealed = (string) ($rows['pairing_secret'] ?? '');
        if ($sealed === '') {
            throw new SidecarError(
                'not-paired',
                'WHMCS is not connected to Turnpike yet: activate the Turnpike addon, open Addons, Turnpike and paste'
                . ' the code that `turnpike pair` prints'
            );
        }
        try {
            return self::fromParts(
                (string) ($rows['pairing_url'] ?? ''),
                (string) ($rows['pairing_key'] ?? ''),
                (string) decrypt($sealed)
            );
        } catch (SidecarError $error) {
            throw new SidecarError(
                'not-paired',
                'The stored connection to Turnpike cannot be read (was WHMCS moved without its encryption hash?):'
                . ' open Addons, Turnpike and paste the code that `turnpike pair` prints again'
            );
        }
    }

    /** Puts this pairing in force, in one transaction. */
    public function store(): void
    {
        $rows = [
            'pairing_url' => $this->url,
            'pairing_key' => $this->keyId,
            'pairing_secret' => encrypt(rtrim(strtr(base64_encode($this->key), '+/', '-_'), '=')),
        ];
        Capsule::connection()->transaction(static function () use ($rows): void {
            foreach ($rows as $setting => $value) {
                Capsule::table('tbladdonmodules')
                    ->updateOrInsert(['module' => 'turnpike', 'setting' => $setting], ['value' => $value]);
            }
        });
        Breaker::close();
    }

    public function url(): string
    {
        return $this->url;
    }

    public function keyId(): string
    {
        return $this->keyId;
    }

    public function key(): string
    {
        return $this->key;
    }

    /** Whether passwords would cross a network in clear. */
    public function isPlainOverNetwork(): bool
    {
        $host = strtolower(trim((string) parse_url($this->url, PHP_URL_HOST), '[]'));
        $loopback = in_array($host, ['localhost', '::1'], true)
            || (filter_var($host, FILTER_VALIDATE_IP) !== false && strncmp($host, '127.', 4) === 0);
        return strncmp($this->url, 'http://', 7) === 0 && !$loopback;
    }

    /**
     * @throws SidecarError `pairing-code`
     */
    private static function fromParts(string $url, string $keyId, string $secret): self
    {
        $url = rtrim($url, '/');
        $parts = preg_match('/^[\x21-\x7e]+$/', $url) === 1 ? parse_url($url) : false;
        $unwanted = is_array($parts) ? array_diff(array_keys($parts), ['scheme', 'host', 'port', 'path']) : ['url'];
        $scheme = is_array($parts) ? ($parts['scheme'] ?? '') : '';
        if ($unwanted !== [] || !in_array($scheme, ['http', 'https'], true) || ($parts['host'] ?? '') === '') {
            throw self::fault('The address in the pairing code is not an http or https address');
        }
        if (preg_match('/^[A-Za-z0-9._:-]{1,64}$/', $keyId) !== 1) {
            throw self::fault('The key id in the pairing code holds characters that cannot be');
        }
        $key = Text::fromBase64Url($secret);
        if ($key === null || strlen($key) < 32) {
            throw self::fault('The secret in the pairing code is damaged or shorter than 32 bytes');
        }
        return new self($url, $keyId, $key);
    }

    private static function fault(string $sentence): SidecarError
    {
        return new SidecarError('pairing-code', $sentence . '; run `turnpike pair` and copy the whole line it prints');
    }
}
