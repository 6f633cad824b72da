<?php

/**
 * The part of WHMCS that modules see, from its public documentation: enough to run ours under real PHP, with the real
 * query builder on SQLite or MariaDB and the real Smarty. It does what WHMCS promises and nothing kinder: form values
 * arrive entity-encoded, the module log scrubs only what it is given, and nothing is escaped in templates.
 */

declare(strict_types=1);

namespace WHMCS\Database {
    require_once 'Illuminate/Database/autoload.php';

    class Capsule extends \Illuminate\Database\Capsule\Manager
    {
    }
}

namespace WHMCS\Module {
    abstract class AbstractWidget
    {
        protected $title;
        protected $description;
        protected $weight = 100;
        protected $columns = 1;
        protected $cache = false;
        protected $cacheExpiry = 60;
        protected $requiredPermission = '';

        abstract public function getData();

        abstract public function generateOutput($data);
    }
}

namespace WHMCS\View\Menu {
    class Item
    {
        /** @var array<string, Item> */
        public $children = [];
        /** @var array<string, mixed> */
        public $options = [];
        /** @var bool */
        public $isCurrent = false;

        public function addChild($name, array $options = [])
        {
            $this->children[$name] = new self();
            $this->children[$name]->options = $options;
            return $this->children[$name];
        }

        public function getChild($name)
        {
            return $this->children[$name] ?? null;
        }

        public function setCurrent($isCurrent)
        {
            $this->isCurrent = $isCurrent;
            return $this;
        }
    }
}

namespace WHMCS\Authentication {
    use Turnpike\Tests\Kernel;

    /** Who is at the client area, as the tests say. */
    class CurrentUser
    {
        public function isMasqueradingAdmin(): bool
        {
            return Kernel::$viewer['masquerades'];
        }

        public function user(): ?object
        {
            return Kernel::$viewer['user'] === 0 ? null : (object) ['id' => Kernel::$viewer['user']];
        }

        public function client(): ?object
        {
            return new class {
                /** @var int */
                public $id = Kernel::CLIENT;

                public function owner(): object
                {
                    return (object) ['id' => Kernel::OWNER];
                }
            };
        }
    }
}

namespace WHMCS\Service {
    class Status
    {
        public const ACTIVE = 'Active';
        public const SUSPENDED = 'Suspended';
    }
}

namespace WHMCS\UsageBilling\Contracts\Metrics {
    interface UnitInterface
    {
    }

    interface UsageInterface
    {
        public function value();
    }

    interface MetricInterface
    {
        public const TYPE_SNAPSHOT = 'snapshot';
        public const TYPE_PERIOD_DAY = 'day';
        public const TYPE_PERIOD_MONTH = 'month';

        public function withUsage(UsageInterface $usage);
    }

    interface ProviderInterface
    {
        public function metrics();

        public function usage();

        public function tenantUsage($tenant);
    }
}

namespace WHMCS\UsageBilling\Metrics\Units {
    class GigaBytes implements \WHMCS\UsageBilling\Contracts\Metrics\UnitInterface
    {
        /** @var string */
        public $label;

        public function __construct($label)
        {
            $this->label = $label;
        }
    }
}

namespace WHMCS\UsageBilling\Metrics {
    use WHMCS\UsageBilling\Contracts\Metrics\MetricInterface;
    use WHMCS\UsageBilling\Contracts\Metrics\UnitInterface;
    use WHMCS\UsageBilling\Contracts\Metrics\UsageInterface;

    class Usage implements UsageInterface
    {
        private $value;

        public function __construct($value)
        {
            $this->value = $value;
        }

        public function value()
        {
            return $this->value;
        }
    }

    class Metric implements MetricInterface
    {
        public $systemName;
        public $displayName;
        public $type;
        public $units;
        public $usage;

        public function __construct(
            $systemName,
            $displayName = null,
            $type = null,
            ?UnitInterface $units = null,
            ?UsageInterface $usage = null
        ) {
            $this->systemName = $systemName;
            $this->displayName = $displayName;
            $this->type = $type;
            $this->units = $units;
            $this->usage = $usage;
        }

