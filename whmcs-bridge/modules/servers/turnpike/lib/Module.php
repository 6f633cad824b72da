<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Turnpike;

/**
 * One method a function of the server module. Each maps WHMCS's call to a hook of Turnpike's and the answer to what
 * WHMCS documents for that function, and lets nothing escape: WHMCS would print an exception with every password of
 * the call, and an escaping one in the cron stops the cron.
 */
final class Module
{
    public const VERSION = '0.1.0';
    public const PLAIN_PORT = 8728;
    public const TLS_PORT = 8729;

    /** What tells Turnpike all settings: a renewal that was paid before goes before it. */
    private const TELLS_SETTINGS = ['create', 'change-package'];

    /**
     * @return array<string, mixed>
     */
    public static function metaData(): array
    {
        return [
            'DisplayName' => 'Turnpike VPN (MikroTik)',
            'APIVersion' => '1.1',
            'RequiresServer' => true,
            'DefaultNonSSLPort' => (string) self::PLAIN_PORT,
            'DefaultSSLPort' => (string) self::TLS_PORT,
            'ListAccountsUniqueIdentifierDisplayName' => 'Username',
            'ListAccountsUniqueIdentifierField' => 'username',
            'ListAccountsProductField' => 'configoption1',
        ];
    }

    /**
     * @return array<string, array<string, mixed>>
     */
    public static function configOptions(): array
    {
        try {
            return Settings::fields(Lang::ofAdmin());
        } catch (\Throwable $cause) {
            ModuleLog::defect('ConfigOptions', $cause, []);
            return Settings::fields(new Lang('english', ''));
        }
    }

    /**
     * The plans for the product's drop-down.
     *
     * @param mixed $params
     * @return array<string, string>
     * @throws \Exception WHMCS shows its message beside the field
     */
    public static function loadPlans($params): array
    {
        return DropDowns::plans($params);
    }

    /**
     * The router's PPP profiles for the product's drop-down.
     *
     * @param mixed $params
     * @return array<string, string>
     * @throws \Exception WHMCS shows its message beside the field
     */
    public static function loadProfiles($params): array
    {
        return DropDowns::profiles($params);
    }

    /**
     * @param mixed $params
     * @return array{success: bool, error: string}
     */
    public static function testConnection($params): array
    {
        try {
            $body = Params::serverBody(self::given($params));
            self::needServer($body);
            $answer = self::sidecar()->hook('test-connection', $body, Sidecar::TEST_MS);
            foreach ($answer->texts('warnings') as $warning) {
                self::note('router ' . ($body['server']['name'] ?? '') . ': ' . $warning);
            }
            return ['success' => true, 'error' => ''];
        } catch (\Throwable $cause) {
            return ['success' => false, 'error' => self::error('TestConnection', $cause, $params)->forAdmin()];
        }
    }

    /**
     * @param mixed $params
     */
    public static function createAccount($params): string
    {
        return self::command('create', $params, [], static function (Answer $answer, array $body): void {
            Effects::credentials($body['service'], $answer->part('service'));
        });
    }

    /**
     * Usage metrics; WHMCS asks what there is without a server, and how much with one.
     *
     * @param mixed $params
     */
    public static function metricProvider($params): Metrics
    {
        return new Metrics(self::given($params));
    }

    /**
     * The router's accounts for Server Sync, which can take them over into WHMCS.
     *
     * @param mixed $params
     * @return array<string, mixed>
     */
    public static function listAccounts($params): array
    {
        try {
            $body = Params::serverBody(self::given($params));
            self::needServer($body);
            $answer = self::sidecar()->hook('list-accounts', $body, Sidecar::USAGE_MS);
            return ['success' => true, 'accounts' => Accounts::listed($answer->rows('accounts'))];
        } catch (\Throwable $cause) {
            return ['success' => false, 'error' => self::error('ListAccounts', $cause, $params)->forAdmin()];
        }
    }

    /**
     * @param mixed $params
     */
    public static function suspendAccount($params): string
    {
        $reason = is_array($params) ? Text::decode($params['suspendreason'] ?? '') : '';
        return self::command('suspend', $params, ['reason' => $reason]);
    }

    /**
     * @param mixed $params
     */
    public static function unsuspendAccount($params): string
    {
        return self::command('unsuspend', $params, ['reason' => '']);
    }

