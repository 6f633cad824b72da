<?php

/**
 * Texts of the Turnpike addon, in the form that WHMCS loads for addons.
 */

declare(strict_types=1);

$_ADDONLANG['pair'] = 'Connect WHMCS with Turnpike';
$_ADDONLANG['pair_again'] = 'Pair again';
$_ADDONLANG['how'] = 'Run `turnpike pair` where Turnpike runs, and paste the one line that it prints.';
$_ADDONLANG['code'] = 'Pairing code';
$_ADDONLANG['connect'] = 'Connect';
$_ADDONLANG['connected'] = 'WHMCS and Turnpike are connected.';
$_ADDONLANG['saved'] = 'The pairing code was checked and saved.';
$_ADDONLANG['not_saved'] = 'The pairing code was not saved, and nothing was changed.';
$_ADDONLANG['form_expired'] = 'This form had expired, nothing was changed; please paste the code again.';
$_ADDONLANG['row_state'] = 'State';
$_ADDONLANG['row_address'] = 'Address of Turnpike';
$_ADDONLANG['row_key'] = 'Key';
$_ADDONLANG['row_clock'] = 'Clocks';
$_ADDONLANG['row_version'] = 'Version of Turnpike';
$_ADDONLANG['row_bridge'] = 'Version of this module';
$_ADDONLANG['unknown'] = 'not known';
$_ADDONLANG['clock_agrees'] = 'agree';
$_ADDONLANG['clock_ahead'] = 'the clock of Turnpike is %s s ahead of this one';
$_ADDONLANG['clock_behind'] = 'the clock of Turnpike is %s s behind this one';
$_ADDONLANG['clock_advice'] = 'The clocks drift apart; above 120 s every call is refused. Set both by NTP.';
$_ADDONLANG['plain_advice'] = 'Turnpike is on another machine and its address is http: passwords cross the network in'
    . ' clear. Give Turnpike a certificate (http.tls_certificate, http.tls_key) and pair again.';
$_ADDONLANG['pages'] = 'Back to the pages';
$_ADDONLANG['connection'] = 'Connection';
$_ADDONLANG['page_down'] = 'Turnpike cannot be shown now; customers, mails and WHMCS itself go on.';
$_ADDONLANG['page_again'] = 'Try again';
$_ADDONLANG['page_unsure'] = 'What was sent is kept here. Sent again, it is done once at the most; a new form'
    . ' would be done besides.';
$_ADDONLANG['page_send_again'] = 'Send again';
$_ADDONLANG['page_expired'] = 'This form had expired, nothing was changed; please send it again.';
$_ADDONLANG['page_done'] = 'Continue';
$_ADDONLANG['not_allowed'] = 'Your role may not do this; the settings of the addon say which roles may.';