        public function withUsage(?UsageInterface $usage = null)
        {
            return new self($this->systemName, $this->displayName, $this->type, $this->units, $usage);
        }
    }
}

namespace {
    use Turnpike\Tests\Kernel;
    use WHMCS\Database\Capsule;

    define('WHMCS', true);

    /** The modules under test: those of the source tree, or of a WHMCS in which the zip was installed. */
    define('TURNPIKE_TEST_MODULES', (string) getenv('TURNPIKE_TEST_ROOT') === ''
        ? __DIR__ . '/../modules' : getenv('TURNPIKE_TEST_ROOT') . '/modules');

    function add_hook(string $point, int $priority, callable $function): void
    {
        Kernel::$hooks[$point][$priority][] = $function;
    }

    /**
     * @param mixed $vars an array, or the menu item for the sidebars
     * @return array<mixed> what each hook returned
     */
    function run_hook(string $point, $vars = []): array
    {
        $results = [];
        $priorities = Kernel::$hooks[$point] ?? [];
        ksort($priorities);
        foreach ($priorities as $functions) {
            foreach ($functions as $function) {
                $results[] = $function($vars);
            }
        }
        return $results;
    }

    function logModuleCall($module, $action, $request, $response, $processed = '', $replaceVars = []): void
    {
        $text = static function ($part) use ($replaceVars): string {
            $part = is_string($part) ? $part : print_r($part, true);
            return str_replace((array) $replaceVars, '********', $part);
        };
        Kernel::$moduleLog[] = [
            'action' => (string) $action,
            'request' => $text($request),
            'response' => $text($response),
            'processed' => $text($processed),
        ];
    }

    function logActivity(string $message, int $clientId = 0): void
    {
        Kernel::$activity[] = $message;
        Kernel::$activityOf[] = $clientId;
    }

    /** WHMCS's own encryption differs; what holds for both: twice is not the same, and only decrypt() undoes it. */
    function encrypt(string $text): string
    {
        $nonce = random_bytes(12);
        $sealed = openssl_encrypt($text, 'aes-256-gcm', Kernel::KEY, OPENSSL_RAW_DATA, $nonce, $tag);
        return base64_encode($nonce . $tag . $sealed);
    }

    function decrypt(string $sealed): string
    {
        $bytes = (string) base64_decode($sealed, true);
        $nonce = substr($bytes, 0, 12);
        $tag = substr($bytes, 12, 16);
        $text = strlen($tag) === 16
            ? openssl_decrypt(substr($bytes, 28), 'aes-256-gcm', Kernel::KEY, OPENSSL_RAW_DATA, $nonce, $tag)
            : '';
        return (string) $text;
    }

    function generate_token(string $type = 'form'): string
    {
        $_SESSION['tkval'] = $_SESSION['tkval'] ?? bin2hex(random_bytes(20));
        $token = $_SESSION['tkval'];
        $forms = ['form' => "<input type=\"hidden\" name=\"token\" value=\"$token\" />", 'link' => "&token=$token"];
        return $forms[$type] ?? $token;
    }

    function check_token(string $namespace = 'WHMCS.default'): bool
    {
        return hash_equals((string) ($_SESSION['tkval'] ?? ''), (string) ($_POST['token'] ?? ''));
    }