    /**
     * @param mixed $params
     */
    public static function terminateAccount($params): string
    {
        $result = self::command('terminate', $params);
        if ($result === 'success') {
            Facts::forget((int) $params['serviceid']);
            Renewals::end((int) $params['serviceid']);
        }
        return $result;
    }

    /**
     * @param mixed $params
     */
    public static function renew($params): string
    {
        return Renewals::renew(self::given($params));
    }

    /**
     * @param mixed $params
     */
    public static function changePackage($params): string
    {
        return self::command('change-package', $params);
    }

    /**
     * WHMCS shows this function's errors to customers too, so they get the sentence that was written for them.
     *
     * @param mixed $params
     */
    public static function changePassword($params): string
    {
        try {
            self::run('change-password', self::given($params), []);
            return 'success';
        } catch (\Throwable $cause) {
            $error = self::error('ChangePassword', $cause, $params);
            if (defined('ADMINAREA')) {
                return $error->forAdmin();
            }
            $params = self::given($params);
            $service = (int) ($params['serviceid'] ?? 0);
            $isOpen = $error->isUncertain();
            $what = $isOpen ? "it is not certain whether the password of service $service was changed"
                : "the password of service $service was not changed";
            self::note("$what: " . $error->forAdmin(), Params::clientOf($service));
            $lang = Lang::ofClient($params);
            return $error->forClient($lang->get($isOpen ? 'password_unsure' : 'password_unchanged'));
        }
    }

    /**
     * A button on the admin's page of a service; staff alone, however it was reached.
     *
     * @param mixed $params
     */
    public static function button(string $hook, $params): string
    {
        if (defined('CLIENTAREA')) {
            return Lang::ofClient(self::given($params))->get('staff_only');
        }
        if (!AdminTab::mayChange()) {
            return Lang::ofAdmin()->get('role_refused');
        }
        if ($hook === 'usage-update') {
            return self::usageUpdate($params);
        }
        if ($hook === 'create') {
            return self::createAccount($params);
        }
        try {
            $arguments = $hook === 'disconnect' ? [] : ['reason' => AdminTab::reason()];
            if ($hook === 'fup-reset') {
                $key = 'whmcs-' . bin2hex(random_bytes(16));
                $arguments = ['what' => 'daily', 'key' => $key, 'note' => AdminTab::reason()];
            }
            return self::command($hook, $params, $arguments);
        } catch (\Throwable $cause) {
            return self::error($hook, $cause, $params)->forAdmin();
        }
    }

    /**
     * One collection of one server. WHMCS uses no return value here; it is for whoever calls it by hand.
     *
     * @param mixed $params
     */
    public static function usageUpdate($params): string
    {
        try {
            $body = Params::serverBody(self::given($params));
            self::needServer($body);
            $answer = self::sidecar()->hook('usage-update', $body, Sidecar::USAGE_MS);
            // bwusage is the month's, and WHMCS bills it at the month's end
            if (Month::isOurs($answer)) {
                Effects::usage($answer->rows('services'), $body['server']['id']);
            }
            Facts::fromUsage($answer->rows('services'));
            $skipped = $answer->rows('skipped');
            if ($skipped !== []) {
                $reason = Text::sentence($skipped[0]['reason'] ?? '');
                self::note(sprintf(
                    'usage of %d service(s) on %s was not read, their figures stay (first: service %d, %s)',
                    count($skipped),
                    $body['server']['name'],
                    (int) ($skipped[0]['service_id'] ?? 0),
                    $reason
                ));
            }
            return 'success';
        } catch (\Throwable $cause) {
            $error = self::error('UsageUpdate', $cause, $params);
            self::note('usage was not read: ' . $error->forAdmin());
            return $error->forAdmin();
        }
    }

