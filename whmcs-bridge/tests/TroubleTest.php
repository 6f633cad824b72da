<?php

declare(strict_types=1);

namespace Turnpike\Tests;

use WHMCS\Database\Capsule;
use WHMCS\Module\Server\Turnpike\Breaker;
use WHMCS\Module\Server\Turnpike\ClientActions;
use WHMCS\Module\Server\Turnpike\Pairing;
use WHMCS\Module\Server\Turnpike\Sidecar;
use WHMCS\Module\Server\Turnpike\SidecarError;

/**
 * Every function against a Turnpike that is down, silent, strange or not the right one.
 */
final class TroubleTest extends BridgeTestCase
{
    private const COMMANDS = ['CreateAccount', 'SuspendAccount', 'UnsuspendAccount', 'TerminateAccount', 'Renew',
        'ChangePackage', 'ChangePassword', 'ResetConnection'];

    /** What a customer reads names no cause. */
    private const FOR_CUSTOMERS = ['ChangePassword', 'new_password', 'disconnect'];

    private const SETTINGS = ['l2tp_psk' => self::PSK, 'support_l2tp' => 'on'];

    /**
     * @dataProvider manners
     */
    public function testAMisbehavingTurnpikeIsToldApartAndNothingLeaks(string $manner, string $kind, string $says): void
    {
        $this->peer($manner)->answer('create', ['service' => ['username' => 'evil', 'password' => 'evil',
            'dedicated_address' => '10.9.9.9']]);
        $before = $this->row(41);
        $sentences = $this->callEverything();
        foreach ($sentences as $name => $sentence) {
            $form = '/^[^<>\n]+ \[' . $kind . ' (whmcs-[0-9a-f]{8}|ref-4711)\]$/u';
            self::assertMatchesRegularExpression($form, $sentence);
            if (!in_array($name, self::FOR_CUSTOMERS, true)) {
                self::assertStringContainsString($says, $sentence, $name);
            }
        }
        self::assertEquals($before, $this->row(41), 'nothing was written');
        self::assertSame([], Kernel::$mails);
        $this->assertNoSecretsIn($this->logs() . implode($sentences));
        self::assertStringNotContainsString('nobody may believe', implode(Kernel::$activity) . implode($sentences));
    }

    /**
     * @return array<string, array{string, string, string}>
     */
    public function manners(): array
    {
        return [
            'an answer without a signature' => ['unsigned', 'answer-unsigned', 'without Turnpike\'s signature'],
            'signed with another secret' => ['other-secret', 'answer-not-genuine', 'does not hold'],
            'signed for another request' => ['other-request', 'answer-not-genuine', 'does not hold'],
            'a body changed on the way' => ['changed-body', 'answer-not-genuine', 'the body is not'],
            'the secret here is wrong' => ['wrong-secret', 'signature-wrong', 'turnpike pair'],
            'the clocks differ' => ['clock', 'clock-skew', 'differ by 340 s'],
            'a defect in Turnpike' => ['internal', 'internal', 'because of a defect'],
            'a signed body that is no JSON' => ['no-json', 'answer-strange', 'HTTP 200'],
            'a web server\'s error page' => ['error-page', 'answer-unsigned', 'HTTP 500'],
            'a web server\'s front page' => ['front-page', 'answer-unsigned', 'HTTP 200'],
            'a redirect' => ['redirect', 'answer-unsigned', 'HTTP 302'],
            'an endless answer' => ['huge', 'answer-too-large', ' MiB;'],
        ];
    }

    public function testARedirectIsNotFollowed(): void
    {
        $peer = $this->peer('redirect');
        Kernel::command('Renew', 41);
        self::assertCount(1, $peer->requests());
    }

    public function testNobodyListeningIsSaidWithTheAddress(): void
    {
        $this->pairWithNobody();
        foreach ($this->callEverything() as $name => $sentence) {
            self::assertMatchesRegularExpression('/ \[unreachable whmcs-[0-9a-f]{8}\]$/', $sentence);
            if (!in_array($name, self::FOR_CUSTOMERS, true)) {
                self::assertMatchesRegularExpression('~http://127\.0\.0\.1:\d+~', $sentence);
            }
        }
        $this->assertNoSecretsIn($this->logs());
    }

