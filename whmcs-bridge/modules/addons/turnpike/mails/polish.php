<?php

/**
 * The e-mail templates in Polish, as they are put into WHMCS on activation. Change them there, not here.
 */

declare(strict_types=1);

if (!defined('WHMCS')) {
    die('This file cannot be accessed directly');
}

$netflow = <<<'HTML'
{if $netflow_enabled}
<p><strong>Wykorzystanie sieci</strong><br>
{if $netflow_url}Adres: <a href="{$netflow_url}">{$netflow_url}</a><br>{/if}
{if $netflow_username}Nazwa użytkownika: {$netflow_username|escape}<br>{/if}
{if $netflow_password}Hasło: {$netflow_password|escape}<br>{/if}
{if $netflow_group}Grupa: {$netflow_group|escape}<br>{/if}
{if $netflow_ip_address}Adres IP: {$netflow_ip_address|escape}{/if}</p>
{/if}
HTML;

return [
    'VPN Welcome' => [
        'subject' => 'Twój VPN jest gotowy',
        'message' => <<<'HTML'
<p>Dzień dobry {$client_name},</p>
<p>usługa VPN {$service_product_name} jest gotowa. Oto dane do wpisania w urządzeniach:</p>
<p>Serwer: {$server_address|escape}<br>
{if $vpn_protocols}Protokoły: {$vpn_protocols|escape}<br>{/if}
{if $vpn_l2tp_psk}Klucz PSK L2TP IPSec: {$vpn_l2tp_psk|escape}<br>{/if}
Nazwa użytkownika: {$service_username|escape}<br>
Hasło: {$service_password|escape}</p>
{if $vpn_download}<p>Limit prędkości: pobieranie {$vpn_download|escape}, wysyłanie {$vpn_upload|escape}</p>{/if}
{if $traffic_billingcycle_gb}<p>Transfer w okresie rozliczeniowym: {$traffic_billingcycle_gb|escape} GB</p>{/if}
{if $vpn_instruction_url}<p>Instrukcja: <a href="{$vpn_instruction_url}">{$vpn_instruction_url}</a></p>{/if}

HTML
            . $netflow . "\n<p>{\$signature}</p>\n",
    ],
    'VPN Traffic Low' => [
        'subject' => 'Pozostało mniej niż {$notification_traffic_remainder} GB transferu VPN - {$service_username}',
        'message' => <<<'HTML'
<p>Dzień dobry {$client_name},</p>
<p>na koncie VPN {$service_username|escape} pozostało mniej niż {$notification_traffic_remainder|escape} GB
transferu.</p>
<p>Pozostały transfer: {$traffic_balance_gb|escape} GB<br>
Pakiet: {$traffic_billingcycle_gb|escape} GB na okres rozliczeniowy{if $next_due_date}<br>
Następny pakiet: {$next_due_date|escape}{/if}</p>
<p>VPN działa do wyczerpania transferu. Potem zatrzymuje się do czasu doliczenia następnego pakietu albo dokupienia
transferu.</p>
<p>{$signature}</p>

HTML
    ],
    'VPN Traffic Used Up' => [
        'subject' => 'Transfer VPN został wyczerpany - {$service_username}',
        'message' => <<<'HTML'
<p>Dzień dobry {$client_name},</p>
<p>{if $blocking_quota}{if $blocking_quota == 'time'}dzisiejszy czas połączenia{elseif $blocking_quota == 'daily'}
dzisiejszy transfer{else}transfer tego okresu{/if} konta VPN {$service_username|escape} został wyczerpany, dlatego VPN
jest wstrzymany.</p>
{if $resets_at}<p>VPN wróci sam: {$resets_at|escape}.</p>{/if}{else}transfer konta VPN {$service_username|escape}
został wyczerpany, dlatego VPN jest wstrzymany.</p>
<p>Pozostały transfer: {$traffic_balance_gb|escape} GB<br>
Pakiet: {$traffic_billingcycle_gb|escape} GB na okres rozliczeniowy{if $next_due_date}<br>
Następny pakiet: {$next_due_date|escape}{/if}</p>
<p>VPN wróci sam, gdy pakiet pokryje zużyty transfer albo gdy dokupisz transfer. Nazwa użytkownika i hasło pozostają
bez zmian.</p>
{if $full_quota_too}<p>Wyczerpany jest też limit planu: VPN nie wróci, zanim nie będzie on liczony od
zera{if $resets_at} ({$resets_at|escape}){/if}.</p>{/if}{/if}
<p>{$signature}</p>

HTML
    ],
    'VPN Speed Reduced' => [
        'subject' => 'Prędkość VPN została obniżona - {$service_username}',
        'message' => <<<'HTML'
<p>Dzień dobry {$client_name},</p>
<p>konto VPN {$service_username|escape} nadal działa, ale wolniej:
{if $speed_reason == 'monthly'}transfer tego okresu przekroczył próg planu {$plan_name|escape}.
{elseif $speed_reason == 'quota_daily'}dzisiejszy transfer został wyczerpany.
{elseif $speed_reason == 'quota_monthly'}transfer tego okresu został wyczerpany.
{elseif $speed_reason == 'quota_time'}dzisiejszy czas połączenia został wyczerpany.
{else}dzisiejszy transfer przekroczył próg planu {$plan_name|escape}.{/if}</p>
<p>Prędkość teraz: pobieranie {if $current_download_speed}{$current_download_speed|escape}{else}bez limitu{/if},
wysyłanie {if $current_upload_speed}{$current_upload_speed|escape}{else}bez limitu{/if}<br>
Pełna prędkość: pobieranie {if $full_download_speed}{$full_download_speed|escape}{else}bez limitu{/if},
wysyłanie {if $full_upload_speed}{$full_upload_speed|escape}{else}bez limitu{/if}<br>
Zużyto dzisiaj: {$used_today_gb|escape} GB, w tym okresie: {$used_cycle_gb|escape} GB</p>
{if $resets_at}<p>Liczenie od zera zacznie się {$resets_at|escape}. Nie trzeba nic robić.</p>{/if}
<p>{$signature}</p>

HTML
    ],
    'VPN Full Speed Again' => [
        'subject' => 'VPN znów działa z pełną prędkością - {$service_username}',
        'message' => <<<'HTML'
<p>Dzień dobry {$client_name},</p>
<p>konto VPN {$service_username|escape} znów działa z pełną prędkością planu {$plan_name|escape}.</p>
<p>Prędkość teraz: pobieranie {if $current_download_speed}{$current_download_speed|escape}{else}bez limitu{/if},
wysyłanie {if $current_upload_speed}{$current_upload_speed|escape}{else}bez limitu{/if}<br>
Zużyto dzisiaj: {$used_today_gb|escape} GB, w tym okresie: {$used_cycle_gb|escape} GB</p>
<p>{$signature}</p>

HTML
    ],
];
