<?php

declare(strict_types=1);

namespace Turnpike\Tests;

use WHMCS\Database\Capsule;
use WHMCS\Module\Server\Turnpike\Facts;
use WHMCS\View\Menu\Item;

/**
 * What the addon puts on WHMCS's own pages: the sidebar of a service and the widget on the admin's home page.
 */
final class PagesTest extends BridgeTestCase
{
    protected function setUp(): void
    {
        parent::setUp();
        require Kernel::MODULES . '/addons/turnpike/hooks.php';
        turnpike_activate();
    }

    public function testTheSidebarOfAServiceOfOursHasBothPages(): void
    {
        $_SESSION['uid'] = 7;
        foreach (['' => 0, 'statistics' => 1, 'else' => 0] as $view => $current) {
            $_GET = ['action' => 'productdetails', 'id' => '41', 'customAction' => $view];
            $items = array_values($this->sidebar()->getChild('Turnpike')->children);
            self::assertSame(['Information', 'Traffic statistics'], [$items[0]->options['label'],
                $items[1]->options['label']]);
            $address = 'clientarea.php?action=productdetails&id=41';
            self::assertSame($address, $items[0]->options['uri']);
            self::assertSame("$address&customAction=statistics", $items[1]->options['uri']);
            self::assertSame([$current === 0, $current === 1], [$items[0]->isCurrent, $items[1]->isCurrent]);
        }
        $_SESSION['Language'] = 'polish';
        self::assertSame(
            'Statystyki transferu',
            $this->sidebar()->getChild('Turnpike')->getChild('Turnpike Statistics')->options['label']
        );
        self::assertSame([], Limits::$set, 'without the network');
    }

    /**
     * @dataProvider otherPages
     * @param array<string, mixed> $get
     */
    public function testNoOtherPageHasThem(array $get, int $customer = 7, string $status = 'Active', int $pid = 2): void
    {
        $_SESSION['uid'] = $customer;
        $_GET = $get;
        Capsule::table('tblhosting')->where('id', 41)->update(['domainstatus' => $status, 'packageid' => $pid]);
        self::assertSame([], $this->sidebar()->children);
    }

    /**
     * @return array<string, array<int, mixed>>
     */
    public function otherPages(): array
    {
        $page = ['action' => 'productdetails', 'id' => '41'];
        return [
            'the list of services' => [['action' => 'services']],
            'no page at all' => [[]],
            'no number' => [['id' => '41 or 1=1'] + $page],
            'a list for a number' => [['id' => ['41']] + $page],
            'a number that is too long' => [['id' => str_repeat('9', 40)] + $page],
            'no such service' => [['id' => '999'] + $page],
            'somebody else\'s service' => [$page, 8],
            'a service that is not active' => [$page, 7, 'Suspended'],
            'another module\'s service' => [$page, 7, 'Active', 9],
        ];
    }

    public function testASidebarThatIsNoneIsLeftAlone(): void
    {
        $_GET = ['action' => 'productdetails', 'id' => '41'];
        foreach ([[], null, new \stdClass()] as $sidebar) {
            self::assertSame([null], run_hook('ClientAreaPrimarySidebar', $sidebar));
        }
        Capsule::schema()->drop('tblproducts');
        self::assertSame([null], run_hook('ClientAreaPrimarySidebar', new Item()), 'a database in trouble too');
    }

    public function testTheWidgetCountsWhatIsStoredAndAsksNobody(): void
    {
        foreach ([42, 43] as $id) {
            $this->service($id, 'Active');
        }
        $this->service(44, 'Terminated');
        $month = ['month' => ['download_bytes' => 1073741824, 'upload_bytes' => 536870912],
            'last_reading_at' => gmdate('Y-m-d\TH:i:s\Z')];
        $before = time();
        Facts::learn([
            41 => ['enabled' => true, 'balance_bytes' => 5] + $month,
            42 => ['enabled' => false, 'balance_bytes' => 0] + $month,
            43 => ['enabled' => true, 'last_reading_at' => '2020-01-31T00:00:00Z'] + $month,
            44 => ['enabled' => false, 'balance_bytes' => -1] + $month,
        ]);
        $after = time();
        $widget = run_hook('AdminHomeWidgets')[0];
        self::assertInstanceOf(\WHMCS\Module\AbstractWidget::class, $widget);
        $data = $widget->getData();
        self::assertSame([3, 1, 1], [$data['active'], $data['blocked'], $data['used_up']]);
        $html = $widget->generateOutput($data);
        self::assertStringContainsString('<th scope="row">Traffic this month</th><td>3 GB</td>', $html);
        self::assertGreaterThanOrEqual($before, $data['heard']);
        self::assertLessThanOrEqual($after, $data['heard']);
        self::assertStringContainsString(gmdate('Y-m-d H:i', $data['heard']), $html);
        self::assertStringNotContainsString('alert', $html);
        self::assertSame([], Limits::$set);
        self::assertSame($data, json_decode((string) json_encode($data), true), 'WHMCS can cache it');
    }

    public function testTheWidgetSaysWhenTurnpikeIsAway(): void
    {
        $this->pairWithNobody();
        run_hook('AfterCronJob');
        $widget = run_hook('AdminHomeWidgets')[0];
        $html = $widget->generateOutput($widget->getData());
        self::assertStringContainsString('does not answer as it should (unreachable)', $html);
        self::assertStringContainsString('<td>never</td>', $html);
    }

    private function sidebar(): Item
    {
        $sidebar = new Item();
        run_hook('ClientAreaPrimarySidebar', $sidebar);
        return $sidebar;
    }
}
