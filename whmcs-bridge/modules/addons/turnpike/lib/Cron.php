<?php

declare(strict_types=1);

namespace WHMCS\Module\Addon\Turnpike;

use WHMCS\Database\Capsule;
use WHMCS\Module\Server\Turnpike\Effects;
use WHMCS\Module\Server\Turnpike\Facts;
use WHMCS\Module\Server\Turnpike\Module;
use WHMCS\Module\Server\Turnpike\ModuleLog;
use WHMCS\Module\Server\Turnpike\Month;
use WHMCS\Module\Server\Turnpike\Pairing;
use WHMCS\Module\Server\Turnpike\Params;
use WHMCS\Module\Server\Turnpike\Renewals;
use WHMCS\Module\Server\Turnpike\Resets;
use WHMCS\Module\Server\Turnpike\Sidecar;
use WHMCS\Module\Server\Turnpike\SidecarError;
use WHMCS\Module\Server\Turnpike\Text;

/**
 * Every cron run of WHMCS: tells Turnpike what became of the mails it handed out, writes the usage it collected, and
 * sends the mails it hands out now. One call a run; those mails are acknowledged by the next run's call.
 */
final class Cron
{
    /** While the same trouble lasts, the Activity Log gets one line in this time. */
    private const QUIET_SECONDS = 3600;

    public static function run(): void
    {
        try {
            Outbox::install();
            Facts::install();
            self::due('the paid resets', static function (): void {
                Resets::install();
                Resets::deliver(false);
            });
            self::due('the renewals that wait', [Renewals::class, 'deliver']);
            $told = Outbox::pending();
            $body = ['whmcs' => Params::whmcs(), 'hook' => $told];
            $answer = (new Sidecar(Pairing::stored()))->hook('cron', $body, Sidecar::USAGE_MS);
            Outbox::forget($told);
            $known = array_merge($told['delivered'], array_column($told['failed'], 'id'));
            if (Month::isOurs($answer)) {
                Effects::usage($answer->rows('services'), null);
            }
            Facts::fromUsage($answer->rows('services'));
            foreach ($answer->rows('mails') as $mail) {
                self::send($mail, $known);
            }
            self::recovered('cron_trouble', 'the cron run works again');
            self::netflow();
        } catch (\Throwable $cause) {
            self::trouble('cron_trouble', 'the cron run could not be completed', $cause);
        }
    }

    /** What fails here costs the run neither its usage nor its mails. */
    private static function due(string $what, callable $deliver): void
    {
        try {
            $deliver();
        } catch (\Throwable $cause) {
            ModuleLog::defect('AfterCronJob', $cause, []);
            Module::note("$what could not be looked at (" . get_class($cause) . '); the next cron run does');
        }
    }

    /** Trouble of its own: the run is complete without it. */
    private static function netflow(): void
    {
        try {
            Netflow::refreshAll();
            self::recovered('netflow_trouble', 'NetFlow access is read again');
        } catch (\Throwable $cause) {
            $what = 'NetFlow access could not be read, so what was known of it stays';
            self::trouble('netflow_trouble', $what, $cause);
        }
    }

    /**
     * @param array<string, mixed> $mail
     * @param array<int|string> $known ids that this very call acknowledged
     */
    private static function send(array $mail, array $known): void
    {
        $id = $mail['id'] ?? null;
        $usable = is_int($id) || (is_string($id) && $id !== '' && strlen($id) <= 64);
        if (!$usable || in_array($id, $known, true) || !Outbox::take($id)) {
            return;
        }
        $error = '';
        try {
            $disabled = self::disabledFor($mail);
            if ($disabled !== '') {
                Outbox::settle($id, "the e-mail template $disabled is disabled in WHMCS", true);
                return;
            }
            $error = self::deliver($mail);
        } catch (\Throwable $cause) {
            $error = 'WHMCS failed while sending (' . get_class($cause) . ')';
        }
        Outbox::settle($id, Text::sentence($error));
        if ($error !== '') {
            Module::note('a mail was not sent, Turnpike will hand it out again: ' . $error);
        }
    }