    public function testTheUsageOfManyServicesIsReadWholeAndLoggedInShort(): void
    {
        $services = array_map(static function (int $id): array {
            return ['service_id' => $id, 'username' => "7-$id", 'day' => str_repeat('x', 150), 'balance_bytes' => $id];
        }, range(1, 60000));
        $this->peer()->answer('usage-update', ['services' => $services, 'skipped' => []]);
        $answer = (new Sidecar(Pairing::stored()))->hook('usage-update', [], Sidecar::USAGE_MS);
        self::assertCount(60000, $answer->part('services'));
        $logged = Kernel::$moduleLog[count(Kernel::$moduleLog) - 1]['response'];
        self::assertStringContainsString('"and": "59950 more"', $logged);
        self::assertLessThan(30000, strlen($logged));
    }

    public function testListsMayBeLongerThanOtherAnswersAndNothingIsEndless(): void
    {
        $this->peer('huge');
        $limits = ['renew' => 8, 'usage-update' => 64, 'cron' => 64, 'list-accounts' => 64, 'metrics' => 64,
            '/v1/netflow' => 64, '/v1/netflow/41/client' => 8, '/v1/admin/netflow' => 8];
        foreach ($limits as $hook => $most) {
            try {
                $sidecar = new Sidecar(Pairing::stored());
                $hook[0] === '/' ? $sidecar->read($hook, Sidecar::USAGE_MS)
                    : $sidecar->hook($hook, [], Sidecar::USAGE_MS);
                self::fail("$hook ended");
            } catch (SidecarError $error) {
                self::assertSame('answer-too-large', $error->kind());
                self::assertStringContainsString("more than $most MiB", $error->forAdmin());
            }
        }
    }

    public function testSilenceEndsAtTheLimitOfEachFunction(): void
    {
        $silence = $this->pairWithSilence();
        Limits::$shorten = 50;
        $start = microtime(true);
        foreach ($this->callEverything() as $sentence) {
            self::assertMatchesRegularExpression('/ \[timeout whmcs-[0-9a-f]{8}\]$/', $sentence);
        }
        Breaker::close();
        $page = turnpike_ClientArea(Kernel::params(41, self::SETTINGS));
        self::assertNotSame('', $page['templateVariables']['turnpike']['unavailable']);
        Breaker::close();
        turnpike_AdminServicesTabFields(Kernel::params(41, self::SETTINGS));
        $allowed = array_sum(array_map([Limits::class, 'shortened'], array_column(Limits::$set, 1))) / 1000;
        self::assertLessThan($allowed + 10, microtime(true) - $start, 'no call outlives its limit');
        self::assertSame([8000, 25000, 30000, 3000], array_values(array_unique(array_column(Limits::$set, 1))));
        fclose($silence);
    }

    public function testAPageWaitsNoLongerThanItsThreeSecondsForSilence(): void
    {
        $silence = $this->pairWithSilence();
        $start = microtime(true);
        $page = turnpike_ClientArea(Kernel::params(41, self::SETTINGS));
        self::assertLessThan(6, microtime(true) - $start);
        self::assertSame('templates/overview.tpl', $page['tabOverviewModuleOutputTemplate']);
        fclose($silence);
    }

    public function testAnAnswerThatTricklesIsCutOff(): void
    {
        $this->peer('slow');
        Limits::$shorten = 50;
        self::assertMatchesRegularExpression('/ \[timeout /', Kernel::command('Renew', 41));
    }

    public function testARefusalIsGivenToStaffInTurnpikesWordsWithItsReference(): void
    {
        $detail = 'The secret 7-41 on core-1 is not ours; rename or remove it.';
        $this->peer()->refuse('create', 409, 'name-taken', $detail);
        self::assertSame(
            'The secret 7-41 on core-1 is not ours; rename or remove it. [name-taken ref-4711]',
            Kernel::command('CreateAccount', 41)
        );
        self::assertCount(1, Kernel::$queue);
    }

    public function testARoutersOwnWordsCarryNoMarkupAndNoSecretIntoTheLog(): void
    {
        $this->peer('echo');
        $sentence = Kernel::command('CreateAccount', 41, self::SETTINGS);
        self::assertStringContainsString("bad \u{2039}b\u{203a}password", $sentence);
        self::assertStringContainsString('router-refused', print_r(Kernel::$moduleLog, true));
        $this->assertNoSecretsIn(print_r(Kernel::$moduleLog, true));
    }