    /** @return array<string, mixed> */
    function localAPI(string $command, array $values, string $admin = ''): array
    {
        if ($command === 'CreateInvoice') {
            return Kernel::invoice($values);
        }
        if ($command === 'GetUserPermissions') {
            return Kernel::permissions($values);
        }
        if ($command !== 'SendEmail') {
            return ['result' => 'error', 'message' => "Command $command is not here"];
        }
        $name = $values['messagename'] ?? '';
        $template = Capsule::table('tblemailtemplates')->where('type', 'product')->where('name', $name)->first();
        if ($template === null) {
            return ['result' => 'error', 'message' => 'Email Template not found'];
        }
        if ((int) $template->disabled === 1) {
            // nothing is sent; what is answered is not documented, and this is the worst of it
            return ['result' => 'success'];
        }
        $variables = $values['customvars'] ?? [];
        $variables = is_array($variables)
            ? $variables
            : unserialize((string) base64_decode($variables), ['allowed_classes' => false]);
        $hook = ['messagename' => $name, 'relid' => $values['id'], 'mergefields' => $variables];
        foreach (run_hook('EmailPreSend', $hook) as $more) {
            if (is_array($more) && !empty($more['abortsend'])) {
                return ['result' => 'error', 'message' => 'Sending Failed'];
            }
            $variables = is_array($more) ? $more + $variables : $variables;
        }
        if (Kernel::$mailFails !== null) {
            (Kernel::$mailFails)($values);
            return ['result' => 'error', 'message' => 'Sending Failed'];
        }
        Kernel::$mails[] = ['template' => $name, 'service_id' => $values['id'], 'variables' => $variables];
        return ['result' => 'success'];
    }
}

namespace Turnpike\Tests {
    use WHMCS\Database\Capsule;

    /**
     * One WHMCS at a time, in static fields, as WHMCS itself is one.
     */
    final class Kernel
    {
        public const KEY = 'the kernel of the tests, 32 bytes';
        public const MODULES = \TURNPIKE_TEST_MODULES;

        /** The client account of the tests, and the user who owns it. */
        public const CLIENT = 7;
        public const OWNER = 70;

        /** @var array<string, array<int, callable[]>> */
        public static $hooks = [];
        /** @var array<int, array<string, string>> */
        public static $moduleLog = [];
        /** @var string[] */
        public static $activity = [];
        /** @var int[] the client that each of these is filed under */
        public static $activityOf = [];
        /** @var array<int, array<string, mixed>> */
        public static $mails = [];
        /** @var callable|null runs in the middle of SendEmail, which then fails */
        public static $mailFails;
        /** @var callable|null runs in the middle of CreateInvoice; false from it makes that fail */
        public static $invoicing;
        /** @var string[] notices, warnings and deprecations inside modules/ */
        public static $notices = [];
        /** @var string[] WHMCS's Module Queue: failed commands */
        public static $queue = [];
        /** @var bool whether form values arrive entity-encoded, as they do in most versions */
        public static $encodes = true;

        /**
         * Who is at the client area (0: nobody), and what GetUserPermissions answers of one who is not the owner.
         *
         * @var array{user: int, masquerades: bool, answer: array<string, mixed>}
         */
        public static $viewer = [];

        /** @var bool whether this process has made the tables of the kernel in the database server */
        private static $isMade = false;

        /**
         * A fresh WHMCS: empty tables, no hooks, nobody logged in.
         *
         * @param string $file where SQLite keeps the tables; those of an earlier boot are found there as they were left
         */
        public static function boot(string $file = ':memory:'): void
        {
            self::$hooks = self::$moduleLog = self::$activity = self::$mails = self::$notices = self::$queue = [];
            self::$activityOf = [];
            self::$viewer = ['user' => self::OWNER, 'masquerades' => false, 'answer' => []];
            self::$mailFails = self::$invoicing = null;
            self::$encodes = true;
            $_SESSION = $_POST = $_GET = [];
            $_SERVER['REQUEST_METHOD'] = 'GET';
            $GLOBALS['CONFIG'] = ['Language' => 'english', 'Version' => '8.13.1-release.1'];
            self::database((string) getenv('TURNPIKE_TEST_MYSQL'), $file);
            spl_autoload_register([self::class, 'load']);
            require_once self::MODULES . '/servers/turnpike/turnpike.php';
            require_once self::MODULES . '/addons/turnpike/turnpike.php';
            self::strict();
        }

        /** WHMCS's documented autoloader for module classes. */
        public static function load(string $class): void
        {
            if (preg_match('/^WHMCS\\\\Module\\\\(Server|Addon)\\\\Turnpike\\\\([A-Za-z]+)$/', $class, $match) === 1) {
                $file = self::MODULES . '/' . strtolower($match[1]) . "s/turnpike/lib/$match[2].php";
                if (is_file($file)) {
                    require_once $file;
                }
            }
        }