    /**
     * @param array<string, mixed> $mail
     * @return string '' when WHMCS sent it, else why not
     */
    private static function deliver(array $mail): string
    {
        $template = $mail['template'] ?? null;
        $service = $mail['service_id'] ?? null;
        if (!is_string($template) || !is_int($service)) {
            return 'the mail names no template or no service';
        }
        if (!Effects::isOurs($service)) {
            return "service $service is not one of the Turnpike module in WHMCS";
        }
        $template = Templates::named($template);
        $exists = Capsule::table('tblemailtemplates')->where('type', 'product')->where('name', $template)->exists();
        if (!$exists) {
            return "WHMCS has no product e-mail template named $template; create it under Email Templates, or choose"
                . " another one in the product's settings";
        }
        $variables = array_filter(is_array($mail['variables'] ?? null) ? $mail['variables'] : [], 'is_scalar');
        $result = localAPI('SendEmail', [
            'messagename' => $template,
            'id' => $service,
            'customvars' => base64_encode(serialize($variables)),
        ]);
        if (is_array($result) && ($result['result'] ?? '') === 'success') {
            return '';
        }
        $why = is_array($result) ? Text::sentence($result['message'] ?? '') : '';
        $why = $why === '' ? 'it gave no reason' : $why;
        return "WHMCS could not send the template $template for service $service: $why";
    }

    /**
     * WHMCS sends nothing by a template that is disabled, and trying again changes nothing: Turnpike gives the mail up
     * at once, to be tried again from its page, and one line a day says what to do.
     *
     * @param array<string, mixed> $mail
     * @return string the name of its template, where that is disabled
     */
    private static function disabledFor(array $mail): string
    {
        $service = $mail['service_id'] ?? null;
        $template = is_string($mail['template'] ?? null) ? Templates::named($mail['template']) : '';
        if ($template === '' || !is_int($service) || !Effects::isOurs($service) || !Templates::isDisabled($template)) {
            return '';
        }
        self::disabled($template, $service);
        return $template;
    }

    private static function disabled(string $template, int $service): void
    {
        $said = json_decode((string) self::setting('disabled_templates')->value('value'), true);
        $said = is_array($said) ? $said : [];
        if ((int) ($said[$template] ?? 0) > time() - 86400) {
            return;
        }
        Module::note("the e-mail template $template is disabled in WHMCS, so its mails are not sent (now one to"
            . " service $service): enable it under Email Templates, or empty its field in the product's or the addon's"
            . ' settings');
        Capsule::table('tbladdonmodules')->updateOrInsert(
            ['module' => 'turnpike', 'setting' => 'disabled_templates'],
            ['value' => (string) json_encode([$template => time()] + $said)]
        );
    }

    /**
     * @param string $setting where it is kept what trouble there is and when that was said last
     */
    private static function trouble(string $setting, string $what, \Throwable $cause): void
    {
        $error = SidecarError::from($cause);
        if ($error !== $cause) {
            ModuleLog::defect('AfterCronJob', $cause, [], $error->forAdmin());
        }
        $last = explode('|', (string) self::setting($setting)->value('value'), 2);
        if ($last[0] === $error->kind() && (int) ($last[1] ?? 0) > time() - self::QUIET_SECONDS) {
            return;
        }
        Module::note("$what: " . $error->forAdmin());
        Capsule::table('tbladdonmodules')->updateOrInsert(
            ['module' => 'turnpike', 'setting' => $setting],
            ['value' => $error->kind() . '|' . time()]
        );
    }

    private static function recovered(string $setting, string $what): void
    {
        if ((string) self::setting($setting)->value('value') !== '') {
            self::setting($setting)->delete();
            Module::note($what);
        }
    }

    /**
     * @return \Illuminate\Database\Query\Builder
     */
    private static function setting(string $setting)
    {
        return Capsule::table('tbladdonmodules')->where('module', 'turnpike')->where('setting', $setting);
    }
}