    public function testACustomerWhosePasswordWasNotChangedIsToldNoMoreThanThat(): void
    {
        $peer = $this->peer();
        $peer->refuse('change-password', 503, 'router-unreachable', 'core-1 (10.0.0.1) does not answer; look at it.');
        self::assertSame(
            'The password could not be changed right now and nothing was altered; please try again later.'
            . ' [router-unreachable ref-4711]',
            Kernel::command('ChangePassword', 41)
        );
        self::assertStringContainsString('10.0.0.1', implode(Kernel::$activity), 'staff read it in the Activity Log');
        $peer->refuse('change-password', 422, 'setting-invalid', 'service.password holds a NUL', [
            'customer_detail' => 'This password cannot be used; please choose another one.',
        ]);
        self::assertSame(
            'This password cannot be used; please choose another one. [setting-invalid ref-4711]',
            Kernel::command('ChangePassword', 41)
        );
        $this->pairWithNobody();
        self::assertStringNotContainsString('127.0.0.1', Kernel::command('ChangePassword', 41));
    }

    public function testACustomerIsNotToldThatNothingWasAlteredWhenNobodyKnows(): void
    {
        $this->peer('slow');
        Limits::$shorten = 100;
        $said = Kernel::command('ChangePassword', 41, [], ['password' => 'neu']);
        self::assertStringStartsWith('It is not certain whether the password was changed.', $said);
        self::assertStringContainsString('[timeout ', $said);
        self::assertStringContainsString('not certain whether the password of service 41', implode(Kernel::$activity));
        self::assertSame(self::SERVICE_PASSWORD, decrypt($this->row(41)->password), 'WHMCS keeps the old one');
        Limits::$shorten = 1;
        foreach (['internal', 'unsigned', 'other-secret', 'no-json'] as $manner) {
            $this->peer($manner);
            $said = Kernel::command('ChangePassword', 41);
            self::assertStringStartsWith('It is not certain whether the password was changed.', $said, $manner);
        }
        // the answer to its commit may have been lost
        $this->peer()->refuse('change-password', 503, 'database-unavailable', 'The database does not answer.');
        $said = Kernel::command('ChangePassword', 41);
        self::assertStringStartsWith('It is not certain whether the password was changed.', $said);
        $this->pairWithNobody();
        self::assertStringContainsString('nothing was altered', Kernel::command('ChangePassword', 41), 'never sent');
    }

    public function testASecretThatIsSoldAsAnOptionIsNotInTheLogAndOtherOptionsAre(): void
    {
        $options = ['l2tp_psk|Key' => Kernel::typed(self::PSK), 'traffic_gb' => '200'];
        $this->peer('echo');
        Kernel::command('Renew', 41, [], ['configoptions' => $options]);
        $log = print_r(Kernel::$moduleLog, true);
        self::assertStringContainsString('"traffic_gb": "200"', $log);
        self::assertStringContainsString('"hook": {}', $log);
        self::assertStringContainsString('the router said', $log);
        $this->assertNoSecretsIn($log);
        $this->peer()->answer('suspend', ['account' => []]);
        Kernel::command('SuspendAccount', 41, [], ['suspendreason' => 'Overdue']);
        self::assertStringContainsString('"reason": "Overdue"', (string) end(Kernel::$moduleLog)['request']);
        self::assertStringContainsString('"options": {}', (string) end(Kernel::$moduleLog)['request']);
    }

    /**
     * @runInSeparateProcess
     * @preserveGlobalState disabled
     */
    public function testStaffWhoChangeAPasswordAreToldTheCause(): void
    {
        define('ADMINAREA', true);
        $this->peer()->refuse('change-password', 503, 'router-unreachable', 'core-1 does not answer; look at it.');
        self::assertSame(
            'core-1 does not answer; look at it. [router-unreachable ref-4711]',
            Kernel::command('ChangePassword', 41)
        );
    }

    public function testAnUnpairedWhmcsSaysWhatToDoEverywhere(): void
    {
        foreach ($this->callEverything() as $name => $sentence) {
            self::assertMatchesRegularExpression('/ \[not-paired whmcs-[0-9a-f]{8}\]$/', $sentence);
            $isForStaff = !in_array($name, self::FOR_CUSTOMERS, true);
            self::assertSame($isForStaff, strpos($sentence, 'turnpike pair') !== false, $name);
        }
        self::assertSame([], Limits::$set, 'and nothing is called');
    }