        /** Any notice inside the modules is a defect: it becomes an exception, and is remembered if that is caught. */
        private static function strict(): void
        {
            set_error_handler(static function (int $level, string $text, string $file, int $line): bool {
                if (strpos((string) realpath($file), (string) realpath(self::MODULES)) !== 0) {
                    return true;
                }
                if ((error_reporting() & $level) === 0) {
                    return false;
                }
                self::$notices[] = "$text in $file:$line";
                throw new \ErrorException($text, 0, $level, $file, $line);
            });
        }

        private static function database(string $url, string $file): void
        {
            $capsule = new Capsule();
            $parts = $url === '' ? [] : parse_url($url);
            $isKept = $url === '' && $file !== ':memory:' && is_file($file);
            $url !== '' || $isKept || $file === ':memory:' || touch($file);
            $capsule->addConnection($url === '' ? ['driver' => 'sqlite', 'database' => $file] : [
                'driver' => 'mysql',
                'host' => $parts['host'],
                'port' => $parts['port'] ?? 3306,
                'database' => ltrim($parts['path'], '/'),
                'username' => rawurldecode($parts['user'] ?? ''),
                'password' => rawurldecode($parts['pass'] ?? ''),
                'charset' => 'utf8mb4',
                'collation' => 'utf8mb4_unicode_ci',
            ]);
            $capsule->setAsGlobal();
            if ($isKept) {
                return;
            }
            $options = implode(' ', array_map(static function (int $number): string {
                return "configoption$number";
            }, range(1, 24)));
            $tables = [
                'tblhosting' => 'userid server packageid:int; domain username dedicatedip domainstatus billingcycle'
                    . ' suspendreason lastupdate nextduedate:string; password notes:text; diskusage disklimit bwusage'
                    . ' bwlimit:int',
                'tblproducts' => "servergroup tax welcomeemail:int; name type servertype:string; $options:text",
                'tblservers' => 'disabled port:int; name type hostname ipaddress username secure:string; password'
                    . ' accesshash assignedips:text',
                'tbladdonmodules' => 'module setting:string; value:text',
                'tblconfiguration' => 'setting:string; value:text',
                'tblemailtemplates' => 'type name subject language:string; message:text; custom disabled:int',
                'tbladmins' => 'firstname lastname username:string; roleid:int',
                'tbladminroles' => 'name:string',
                'tblclients' => 'currency:int; firstname lastname email language:string',
                'tblcurrencies' => 'default:int; code prefix suffix rate:string',
                'tblinvoices' => 'userid:int; status date duedate paymentmethod:string',
                'tblinvoiceitems' => 'invoiceid userid relid taxed:int; type amount:string; description:text',
            ];
            Capsule::schema()->dropIfExists('mod_turnpike_mails');
            Capsule::schema()->dropIfExists('mod_turnpike_facts');
            Capsule::schema()->dropIfExists('mod_turnpike_resets');
            Capsule::schema()->dropIfExists('mod_turnpike_renewals');
            foreach ($tables as $name => $columns) {
                // making a table takes a server long; what an earlier version of this file left there is made anew
                if (self::$isMade && $url !== '' && Capsule::schema()->hasTable($name)) {
                    Capsule::table($name)->delete();
                    continue;
                }
                Capsule::schema()->dropIfExists($name);
                Capsule::schema()->create($name, static function ($table) use ($columns): void {
                    $table->increments('id');
                    foreach (explode(';', $columns) as $group) {
                        [$names, $type] = explode(':', trim($group));
                        foreach (explode(' ', $names) as $column) {
                            $made = $type === 'string' ? $table->string($column)->default('')
                                : ($type === 'int' ? $table->integer($column)->default(0) : $table->text($column));
                            $type === 'text' ? $made->nullable() : null;
                        }
                    }
                });
            }
            self::$isMade = true;
            Capsule::table('tblconfiguration')->insert(['setting' => 'Version', 'value' => '8.13.1-release.1']);
        }

