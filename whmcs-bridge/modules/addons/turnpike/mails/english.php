<?php

/**
 * The e-mail templates in English, as they are put into WHMCS on activation. Change them there, not here.
 */

declare(strict_types=1);

if (!defined('WHMCS')) {
    die('This file cannot be accessed directly');
}

$netflow = <<<'HTML'
{if $netflow_enabled}
<p><strong>Network usage</strong><br>
{if $netflow_url}Address: <a href="{$netflow_url}">{$netflow_url}</a><br>{/if}
{if $netflow_username}Username: {$netflow_username|escape}<br>{/if}
{if $netflow_password}Password: {$netflow_password|escape}<br>{/if}
{if $netflow_group}Group: {$netflow_group|escape}<br>{/if}
{if $netflow_ip_address}IP address: {$netflow_ip_address|escape}{/if}</p>
{/if}
HTML;

return [
    'VPN Welcome' => [
        'subject' => 'Your VPN is ready',
        'message' => <<<'HTML'
<p>Dear {$client_name},</p>
<p>your VPN {$service_product_name} is ready. This is what your devices need:</p>
<p>Server: {$server_address|escape}<br>
{if $vpn_protocols}Protocols: {$vpn_protocols|escape}<br>{/if}
{if $vpn_l2tp_psk}L2TP IPSec PSK key: {$vpn_l2tp_psk|escape}<br>{/if}
Username: {$service_username|escape}<br>
Password: {$service_password|escape}</p>
{if $vpn_download}<p>Bandwidth limit: {$vpn_download|escape} download, {$vpn_upload|escape} upload</p>{/if}
{if $traffic_billingcycle_gb}<p>Traffic per billing cycle: {$traffic_billingcycle_gb|escape} GB</p>{/if}
{if $vpn_instruction_url}<p>How to set it up: <a href="{$vpn_instruction_url}">{$vpn_instruction_url}</a></p>{/if}

HTML
            . $netflow . "\n<p>{\$signature}</p>\n",
    ],
    'VPN Traffic Low' => [
        'subject' => 'Less than {$notification_traffic_remainder} GB of VPN traffic left - {$service_username}',
        'message' => <<<'HTML'
<p>Dear {$client_name},</p>
<p>your VPN account {$service_username|escape} has less than {$notification_traffic_remainder|escape} GB of traffic
left.</p>
<p>Traffic left: {$traffic_balance_gb|escape} GB<br>
Packet: {$traffic_billingcycle_gb|escape} GB per billing cycle{if $next_due_date}<br>
Next packet: {$next_due_date|escape}{/if}</p>
<p>Your VPN keeps working until the traffic is used up. Then it pauses until the next packet is added, or until you buy
more traffic.</p>
<p>{$signature}</p>

HTML
    ],
    'VPN Traffic Used Up' => [
        'subject' => 'Your VPN traffic is used up - {$service_username}',
        'message' => <<<'HTML'
<p>Dear {$client_name},</p>
<p>{if $blocking_quota}the {if $blocking_quota == 'time'}time online of today{elseif $blocking_quota == 'daily'}traffic
of today{else}traffic of this cycle{/if} of your VPN account {$service_username|escape} is used up, so the VPN is
paused.</p>
{if $resets_at}<p>It comes back by itself: {$resets_at|escape}.</p>{/if}{else}the traffic of your VPN account
{$service_username|escape} is used up, so the VPN is paused.</p>
<p>Traffic left: {$traffic_balance_gb|escape} GB<br>
Packet: {$traffic_billingcycle_gb|escape} GB per billing cycle{if $next_due_date}<br>
Next packet: {$next_due_date|escape}{/if}</p>
<p>It comes back by itself as soon as a packet covers what was used, or as soon as you buy more traffic. Username and
password stay the same.</p>
{if $full_quota_too}<p>The quota of your plan is used up too: it does not come back before that is counted from zero
again{if $resets_at} ({$resets_at|escape}){/if}.</p>{/if}{/if}
<p>{$signature}</p>

HTML
    ],
    'VPN Speed Reduced' => [
        'subject' => 'Your VPN speed is reduced - {$service_username}',
        'message' => <<<'HTML'
<p>Dear {$client_name},</p>
<p>your VPN account {$service_username|escape} still works, but slower:
{if $speed_reason == 'monthly'}this cycle's traffic has passed a step of your plan {$plan_name|escape}.
{elseif $speed_reason == 'quota_daily'}the traffic of today is used up.
{elseif $speed_reason == 'quota_monthly'}the traffic of this cycle is used up.
{elseif $speed_reason == 'quota_time'}the time online of today is used up.
{else}today's traffic has passed a step of your plan {$plan_name|escape}.{/if}</p>
<p>Speed now: {if $current_download_speed}{$current_download_speed|escape}{else}unlimited{/if} download,
{if $current_upload_speed}{$current_upload_speed|escape}{else}unlimited{/if} upload<br>
Full speed: {if $full_download_speed}{$full_download_speed|escape}{else}unlimited{/if} download,
{if $full_upload_speed}{$full_upload_speed|escape}{else}unlimited{/if} upload<br>
Used today: {$used_today_gb|escape} GB, this cycle: {$used_cycle_gb|escape} GB</p>
{if $resets_at}<p>It is counted from zero again on {$resets_at|escape}. There is nothing that you have to do.</p>{/if}
<p>{$signature}</p>

HTML
    ],
    'VPN Full Speed Again' => [
        'subject' => 'Your VPN has its full speed again - {$service_username}',
        'message' => <<<'HTML'
<p>Dear {$client_name},</p>
<p>your VPN account {$service_username|escape} goes at the full speed of your plan {$plan_name|escape} again.</p>
<p>Speed now: {if $current_download_speed}{$current_download_speed|escape}{else}unlimited{/if} download,
{if $current_upload_speed}{$current_upload_speed|escape}{else}unlimited{/if} upload<br>
Used today: {$used_today_gb|escape} GB, this cycle: {$used_cycle_gb|escape} GB</p>
<p>{$signature}</p>

HTML
    ],
];