    /**
     * The customer's page. When Turnpike is silent it shows what WHMCS itself knows, and says so.
     *
     * @param mixed $params
     * @return array<string, mixed>
     */
    public static function clientArea($params): array
    {
        try {
            $params = self::given($params);
            $lang = Lang::ofClient($params);
            $page = new Page($params, $lang);
            $id = (int) ($params['serviceid'] ?? 0);
            if ($id <= 0 || (int) ($params['addonId'] ?? 0) > 0) {
                return [];
            }
            if ($page->status() !== 'Active') {
                return $page->error('inactive');
            }
            $said = ClientActions::submitted($params, $lang);
            $page = new Page($params, $lang, $said);
            try {
                $body = Params::body($params);
                $body['client']['language'] = $lang->name();
                $answer = self::sidecar()->page('client-area', $body);
                Facts::fromPage($id, $answer);
            } catch (\Throwable $cause) {
                $error = self::error('ClientArea', $cause, $params);
                return $error->isVerified() && $error->kind() === 'no-such-service'
                    ? $page->error('missing')
                    : $page->unavailable($error->reference());
            }
            return $page->answered($answer, $_GET['customAction'] ?? '');
        } catch (\Throwable $cause) {
            self::error('ClientArea', $cause, $params);
            return [];
        }
    }

    /** One line in the Activity Log, which is always on. */
    public static function note(string $sentence, int $clientId = 0): void
    {
        if (function_exists('logActivity')) {
            logActivity('Turnpike: ' . Text::sentence($sentence), $clientId);
        }
    }

    /**
     * What was done although something went wrong beside it is a success to WHMCS, so the Activity Log is told.
     *
     * @return string the warning, or ''
     */
    public static function warned(string $what, int $serviceId, Answer $answer): string
    {
        $warning = Text::sentence($answer->get('warning'));
        if ($warning !== '') {
            $waits = ($answer->part('account')['pending'] ?? 0) !== 0;
            $is = $waits ? 'is in the books, and waits for the router' : 'is done, but';
            self::note("$what of service $serviceId $is: $warning", Params::clientOf($serviceId));
        }
        return $warning;
    }

    /**
     * One hook that concerns a service, as WHMCS wants to be told of it: `success`, or one sentence for staff.
     *
     * @param mixed $params
     * @param array<string, mixed> $hook
     * @param callable(Answer, array<string, mixed>): void|null $after what the answer changes in WHMCS
     */
    public static function command(string $name, $params, array $hook = [], ?callable $after = null): string
    {
        try {
            self::run($name, self::given($params), $hook, $after);
            return 'success';
        } catch (\Throwable $cause) {
            return self::error($name, $cause, $params)->forAdmin();
        }
    }

    /**
     * One hook that concerns a service.
     *
     * @param array<mixed> $params
     * @param array<string, mixed> $hook
     * @param callable(Answer, array<string, mixed>): void|null $after what the answer changes in WHMCS
     * @throws \Throwable
     */
    public static function run(string $name, array $params, array $hook, ?callable $after = null): Answer
    {
        if ((int) ($params['addonId'] ?? 0) > 0) {
            throw new SidecarError(
                'addon-unsupported',
                'A Turnpike VPN cannot be sold as a product addon; sell it as a product of its own'
            );
        }
        $body = Params::body($params, $hook);
        self::needServer($body);
        if (in_array($name, self::TELLS_SETTINGS, true)) {
            Renewals::goFirst((int) ($params['serviceid'] ?? 0));
        }
        $answer = self::sidecar()->hook($name, $body, Sidecar::LIFECYCLE_MS);
        self::warned($name, (int) ($body['service']['id'] ?? 0), $answer);
        if ($after !== null) {
            $after($answer, $body);
        }
        Facts::fromAccount($body['service']['id'] ?? 0, $answer);
        return $answer;
    }

    /**
     * @param array<string, mixed> $body
     * @throws SidecarError
     */
    public static function needServer(array $body): void
    {
        if ($body['server'] === null) {
            throw new SidecarError(
                'no-server',
                'No server with a hostname or an IP address belongs to this; choose one of the Turnpike module in WHMCS'
            );
        }
    }

    public static function sidecar(): Sidecar
    {
        return new Sidecar(Pairing::stored());
    }

    /**
     * @param mixed $params
     * @return array<mixed>
     */
    public static function given($params): array
    {
        return is_array($params) ? $params : [];
    }

    /**
     * @param mixed $params
     */
    public static function error(string $name, \Throwable $cause, $params): SidecarError
    {
        $error = SidecarError::from($cause);
        if ($error !== $cause) {
            ModuleLog::defect($name, $cause, self::given($params), $error->forAdmin());
        }
        return $error;
    }
}