        /**
         * `CreateInvoice`, as documented: one invoice, numbered items.
         *
         * @param array<string, mixed> $values
         * @return array<string, mixed>
         */
        public static function invoice(array $values): array
        {
            if (!Capsule::table('tblclients')->where('id', $values['userid'] ?? 0)->exists()) {
                return ['result' => 'error', 'message' => 'Client ID Not Found'];
            }
            if (self::$invoicing !== null && (self::$invoicing)($values) === false) {
                return ['result' => 'error', 'message' => 'Invalid Payment Method'];
            }
            $id = Capsule::table('tblinvoices')->insertGetId(['userid' => $values['userid'],
                'status' => $values['status'], 'date' => $values['date'], 'duedate' => $values['duedate']]);
            for ($n = 1; isset($values["itemdescription$n"]); $n++) {
                Capsule::table('tblinvoiceitems')->insert([
                    'invoiceid' => $id, 'userid' => $values['userid'], 'taxed' => (int) $values["itemtaxed$n"],
                    'amount' => $values["itemamount$n"], 'description' => self::typed($values["itemdescription$n"]),
                ]);
            }
            return ['result' => 'success', 'invoiceid' => $id, 'status' => $values['status']];
        }

        /** A payment has arrived: the invoice is Paid, then the hook runs. */
        public static function pay(int $invoiceId): void
        {
            Capsule::table('tblinvoices')->where('id', $invoiceId)->update(['status' => 'Paid']);
            run_hook('InvoicePaid', ['invoiceid' => $invoiceId]);
        }

        /** A value as a form would have stored it. */
        public static function typed(string $value): string
        {
            return self::$encodes ? htmlentities($value, ENT_QUOTES, 'UTF-8') : $value;
        }

        /**
         * `$params` for a service, as documented: every value a string from the database.
         *
         * @param array<string, string> $settings configoption by Turnpike's name; what is not given is the product's
         * @param array<string, mixed> $more
         * @return array<string, mixed>
         */
        public static function params(int $serviceId, array $settings = [], array $more = []): array
        {
            $service = Capsule::table('tblhosting')->where('id', $serviceId)->first();
            $client = Capsule::table('tblclients')->where('id', $service->userid)->first();
            $product = Capsule::table('tblproducts')->where('id', $service->packageid)->first();
            $params = self::serverParams((int) $service->server) + [
                'whmcsVersion' => '8.13.1-release.1',
                'accountid' => $serviceId,
                'serviceid' => $serviceId,
                'addonId' => 0,
                'userid' => (int) $service->userid,
                'domain' => $service->domain,
                'username' => self::typed($service->username),
                'password' => $service->password === '' ? '' : self::typed(decrypt($service->password)),
                'packageid' => (int) $service->packageid,
                'pid' => (int) $service->packageid,
                'status' => $service->domainstatus,
                'type' => 'other',
                'producttype' => 'other',
                'moduletype' => 'turnpike',
                'customfields' => [],
                'configoptions' => [],
                'model' => new \stdClass(),
                'clientsdetails' => [
                    'id' => (int) $client->id,
                    'firstname' => self::typed($client->firstname),
                    'lastname' => self::typed($client->lastname),
                    'email' => $client->email,
                    'language' => $client->language,
                ],
            ];
            foreach (\WHMCS\Module\Server\Turnpike\Settings::NAMES as $index => $name) {
                $option = 'configoption' . ($index + 1);
                $params[$option] = self::typed($settings[$name] ?? $product->$option ?? '');
            }
            return $more + $params;
        }

        /** @return array<string, mixed> */
        public static function serverParams(int $serverId): array
        {
            $server = Capsule::table('tblservers')->where('id', $serverId)->first();
            return [
                'server' => true,
                'serverid' => $serverId,
                'serverip' => $server->ipaddress,
                'serverhostname' => $server->hostname,
                'serverusername' => self::typed($server->username),
                'serverpassword' => self::typed(decrypt($server->password)),
                'serveraccesshash' => $server->accesshash,
                'serversecure' => $server->secure === 'on',
                'serverhttpprefix' => $server->secure === 'on' ? 'https' : 'http',
                'serverport' => $server->port === 0 ? '' : (string) $server->port,
            ];
        }