    public function testADefectOfTheBridgeIsOneSentenceWithoutAnybodysValues(): void
    {
        $this->peer();
        $params = Kernel::params(41, self::SETTINGS);
        Capsule::schema()->drop('tblservers');
        foreach (self::COMMANDS as $command) {
            $sentence = ('turnpike_' . $command)($params);
            self::assertMatchesRegularExpression('/^[^<>\n]+ \[bridge-failed whmcs-[0-9a-f]{8}\]$/', $sentence);
        }
        self::assertStringContainsString('tblservers', $this->logs(), 'the module log names the cause');
        $this->assertNoSecretsIn($this->logs());
    }

    public function testADefectWhoseMessageHoldsPasswordsDoesNotBringThemIntoTheLog(): void
    {
        $this->peer();
        $params = Kernel::params(41, self::SETTINGS);
        $words = implode(' / ', [self::SERVER_PASSWORD, self::SERVICE_PASSWORD, self::PSK,
            htmlentities(self::SERVICE_PASSWORD, ENT_QUOTES)]);
        Capsule::connection()->beforeExecuting(static function () use ($words): void {
            throw new \RuntimeException("bad value: $words");
        });
        self::assertMatchesRegularExpression('/ \[bridge-failed \S+\]$/', turnpike_CreateAccount($params));
        self::assertStringContainsString('bad value: ********', $this->logs());
        $this->assertNoSecretsIn($this->logs());
    }

    public function testAPasswordThatIsNoTextIsNotSentChanged(): void
    {
        $peer = $this->peer();
        $sentence = turnpike_ChangePackage(['password' => "abc\xff"] + Kernel::params(41));
        self::assertStringContainsString('not valid UTF-8', $sentence);
        self::assertSame([], $peer->requests());
    }

    /**
     * Each function that returns a sentence, and what it returned; also checks the kinds of the others.
     *
     * @return array<string, string>
     */
    private function callEverything(): array
    {
        $said = [];
        $test = turnpike_TestConnection(Kernel::serverParams(3));
        self::assertSame(['success', 'error'], array_keys($test));
        self::assertFalse($test['success']);
        $said['TestConnection'] = $test['error'];
        foreach (['LoadPlans', 'LoadProfiles'] as $loader) {
            try {
                ('turnpike_' . $loader)(['serverip' => '192.0.2.' . random_int(1, 250)] + Kernel::serverParams(3));
                self::fail("$loader must throw");
            } catch (\Exception $told) {
                $said[$loader] = $told->getMessage();
            }
        }
        foreach (self::COMMANDS as $command) {
            $said[$command] = ('turnpike_' . $command)(Kernel::params(41, self::SETTINGS));
        }
        foreach (['new_password', 'disconnect'] as $action) {
            $_SERVER['REQUEST_METHOD'] = 'POST';
            $_POST = ['turnpike_action' => $action, 'turnpike_once' => ClientActions::key(41),
                'token' => generate_token('plain')];
            $page = turnpike_ClientArea(Kernel::params(41, self::SETTINGS));
            $_SERVER['REQUEST_METHOD'] = 'GET';
            self::assertSame('templates/overview.tpl', $page['tabOverviewModuleOutputTemplate']);
            $said[$action] = $page['templateVariables']['turnpike']['said']['says'];
        }
        foreach (['CollectNow', 'Reapply', 'Block', 'Unblock'] as $button) {
            $said[$button] = ('turnpike_' . $button)(Kernel::params(41, self::SETTINGS));
        }
        $row = turnpike_AdminServicesTabFields(Kernel::params(41, self::SETTINGS));
        self::assertSame(['Turnpike'], array_keys($row));
        $said['AdminServicesTabFields'] = html_entity_decode(strip_tags($row['Turnpike']), ENT_QUOTES);
        $listed = turnpike_ListAccounts(Kernel::serverParams(3));
        self::assertFalse($listed['success']);
        $said['ListAccounts'] = $listed['error'];
        self::assertSame([], turnpike_MetricProvider(Kernel::serverParams(3))->usage());
        self::assertStringContainsString('usage metrics were not read', (string) end(Kernel::$activity));
        $said['MetricProvider'] = (string) preg_replace('/^.*not read: /', '', (string) end(Kernel::$activity));
        $said['UsageUpdate'] = turnpike_UsageUpdate(Kernel::serverParams(3));
        self::assertStringContainsString($said['UsageUpdate'], implode("\n", Kernel::$activity));
        self::assertCount(24, turnpike_ConfigOptions());
        return $said;
    }
}
