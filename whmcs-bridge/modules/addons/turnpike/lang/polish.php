<?php

/**
 * Polskie teksty dodatku Turnpike, w postaci, którą WHMCS wczytuje dla dodatków.
 */

declare(strict_types=1);

$_ADDONLANG['pair'] = 'Połącz WHMCS z Turnpike';
$_ADDONLANG['pair_again'] = 'Połącz ponownie';
$_ADDONLANG['how'] = 'Uruchom `turnpike pair` tam, gdzie działa Turnpike, i wklej wiersz, który zostanie wypisany.';
$_ADDONLANG['code'] = 'Kod parowania';
$_ADDONLANG['connect'] = 'Połącz';
$_ADDONLANG['connected'] = 'WHMCS i Turnpike są połączone.';
$_ADDONLANG['saved'] = 'Kod parowania został sprawdzony i zapisany.';
$_ADDONLANG['not_saved'] = 'Kod parowania nie został zapisany i nic nie zostało zmienione.';
$_ADDONLANG['form_expired'] = 'Ten formularz stracił ważność, nic nie zostało zmienione; wklej kod ponownie.';
$_ADDONLANG['row_state'] = 'Stan';
$_ADDONLANG['row_address'] = 'Adres Turnpike';
$_ADDONLANG['row_key'] = 'Klucz';
$_ADDONLANG['row_clock'] = 'Zegary';
$_ADDONLANG['row_version'] = 'Wersja Turnpike';
$_ADDONLANG['row_bridge'] = 'Wersja tego modułu';
$_ADDONLANG['unknown'] = 'nieznane';
$_ADDONLANG['clock_agrees'] = 'zgodne';
$_ADDONLANG['clock_ahead'] = 'zegar Turnpike spieszy się względem tego o %s s';
$_ADDONLANG['clock_behind'] = 'zegar Turnpike spóźnia się względem tego o %s s';
$_ADDONLANG['clock_advice'] = 'Zegary się rozchodzą; powyżej 120 s każde wywołanie jest odrzucane. Ustaw oba'
    . ' przez NTP.';
$_ADDONLANG['plain_advice'] = 'Turnpike działa na innej maszynie, a jego adres to http: hasła przechodzą przez sieć'
    . ' jawnie. Daj Turnpike certyfikat (http.tls_certificate, http.tls_key) i połącz ponownie.';
$_ADDONLANG['pages'] = 'Wróć do stron';
$_ADDONLANG['connection'] = 'Połączenie';
$_ADDONLANG['page_down'] = 'Nie można teraz pokazać Turnpike; klienci, wiadomości i sam WHMCS działają dalej.';
$_ADDONLANG['page_again'] = 'Spróbuj ponownie';
$_ADDONLANG['page_unsure'] = 'To, co wysłano, jest tu zachowane. Wysłane ponownie zostanie wykonane najwyżej'
    . ' raz; nowy formularz zostałby wykonany dodatkowo.';
$_ADDONLANG['page_send_again'] = 'Wyślij ponownie';
$_ADDONLANG['page_expired'] = 'Ten formularz stracił ważność, nic nie zostało zmienione; wyślij go ponownie.';
$_ADDONLANG['page_done'] = 'Dalej';
$_ADDONLANG['not_allowed'] = 'Twoja rola na to nie pozwala; ustawienia dodatku mówią, które role mogą to robić.';