        /**
         * `GetUserPermissions`, of which only `result` and the errors are documented.
         *
         * @param array<string, mixed> $values
         * @return array<string, mixed>
         */
        public static function permissions(array $values): array
        {
            if (($values['client_id'] ?? 0) !== self::CLIENT || ($values['user_id'] ?? 0) !== self::$viewer['user']) {
                return ['result' => 'error', 'message' => 'User is not associated with client'];
            }
            return self::$viewer['answer'] + ['result' => 'success'];
        }

        /** The addon is deactivated: its function, then WHMCS deletes all of its settings. */
        public static function deactivate(): array
        {
            $said = turnpike_deactivate();
            Capsule::table('tbladdonmodules')->where('module', 'turnpike')->delete();
            return $said;
        }

        /**
         * A module command as WHMCS runs it: Pre hook, function, then status and After hook, or queue and Failed hook.
         *
         * @param array<string, string> $settings
         * @param array<string, mixed> $more
         * @return mixed what the function returned
         */
        public static function command(string $name, int $serviceId, array $settings = [], array $more = [])
        {
            $params = self::params($serviceId, $settings, $more);
            $point = str_replace('Account', '', $name);
            foreach (run_hook("PreModule$point", ['params' => $params]) as $returned) {
                if (is_array($returned) && !empty($returned['abortcmd'])) {
                    return 'Function Aborted by Action Hook Code';
                }
                $params = is_array($returned) ? $returned + $params : $params;
            }
            $result = ('turnpike_' . $name)($params);
            if ($result !== 'success') {
                self::$queue[] = "$name $serviceId: $result";
                run_hook("AfterModule{$point}Failed", ['params' => $params, 'failureResponseMessage' => $result]);
                return $result;
            }
            self::succeeded($name, $serviceId, $params);
            return $result;
        }

        /**
         * @param array<string, mixed> $params
         */
        private static function succeeded(string $name, int $serviceId, array $params): void
        {
            $service = Capsule::table('tblhosting')->where('id', $serviceId);
            $states = ['CreateAccount' => 'Active', 'UnsuspendAccount' => 'Active', 'SuspendAccount' => 'Suspended',
                'TerminateAccount' => 'Terminated'];
            if (isset($states[$name])) {
                $service->update(['domainstatus' => $states[$name]]);
            }
            if ($name === 'ChangePassword') {
                $old = (string) $service->value('password');
                $new = html_entity_decode((string) $params['password'], ENT_QUOTES, 'UTF-8');
                $service->update(['password' => encrypt($new)]);
                run_hook('AfterModuleChangePassword', ['serviceid' => $serviceId, 'oldpassword' => decrypt($old),
                    'newpassword' => $new]);
                return;
            }
            run_hook('AfterModule' . str_replace('Account', '', $name), ['params' => $params]);
            $product = Capsule::table('tblproducts')->where('id', $service->value('packageid'))->first();
            $welcome = Capsule::table('tblemailtemplates')->where('id', $product->welcomeemail ?? 0)->value('name');
            if ($name === 'CreateAccount' && $welcome !== null) {
                localAPI('SendEmail', ['messagename' => $welcome, 'id' => $serviceId]);
            }
        }

        /**
         * Smarty as WHMCS sets it up for pages: nothing escaped by itself, `{lang key=…}`, the path of the root.
         *
         * @return \Smarty
         */
        public static function smarty(int $major, string $folder)
        {
            require_once "smarty$major/Smarty.class.php";
            $smarty = new \Smarty();
            $smarty->setCompileDir($folder);
            $smarty->assign('WEB_ROOT', '/billing');
            $smarty->registerPlugin('function', 'lang', static function (array $arguments): string {
                return (string) ($arguments['key'] ?? '');
            });
            return $smarty;
        }
    }
}
